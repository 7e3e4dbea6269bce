use std::collections::BTreeMap;

use serde::Deserialize;
use sluice_filter::values::OneOrMore;

/// What the operator writes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    #[serde(default)]
    pub(crate) request: EditSettings,
    #[serde(default)]
    pub(crate) response: EditSettings,
}

/// The edits of one side.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EditSettings {
    #[serde(default)]
    pub(crate) remove: Vec<String>,
    #[serde(default)]
    pub(crate) set: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) append: BTreeMap<String, OneOrMore<String>>,
}

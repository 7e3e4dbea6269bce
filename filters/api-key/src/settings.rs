use std::collections::BTreeMap;

use serde::Deserialize;
use sluice_filter::values::OneOrMore;
use sluice_filter::{Error, rules};

/// What the operator writes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    #[serde(default = "header")]
    pub(crate) header: String,
    #[serde(default = "name_header")]
    pub(crate) name_header: String,
    #[serde(default = "realm")]
    pub(crate) realm: String,
    #[serde(default)]
    /// A name may have several keys: an old and a new one while they are changed.
    pub(crate) keys: BTreeMap<String, OneOrMore<String>>,
    #[serde(default)]
    pub(crate) sha256: Vec<String>,
}

impl Settings {
    /// Refuses here what the host would refuse at every request.
    pub(crate) fn check(&self) -> Result<(), Error> {
        rules::check_name(&self.header).map_err(|sentence| Error::at("header", sentence))?;
        rules::check_name(&self.name_header).map_err(|sentence| Error::at("name-header", sentence))?;
        if self.header.eq_ignore_ascii_case(&self.name_header) {
            return Err(Error::at("name-header", "the same as `header`, whose value is the key"));
        }
        // What a quoted string holds as it is (RFC 9110 §5.6.4).
        if !self.realm.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\') {
            return Err(Error::at("realm", "expected printable ASCII without quotes and backslashes"));
        }
        Ok(())
    }
}

fn header() -> String {
    "x-api-key".to_owned()
}

fn name_header() -> String {
    "x-api-key-name".to_owned()
}

fn realm() -> String {
    "api".to_owned()
}

use serde::Deserialize;

/// What the operator writes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    #[serde(default)]
    pub(crate) remove: Vec<String>,
    #[serde(default)]
    pub(crate) hash: Vec<String>,
    pub(crate) hash_secret: Option<String>,
    #[serde(default)]
    pub(crate) on_invalid: OnInvalid,
}

/// What becomes of a body that cannot be masked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OnInvalid {
    #[default]
    Reset,
    Pass,
}

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// The configuration of a filter that takes none: nothing, or an empty object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// Reads the text that the host hands to `configure`. No configuration (`null`) counts as an empty object, so that a filter
/// whose keys are all optional needs no `config:` at all.
pub(crate) fn parse<C: DeserializeOwned>(text: &str) -> Result<C, Error> {
    let text = if text.trim() == "null" { "{}" } else { text };
    let mut json = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let sentence = without_position(error.inner());
        // The whole configuration has the path `.`.
        if path == "." { Error::new(format!("config: {sentence}")) } else { Error::at(path, sentence) }
    })
}

/// The host has made the JSON text from its own configuration: a line and a column in it say nothing to an operator.
fn without_position(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    message.strip_suffix(&position).unwrap_or(&message).to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Limits {
        #[serde(default)]
        routes: BTreeMap<String, Vec<u16>>,
        #[serde(default, rename = "retry-after")]
        retry_after: u16,
    }

    fn refusal(text: &str) -> String {
        parse::<Limits>(text).unwrap_err().to_string()
    }

    #[test]
    fn no_configuration_is_an_empty_object() {
        let limits = parse::<Limits>("null").unwrap();
        assert!(limits.routes.is_empty() && limits.retry_after == 0);
        assert_eq!(parse::<NoConfig>("null"), Ok(NoConfig {}));
    }

    #[test]
    fn an_error_names_the_key_and_the_place_in_it() {
        assert_eq!(
            refusal(r#"{"routes": {"api": [1, "x"]}}"#),
            r#"config.routes.api[1]: invalid type: string "x", expected u16"#
        );
    }

    #[test]
    fn an_unknown_key_is_named() {
        assert_eq!(
            refusal(r#"{"retry_after": "a"}"#),
            "config.retry_after: unknown field `retry_after`, expected `routes` or `retry-after`"
        );
        assert_eq!(
            parse::<NoConfig>(r#"{"a": 1}"#).unwrap_err().to_string(),
            "config.a: unknown field `a`, there are no fields"
        );
    }

    #[test]
    fn a_missing_key_is_named() {
        #[derive(Debug, Deserialize)]
        struct Needs {
            #[serde(rename = "header")]
            _header: String,
        }
        assert_eq!(parse::<Needs>("null").unwrap_err().to_string(), "config: missing field `header`");
    }
}

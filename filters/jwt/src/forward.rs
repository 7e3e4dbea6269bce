use std::collections::BTreeMap;

use serde_json::Value;
use sluice_filter::values::HeaderName;
use sluice_filter::{Error, Request, log, rules};

use crate::claims::Claims;

/// The headers in which the upstream finds claims, and nothing that a client wrote.
#[derive(Debug)]
pub(crate) struct Forward {
    headers: Vec<(HeaderName, Vec<String>)>,
}

impl Forward {
    pub(crate) fn new(claims: BTreeMap<HeaderName, String>) -> Result<Self, Error> {
        let mut headers = Vec::new();
        for (header, path) in claims {
            let steps: Vec<String> = path.split('.').map(str::to_owned).collect();
            if steps.iter().any(String::is_empty) {
                return Err(Error::at(
                    format!("claims.{header}"),
                    "expected the names of a claim, with dots between them",
                ));
            }
            headers.push((header, steps));
        }
        Ok(Self { headers })
    }

    /// Sets each header to its claim. Without claims all of them go.
    pub(crate) fn apply(&self, claims: Option<&Claims>, request: &mut Request) {
        for (header, steps) in &self.headers {
            match claims.and_then(|claims| find(claims, steps)).and_then(written) {
                Some(value) if rules::check_value(&value).is_ok() => request.set_header(header, value),
                Some(_) => {
                    log::warn("a claim cannot be a header's value", &[("header", header)]);
                    request.remove_header(header);
                }
                None => request.remove_header(header),
            }
        }
    }
}

/// A claim of that whole name, as `https://example.com/roles` is, or one within others.
fn find<'c>(claims: &'c Claims, steps: &[String]) -> Option<&'c Value> {
    if let Some(value) = claims.get(&steps.join(".")) {
        return Some(value);
    }
    let (first, rest) = steps.split_first()?;
    rest.iter().try_fold(claims.get(first)?, |value, step| value.get(step))
}

/// A scalar as it is, anything else as JSON.
fn written(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Some(value.to_string()),
    }
}

use serde_json::{Map, Value};

use crate::settings::Demands;
use crate::token::Reason;

pub(crate) type Claims = Map<String, Value>;

/// Whether a token with these claims is for us, and now (RFC 7519 §4.1).
pub(crate) fn check(claims: &Claims, demands: &Demands, now_ns: u64) -> Result<(), Reason> {
    let now = now_ns as f64 / 1e9;
    let leeway = demands.leeway.as_secs_f64();
    match date(claims, "exp")? {
        Some(end) if now >= end + leeway => return Err("the token has expired"),
        None if demands.expiry => return Err("the token has no expiry"),
        _ => {}
    }
    if date(claims, "nbf")?.is_some_and(|begin| now + leeway < begin) {
        return Err("the token is not valid yet");
    }
    let issuer = claims.get("iss").and_then(Value::as_str);
    if !demands.issuer.is_empty()
        && !issuer.is_some_and(|issuer| demands.issuer.iter().any(|ours| ours == issuer))
    {
        return Err("the token is of another issuer");
    }
    if !demands.audience.is_empty() && !for_audience(claims.get("aud"), &demands.audience) {
        return Err("the token is for another audience");
    }
    Ok(())
}

/// Whether the token's scope holds all that are demanded (RFC 8693 §4.2). Some issuers write a list named `scp`.
pub(crate) fn has_scopes(claims: &Claims, scopes: &[String]) -> bool {
    let given: Vec<&str> = match claims.get("scope").or_else(|| claims.get("scp")) {
        Some(Value::String(text)) => text.split(' ').collect(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    scopes.iter().all(|scope| given.contains(&scope.as_str()))
}

/// Seconds since 1970, perhaps with a fraction.
fn date(claims: &Claims, name: &str) -> Result<Option<f64>, Reason> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => match value.as_f64().filter(|date| date.is_finite()) {
            Some(date) => Ok(Some(date)),
            None => Err("a date in the token is no number"),
        },
    }
}

/// One name, or a list of names.
fn for_audience(claim: Option<&Value>, ours: &[String]) -> bool {
    let is_ours = |value: &Value| value.as_str().is_some_and(|name| ours.iter().any(|our| our == name));
    match claim {
        Some(Value::Array(names)) => names.iter().any(is_ours),
        Some(name) => is_ours(name),
        None => false,
    }
}

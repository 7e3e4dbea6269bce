//! What the contract refuses in an edit, a reply or a trailer: for filters that want to refuse a bad configuration instead
//! of failing at the first exchange. The harness in `testing` applies the same functions.
//!
//! Each returns a sentence that says what is wrong.

/// Whether a filter may set, append or remove a header of this name.
///
/// ```
/// # use sluice_filter::rules;
/// assert_eq!(rules::check_name("x-team"), Ok(()));
/// assert_eq!(rules::check_name("x team"), Err(r#""x team" is no field name"#.to_owned()));
/// assert_eq!(rules::check_name("Host"), Err(r#""Host" frames or routes the message"#.to_owned()));
/// ```
pub fn check_name(name: &str) -> Result<(), String> {
    if !is_token(name) {
        return Err(format!("{name:?} is no field name"));
    }
    if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
        return Err(format!("{name:?} frames or routes the message"));
    }
    Ok(())
}

/// Whether a filter may set a trailer field of this name: what `check_name` says, and what RFC 9110 §6.5.1 keeps out of
/// trailers.
///
/// ```
/// # use sluice_filter::rules;
/// assert_eq!(rules::check_trailer_name("x-checksum"), Ok(()));
/// assert_eq!(
///     rules::check_trailer_name("Authorization"),
///     Err(r#""Authorization" must not be in trailers"#.to_owned())
/// );
/// ```
pub fn check_trailer_name(name: &str) -> Result<(), String> {
    check_name(name)?;
    if NOT_IN_TRAILERS.iter().any(|refused| name.eq_ignore_ascii_case(refused)) {
        return Err(format!("{name:?} must not be in trailers"));
    }
    Ok(())
}

/// Whether these bytes may be the value of a header.
///
/// ```
/// # use sluice_filter::rules;
/// assert_eq!(rules::check_value(b"caf\xe9"), Ok(()));
/// assert_eq!(rules::check_value(b"a\r\nb"), Err("the value holds a control byte (0x0d)".to_owned()));
/// ```
pub fn check_value(value: impl AsRef<[u8]>) -> Result<(), String> {
    let control = value.as_ref().iter().find(|byte| (**byte < 0x20 && **byte != b'\t') || **byte == 0x7f);
    match control {
        Some(byte) => Err(format!("the value holds a control byte (0x{byte:02x})")),
        None => Ok(()),
    }
}

/// Whether a filter may set this method.
///
/// ```
/// # use sluice_filter::rules;
/// assert_eq!(rules::check_method("PURGE"), Ok(()));
/// assert!(rules::check_method("CONNECT").is_err());
/// ```
pub fn check_method(method: &str) -> Result<(), String> {
    if is_token(method) && method != "CONNECT" {
        Ok(())
    } else {
        Err(format!("{method:?} is no method that a filter may set"))
    }
}

/// Whether a filter may set this path and query, in a request with this method.
///
/// ```
/// # use sluice_filter::rules;
/// assert_eq!(rules::check_path("/a?b=%20", "GET"), Ok(()));
/// assert_eq!(rules::check_path("*", "OPTIONS"), Ok(()));
/// assert!(rules::check_path("/a b", "GET").is_err());
/// ```
pub fn check_path(path: &str, method: &str) -> Result<(), String> {
    let printable = path.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    if (path.starts_with('/') && printable) || (path == "*" && method == "OPTIONS") {
        Ok(())
    } else {
        Err(format!("{path:?} is no path"))
    }
}

/// Whether a filter may set this authority.
///
/// ```
/// # use sluice_filter::rules;
/// assert_eq!(rules::check_authority("example.com:8080"), Ok(()));
/// assert_eq!(rules::check_authority("[2001:db8::1]"), Ok(()));
/// assert!(rules::check_authority("user@example.com").is_err());
/// ```
pub fn check_authority(authority: &str) -> Result<(), String> {
    // RFC 3986 §3.2.2 and §3.2.3: a bracketed IPv6 address or a name, and a port.
    let (is_host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            let plain =
                !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b":.".contains(&b));
            (plain, if rest.is_empty() { None } else { Some(rest.strip_prefix(':').unwrap_or("")) })
        }
        None => {
            let (name, port) = match authority.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (authority, None),
            };
            let plain = !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&b));
            (plain, port)
        }
    };
    let is_port = |port: &str| (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
    if is_host && port.is_none_or(is_port) { Ok(()) } else { Err(format!("{authority:?} is no host[:port]")) }
}

/// Whether a filter may set this status, or reply with it.
///
/// ```
/// # use sluice_filter::rules;
/// assert_eq!(rules::check_status(418), Ok(()));
/// assert_eq!(rules::check_status(99), Err("99 is no final status".to_owned()));
/// ```
pub fn check_status(status: u16) -> Result<(), String> {
    if (200..=599).contains(&status) { Ok(()) } else { Err(format!("{status} is no final status")) }
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

const RESERVED: [&str; 9] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Framing, routing, request modifiers, authentication and content fields, as RFC 9110 §6.5.1 counts them up.
const NOT_IN_TRAILERS: [&str; 22] = [
    "age",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "expect",
    "expires",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authorization",
    "range",
    "set-cookie",
    "www-authenticate",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_a_host_and_perhaps_a_port() {
        for good in ["a", "example.com", "example.com:1", "127.0.0.1:65535", "[::1]", "[::1]:80", "a_b~c%20"]
        {
            assert_eq!(check_authority(good), Ok(()), "{good}");
        }
        for bad in [
            "", ":80", "a:", "a:123456", "a:b", "a/b", "u@a", "[", "[]", "[::1", "[::1]a", "[::1]:", "a b",
            "é",
        ] {
            assert!(check_authority(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_reserved_name_is_refused_however_it_is_written() {
        for name in RESERVED {
            assert!(check_name(&name.to_uppercase()).is_err(), "{name}");
        }
        for name in ["", ":authority", "a b", "a:", "é", "a\r\n"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}

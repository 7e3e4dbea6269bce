use std::borrow::Cow;

use sluice_filter::{Exchange, Request, Response, rules};

/// A value with substitutions, parsed once.
#[derive(Debug, PartialEq)]
pub(crate) struct Template<S> {
    parts: Vec<Part<S>>,
}

#[derive(Debug, PartialEq)]
enum Part<S> {
    Literal(String),
    Substitution(S),
}

/// What may stand between braces on one side.
pub(crate) trait Substitution: Sized {
    /// How the error of an unknown one goes on.
    const KNOWN: &'static str;

    fn parse(name: &str) -> Result<Option<Self>, String>;
}

/// The substitutions of requests.
#[derive(Debug, PartialEq)]
pub(crate) enum InRequest {
    RequestId,
    Route,
    Method,
    Path,
    Header(String),
}

/// The substitutions of responses.
#[derive(Debug, PartialEq)]
pub(crate) enum InResponse {
    RequestId,
    Route,
    Status,
}

impl<S: Substitution> Template<S> {
    /// `{{` is a brace; a closing brace alone stands for itself, since there is nothing else that it could mean.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            literal.push_str(before);
            if let Some(after) = after.strip_prefix('{') {
                literal.push('{');
                rest = after;
                continue;
            }
            let Some((name, after)) = after.split_once('}') else {
                return Err(format!("`{{{after}` has no closing brace; `{{{{` stands for a brace"));
            };
            let substitution = S::parse(name)?
                .ok_or_else(|| format!("unknown substitution `{{{name}}}`, expected {}", S::KNOWN))?;
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Substitution(substitution));
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() || parts.is_empty() {
            parts.push(Part::Literal(literal));
        }
        for part in &parts {
            if let Part::Literal(literal) = part {
                rules::check_value(literal)?;
            }
        }
        Ok(Self { parts })
    }

    /// The value. A template without substitutions costs nothing, and one that is nothing else no copy.
    pub(crate) fn render(&self, mut substitute: impl FnMut(&S, &mut Vec<u8>)) -> Cow<'_, [u8]> {
        if let [Part::Literal(literal)] = self.parts.as_slice() {
            return Cow::Borrowed(literal.as_bytes());
        }
        let mut value = Vec::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => value.extend_from_slice(literal.as_bytes()),
                Part::Substitution(substitution) => substitute(substitution, &mut value),
            }
        }
        Cow::Owned(value)
    }
}

impl Substitution for InRequest {
    const KNOWN: &'static str = "`{request-id}`, `{route}`, `{method}`, `{path}` or `{header:NAME}`";

    fn parse(name: &str) -> Result<Option<Self>, String> {
        Ok(Some(match name {
            "request-id" => Self::RequestId,
            "route" => Self::Route,
            "method" => Self::Method,
            "path" => Self::Path,
            _ => {
                let Some(header) = name.strip_prefix("header:") else { return Ok(None) };
                check_readable(header)?;
                Self::Header(header.to_owned())
            }
        }))
    }
}

impl InRequest {
    pub(crate) fn render(&self, request: &Request, exchange: &Exchange, out: &mut Vec<u8>) {
        match self {
            Self::RequestId => put(out, exchange.request_id()),
            Self::Route => put(out, exchange.route()),
            Self::Method => put(out, request.method()),
            Self::Path => put(out, request.path()),
            Self::Header(name) => {
                if let Some(value) = request.header(name) {
                    put(out, value);
                }
            }
        }
    }
}

impl Substitution for InResponse {
    const KNOWN: &'static str = "`{request-id}`, `{route}` or `{status}`";

    fn parse(name: &str) -> Result<Option<Self>, String> {
        Ok(match name {
            "request-id" => Some(Self::RequestId),
            "route" => Some(Self::Route),
            "status" => Some(Self::Status),
            _ => None,
        })
    }
}

impl InResponse {
    pub(crate) fn render(&self, response: &Response, exchange: &Exchange, out: &mut Vec<u8>) {
        match self {
            Self::RequestId => put(out, exchange.request_id()),
            Self::Route => put(out, exchange.route()),
            Self::Status => put(out, response.status().to_string()),
        }
    }
}

/// A substitution that is the whole value keeps the buffer that the host has filled.
fn put(out: &mut Vec<u8>, value: impl Into<Vec<u8>>) {
    let value = value.into();
    if out.is_empty() { *out = value } else { out.extend_from_slice(&value) }
}

/// Reserved names may be read: `{header:host}` is as good as any.
fn check_readable(name: &str) -> Result<(), String> {
    match rules::check_name(name) {
        Err(sentence) if sentence.ends_with("is no field name") => Err(sentence),
        _ => Ok(()),
    }
}

use std::cell::RefCell;

use super::limits::{EDIT_BYTES, EDITS};
use crate::rules;

pub(crate) type Field = (String, Vec<u8>);
pub(crate) type Request = Message<RequestLine>;
pub(crate) type Response = Message<StatusLine>;
pub(crate) type Trailers = Message<NoLine>;

/// A head or a trailer section, and what has been done to it in this call.
///
/// As in a component, writers take `&self`: the message is the host's. A refused edit is remembered, not made, and makes
/// the call fail when it returns.
#[derive(Debug, Clone)]
pub(crate) struct Message<L> {
    line: RefCell<L>,
    fields: RefCell<Vec<Field>>,
    edits: RefCell<Edits>,
}

#[derive(Debug, Clone)]
pub(crate) struct RequestLine {
    pub(crate) method: String,
    pub(crate) scheme: String,
    pub(crate) authority: String,
    pub(crate) path: String,
}

#[derive(Debug, Clone)]
pub(crate) struct StatusLine {
    pub(crate) status: u16,
}

#[derive(Debug, Clone)]
pub(crate) struct NoLine;

#[derive(Debug, Clone, Default)]
struct Edits {
    count: usize,
    bytes: usize,
    refusal: Option<String>,
}

/// What comes before the fields; it decides which fields there may be.
pub(crate) trait Line {
    fn check_name(name: &str) -> Result<(), String> {
        rules::check_name(name)
    }
}

impl Line for RequestLine {}
impl Line for StatusLine {}
impl Line for NoLine {
    fn check_name(name: &str) -> Result<(), String> {
        rules::check_trailer_name(name)
    }
}

impl<L> Message<L> {
    pub(crate) fn new(line: L, fields: Vec<Field>) -> Self {
        Self { line: line.into(), fields: fields.into(), edits: RefCell::default() }
    }

    /// Ends a call: its first refused edit, if there is one. The next call begins without edits.
    pub(crate) fn end_call(&self) -> Option<String> {
        self.edits.take().refusal
    }

    fn count(&self, bytes: usize, check: Result<(), String>) -> bool {
        let mut edits = self.edits.borrow_mut();
        edits.count += 1;
        edits.bytes += bytes;
        let refusal = match check {
            Err(sentence) => Some(sentence),
            Ok(()) if edits.count > EDITS => Some(format!("more than {EDITS} edits in one call")),
            Ok(()) if edits.bytes > EDIT_BYTES => {
                Some(format!("more than {EDIT_BYTES} bytes of edits in one call"))
            }
            Ok(()) => None,
        };
        if edits.refusal.is_none() {
            edits.refusal = refusal;
        }
        edits.refusal.is_none()
    }
}

impl<L: Line> Message<L> {
    pub(crate) fn header(&self, name: &str) -> Option<Vec<u8>> {
        self.fields
            .borrow()
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.clone())
    }

    pub(crate) fn header_values(&self, name: &str) -> Vec<Vec<u8>> {
        let fields = self.fields.borrow();
        fields
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.clone())
            .collect()
    }

    pub(crate) fn headers(&self) -> Vec<Field> {
        self.fields.borrow().clone()
    }

    pub(crate) fn set_header(&self, name: &str, value: &[u8]) {
        if !self.admit("set-header", name, value) {
            return;
        }
        let mut new = Some((name.to_owned(), value.to_vec()));
        let mut fields = self.fields.borrow_mut();
        let mut kept = Vec::with_capacity(fields.len() + 1);
        for field in fields.drain(..) {
            if field.0.eq_ignore_ascii_case(name) {
                kept.extend(new.take());
            } else {
                kept.push(field);
            }
        }
        kept.extend(new);
        *fields = kept;
    }

    pub(crate) fn append_header(&self, name: &str, value: &[u8]) {
        if self.admit("append-header", name, value) {
            self.fields.borrow_mut().push((name.to_owned(), value.to_vec()));
        }
    }

    pub(crate) fn remove_header(&self, name: &str) {
        if self.admit("remove-header", name, &[]) {
            self.fields.borrow_mut().retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        }
    }

    fn admit(&self, edit: &str, name: &str, value: &[u8]) -> bool {
        let check = L::check_name(name)
            .and_then(|()| rules::check_value(value))
            .map_err(|sentence| format!("{edit}: {sentence}"));
        self.count(name.len() + value.len(), check)
    }
}

impl Request {
    pub(crate) fn method(&self) -> String {
        self.line.borrow().method.clone()
    }

    pub(crate) fn set_method(&self, method: &str) {
        if self.count(
            method.len(),
            rules::check_method(method).map_err(|sentence| format!("set-method: {sentence}")),
        ) {
            method.clone_into(&mut self.line.borrow_mut().method);
        }
    }

    pub(crate) fn scheme(&self) -> String {
        self.line.borrow().scheme.clone()
    }

    pub(crate) fn authority(&self) -> String {
        self.line.borrow().authority.clone()
    }

    pub(crate) fn set_authority(&self, authority: &str) {
        let check =
            rules::check_authority(authority).map_err(|sentence| format!("set-authority: {sentence}"));
        if self.count(authority.len(), check) {
            authority.clone_into(&mut self.line.borrow_mut().authority);
        }
    }

    pub(crate) fn path(&self) -> String {
        self.line.borrow().path.clone()
    }

    pub(crate) fn set_path(&self, path: &str) {
        let check =
            rules::check_path(path, &self.method()).map_err(|sentence| format!("set-path: {sentence}"));
        if self.count(path.len(), check) {
            path.clone_into(&mut self.line.borrow_mut().path);
        }
    }
}

impl Response {
    pub(crate) fn status(&self) -> u16 {
        self.line.borrow().status
    }

    pub(crate) fn set_status(&self, status: u16) {
        if self.count(0, rules::check_status(status).map_err(|sentence| format!("set-status: {sentence}"))) {
            self.line.borrow_mut().status = status;
        }
    }
}

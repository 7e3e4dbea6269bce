use std::collections::BTreeMap;

use super::limits::METADATA_BYTES;
use super::world::{Stage, World, trap, with};
use crate::Value;

/// What the host knows of an exchange.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    pub(crate) request_id: String,
    pub(crate) route: String,
    pub(crate) filter_name: String,
    pub(crate) protocol: String,
    pub(crate) tls_version: Option<String>,
    pub(crate) client_address: Option<String>,
    pub(crate) metadata: BTreeMap<String, Value>,
    pub(crate) metadata_bytes: usize,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            request_id: "request-1".into(),
            route: "route".into(),
            filter_name: "filter".into(),
            protocol: "HTTP/1.1".into(),
            tls_version: None,
            client_address: None,
            metadata: BTreeMap::new(),
            metadata_bytes: 0,
        }
    }
}

pub(crate) fn request_id() -> String {
    facts(|facts| facts.request_id.clone())
}

pub(crate) fn route() -> String {
    facts(|facts| facts.route.clone())
}

pub(crate) fn filter_name() -> String {
    facts(|facts| facts.filter_name.clone())
}

pub(crate) fn protocol() -> String {
    facts(|facts| facts.protocol.clone())
}

pub(crate) fn tls_version() -> Option<String> {
    facts(|facts| facts.tls_version.clone())
}

pub(crate) fn client_address() -> Option<String> {
    facts(|facts| facts.client_address.clone())
}

pub(crate) fn metadata(key: &str) -> Option<Value> {
    facts(|facts| facts.metadata.get(key).cloned())
}

pub(crate) fn set_metadata(key: &str, value: &Value) {
    let too_much = facts(|facts| {
        facts.metadata_bytes += key.len() + size(value);
        facts.metadata.insert(key.to_owned(), value.clone());
        facts.metadata_bytes > METADATA_BYTES
    });
    if too_much {
        trap(&format!("more than {METADATA_BYTES} bytes of metadata"));
    }
}

fn facts<R>(look: impl FnOnce(&mut Facts) -> R) -> R {
    let known = with(|world: &mut World| match world.stage {
        Stage::Exchange => Some(look(&mut world.facts)),
        Stage::Outside | Stage::Configure | Stage::Handover => None,
    });
    known.unwrap_or_else(|| trap("exchange-facts outside of an exchange"))
}

fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Integer(_) | Value::Boolean(_) => 8,
    }
}

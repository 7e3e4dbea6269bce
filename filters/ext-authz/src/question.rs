use sha2::{Digest, Sha256};
use sluice_filter::Request;
use sluice_filter::http_client::{Error, Incoming, Outgoing};
use sluice_filter::values::{Duration, HeaderName};

use crate::settings::Part;

/// What the service is asked about a request.
#[derive(Debug)]
pub(crate) struct Question {
    outgoing: Outgoing,
    headers: Vec<HeaderName>,
    /// All that it is told: what its answer can depend on.
    parts: Vec<Part>,
}

/// Where the service finds what it is told beside the chosen headers.
pub(crate) const TOLD: [&str; 4] =
    ["x-forwarded-method", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-uri"];

/// Stands for the parts of a request that an answer is kept by, and tells nothing of them.
pub(crate) type Key = [u8; 32];

impl Question {
    pub(crate) fn new(
        upstream: &str,
        method: &str,
        path: &str,
        timeout: Duration,
        headers: Vec<HeaderName>,
    ) -> Self {
        let timeout_ms = u32::try_from(timeout.as_ms()).unwrap_or(u32::MAX);
        let told = [Part::Method, Part::Scheme, Part::Host, Part::Path];
        let parts = told.into_iter().chain(headers.iter().cloned().map(Part::Header)).collect();
        Self { outgoing: Outgoing::new(upstream, method, path).timeout_ms(timeout_ms), headers, parts }
    }

    pub(crate) fn ask(&self, request: &Request) -> Result<Incoming, Error> {
        let mut outgoing = self.outgoing.clone();
        for name in &self.headers {
            for value in request.header_values(name) {
                outgoing = outgoing.header(name.to_string(), value);
            }
        }
        let told = [request.method(), request.scheme(), request.authority(), request.path()];
        for (name, value) in TOLD.into_iter().zip(told) {
            outgoing = outgoing.header(name, value);
        }
        outgoing.send()
    }

    /// With these parts, or with all that the service is told.
    pub(crate) fn key(&self, request: &Request, parts: Option<&[Part]>) -> Key {
        let mut digest = Sha256::new();
        for part in parts.unwrap_or(&self.parts) {
            let values = match part {
                Part::Header(name) => request.header_values(name).into_iter().map(Vec::from).collect(),
                Part::Host => vec![request.authority().into_bytes()],
                Part::Method => vec![request.method().into_bytes()],
                Part::Path => vec![request.path().into_bytes()],
                Part::Scheme => vec![request.scheme().into_bytes()],
            };
            // With their number and lengths in front, so that two requests never read like one.
            digest.update((values.len() as u64).to_le_bytes());
            for value in values {
                digest.update((value.len() as u64).to_le_bytes());
                digest.update(value);
            }
        }
        digest.finalize().into()
    }
}

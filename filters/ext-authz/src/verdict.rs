use sluice_filter::Reply;
use sluice_filter::http_client::Incoming;
use sluice_filter::values::HeaderName;

/// What the service has said of a request.
#[derive(Debug, Clone)]
pub(crate) enum Verdict {
    /// It may pass, with these headers.
    Allowed(Vec<(String, Vec<u8>)>),
    /// The client gets this.
    Refused(Reply),
}

/// How an answer is read.
#[derive(Debug)]
pub(crate) struct Verdicts {
    to_upstream: Vec<HeaderName>,
    to_client: Vec<HeaderName>,
    body: bool,
}

impl Verdicts {
    pub(crate) fn new(to_upstream: Vec<HeaderName>, to_client: Vec<HeaderName>, body: bool) -> Self {
        Self { to_upstream, to_client, body }
    }

    /// None when it says neither yes nor no: a service that is broken has not refused anybody.
    pub(crate) fn read(&self, answer: &Incoming) -> Option<Verdict> {
        match answer.status {
            200..=299 => Some(Verdict::Allowed(chosen(answer, &self.to_upstream))),
            304 => None,
            300..=499 => {
                let headers = chosen(answer, &self.to_client);
                let body = if self.body { answer.body.clone() } else { Vec::new() };
                Some(Verdict::Refused(Reply { status: answer.status, headers, body }))
            }
            _ => None,
        }
    }
}

/// RFC 9111 §5.2.2.5: the service knows best what must not be kept.
pub(crate) fn forbids_storing(answer: &Incoming) -> bool {
    let fields = answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("cache-control"));
    fields
        .flat_map(|(_, value)| value.split(|byte| *byte == b','))
        .any(|directive| directive.trim_ascii().eq_ignore_ascii_case(b"no-store"))
}

/// All values of these headers, under the names that the operator has given them.
fn chosen(answer: &Incoming, names: &[HeaderName]) -> Vec<(String, Vec<u8>)> {
    let values = |name: &HeaderName| {
        let fields = answer.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        fields.map(|(_, value)| (name.to_string(), value.clone())).collect::<Vec<_>>()
    };
    names.iter().flat_map(values).collect()
}

use sluice_filter::Exchange;
use sluice_filter::rate_limit::Rate;

/// The fields `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers): structured lists whose items are named
/// after the filter, so that several limits stand side by side.
#[derive(Debug)]
pub(crate) struct Fields {
    rate: Rate,
    /// Both known from the first exchange on: a filter's name does not change.
    named: Option<Named>,
}

#[derive(Debug)]
struct Named {
    name: String,
    policy: String,
}

type Field = (&'static str, String);

impl Fields {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, named: None }
    }

    pub(crate) fn allowed<S>(&mut self, left: u32, exchange: &Exchange<S>) -> [Field; 2] {
        let Named { name, policy } = self.named(exchange);
        [("ratelimit-policy", policy.clone()), ("ratelimit", format!("{name};r={left}"))]
    }

    pub(crate) fn refused<S>(&mut self, seconds: u64, exchange: &Exchange<S>) -> [Field; 2] {
        let Named { name, policy } = self.named(exchange);
        [("ratelimit-policy", policy.clone()), ("ratelimit", format!("{name};r=0;t={seconds}"))]
    }

    fn named<S>(&mut self, exchange: &Exchange<S>) -> &Named {
        let Rate { limit, period_ms, .. } = self.rate;
        self.named.get_or_insert_with(|| {
            let name = quoted(&exchange.filter_name());
            // The draft's window is whole seconds.
            let policy = format!("{name};q={limit};w={}", period_ms.div_ceil(1_000));
            Named { name, policy }
        })
    }
}

/// As a structured field's string (RFC 9651 §3.3.3), which is printable ASCII.
fn quoted(name: &str) -> String {
    let mut quoted = String::from("\"");
    for char in name.chars() {
        if matches!(char, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(if matches!(char, ' '..='~') { char } else { '?' });
    }
    quoted.push('"');
    quoted
}

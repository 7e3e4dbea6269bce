//! "Handing state to the next version" of docs/filters/writing.md, as it stands there.

use std::collections::BTreeMap;

use sluice_filter::{Decision, Error, Exchange, Filter, Response, Stateful, filter};

#[derive(Default)]
struct Statuses {
    /// How often each status was seen.
    counts: BTreeMap<u16, u64>,
}

#[filter(state)]
impl Filter for Statuses {
    fn on_response(&mut self, response: &mut Response, _: &mut Exchange) -> Decision {
        let count = self.counts.entry(response.status()).or_default();
        *count += 1;
        response.set_header("x-seen", count.to_string());
        Decision::Proceed
    }
}

impl Stateful for Statuses {
    fn save(&self) -> Vec<u8> {
        self.counts
            .iter()
            .map(|(status, count)| format!("{status} {count}\n"))
            .collect::<String>()
            .into_bytes()
    }

    fn restore(&mut self, _digest: &str, state: &[u8]) -> Result<(), Error> {
        let line = |line: &str| {
            let (status, count) = line.split_once(' ')?;
            Some((status.parse().ok()?, count.parse().ok()?))
        };
        let text = std::str::from_utf8(state).map_err(|_| "the state is no text")?;
        self.counts = text.lines().map(line).collect::<Option<_>>().ok_or("a line is no status and count")?;
        Ok(())
    }
}

#[test]
fn a_status_that_was_seen_stays_known() {
    use sluice_filter::testing::{self, Handover, Harness, json};

    let mut before = Harness::<Statuses>::configure(json!(null)).unwrap();
    before.exchange().response(testing::Response::new(503)).run();

    let mut after = before.swap_to::<Statuses>(json!(null)).unwrap();
    assert_eq!(after.handover(), Some(&Handover::Restored));
    let exchange = after.exchange().response(testing::Response::new(503)).run();
    assert_eq!(exchange.response().unwrap().header("x-seen").unwrap(), "2");
}

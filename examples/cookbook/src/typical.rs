//! Tells clients how long a route usually takes, and goes on with what it knows after a swap.

use std::collections::BTreeMap;

use sluice_filter::{Decision, Error, Exchange, Filter, Outcome, Response, Stateful, filter};

/// The first line of a saved state. Another form of it gets another line, so that neither version reads the other's.
const FORM: &str = "typical 1";

/// The filter: one value in each instance.
#[derive(Default)]
pub struct Typical {
    /// Microseconds by route.
    durations: BTreeMap<String, u64>,
}

#[filter(state)]
impl Filter for Typical {
    fn on_response(&mut self, response: &mut Response, exchange: &mut Exchange) -> Decision {
        if let Some(us) = self.durations.get(&exchange.route()) {
            response.set_header("x-typical-ms", (us / 1_000).to_string());
        }
        Decision::Proceed
    }

    fn on_end(&mut self, outcome: &Outcome, exchange: &mut Exchange) {
        let known = self.durations.entry(exchange.route()).or_insert(outcome.duration_us);
        // An eighth of each new one: no single exchange moves it far.
        *known = (*known * 7 + outcome.duration_us) / 8;
    }
}

impl Stateful for Typical {
    fn save(&self) -> Vec<u8> {
        let lines = self.durations.iter().map(|(route, us)| format!("{us} {route}\n"));
        format!("{FORM}\n{}", lines.collect::<String>()).into_bytes()
    }

    fn restore(&mut self, _digest: &str, state: &[u8]) -> Result<(), Error> {
        let text = std::str::from_utf8(state).map_err(|_| "the state is no text")?;
        let lines = text.strip_prefix(FORM).ok_or("the state has another form")?;
        let durations = lines.trim_start().lines().map(|line| {
            let (us, route) = line.split_once(' ')?;
            Some((route.to_owned(), us.parse().ok()?))
        });
        // All of it or nothing: after an error the filter begins anew.
        self.durations = durations.collect::<Option<_>>().ok_or("a line is no duration and route")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Typical;
    use sluice_filter::testing::{Facts, Handover, Harness, json};
    use sluice_filter::{Error, Stateful as _};

    #[test]
    fn the_next_version_knows_what_this_one_has_learned() {
        let mut before = Harness::<Typical>::configure(json!(null)).unwrap();
        before.exchange().facts(Facts::default().route("api")).run();

        let mut after = before.swap_to::<Typical>(json!(null)).unwrap();

        assert_eq!(after.handover(), Some(&Handover::Restored));
        let exchange = after.exchange().facts(Facts::default().route("api")).run();
        assert!(exchange.response().unwrap().header("x-typical-ms").is_some());
    }

    #[test]
    fn a_state_of_another_form_is_not_taken() {
        let mut typical = Typical::default();
        let error = typical.restore("", b"typical 2\n{}").unwrap_err();
        assert_eq!(error, Error::new("the state has another form"));
        assert!(typical.durations.is_empty());
    }
}

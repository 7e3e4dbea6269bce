//! Counts the bytes of responses by route, and exchanges by how they end.

use sluice_filter::metrics::{Counter, Histogram};
use sluice_filter::{Ending, Error, Exchange, Filter, NoConfig, Outcome, filter};

/// The filter: one value in each instance.
pub struct Sizes {
    bytes: Histogram,
    ended: Counter,
}

#[filter]
impl Filter for Sizes {
    fn configure(_: NoConfig) -> Result<Self, Error> {
        let bounds = [1e3, 1e4, 1e5, 1e6];
        Ok(Self {
            bytes: Histogram::declare("response_bytes", "Bytes of responses.", &["route"], &bounds)?,
            ended: Counter::declare("exchanges_total", "Exchanges by their end.", &["ending"])?,
        })
    }

    fn on_end(&mut self, outcome: &Outcome, exchange: &mut Exchange) {
        // Labels are names of the configuration and of this code: clients choose none of them, so the series are few.
        self.bytes.observe(outcome.response_bytes as f64, &[&exchange.route()]);
        let ending = match outcome.ending {
            Ending::Complete => "complete",
            Ending::ClientGone => "client gone",
            _ => "failed",
        };
        self.ended.add(1, &[ending]);
    }
}

#[cfg(test)]
mod tests {
    use super::Sizes;
    use sluice_filter::Ending;
    use sluice_filter::testing::{Facts, Harness, Response, json};

    #[test]
    fn every_exchange_is_counted_however_it_ends() {
        let mut filter = Harness::<Sizes>::configure(json!(null)).unwrap();
        let facts = || Facts::default().route("api");
        filter.exchange().facts(facts()).response(Response::new(200).body("hello")).run();
        filter.exchange().facts(facts()).ending(Ending::ClientGone).run();

        assert_eq!(filter.histogram("response_bytes", &["api"]), Some(&[5.0, 0.0][..]));
        assert_eq!(filter.counter("exchanges_total", &["complete"]), Some(1));
        assert_eq!(filter.counter("exchanges_total", &["client gone"]), Some(1));
    }
}

//! Reads what a filter before it has found out, and tells the upstream in which shard the tenant's data is.

use sluice_filter::{Decision, Exchange, Filter, Reply, Request, Value, filter};

/// The filter: one value in each instance.
#[derive(Default)]
pub struct Shards;

#[filter]
impl Filter for Shards {
    fn on_request(&mut self, request: &mut Request, exchange: &mut Exchange) -> Decision {
        let Some(Value::Text(tenant)) = exchange.metadata("tenant") else {
            // Filters see the metadata of those before them in the chain: this one stands too far to the front.
            return Reply::new(500).into();
        };
        let shard =
            tenant.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte))) % 4;
        request.set_header("x-shard", shard.to_string());
        Decision::Proceed
    }
}

#[cfg(test)]
mod tests {
    use super::Shards;
    use sluice_filter::testing::{Facts, Harness, json};

    #[test]
    fn a_tenant_is_always_in_the_same_shard() {
        let mut filter = Harness::<Shards>::configure(json!(null)).unwrap();

        let exchange = filter.exchange().facts(Facts::default().metadata("tenant", "blue")).run();
        assert_eq!(exchange.request().unwrap().header("x-shard").unwrap(), "2");

        assert_eq!(filter.exchange().run().reply().unwrap().status(), 500);
    }
}

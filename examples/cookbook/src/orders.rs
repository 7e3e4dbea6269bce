//! Checks orders before they reach the server, and adds what clients leave out: a body of JSON, as a whole.

use serde_json::{Value, json};
use sluice_filter::{BodyDecision, Decision, Exchange, Filter, Reply, Request, filter};

/// The filter: one value in each instance.
#[derive(Default)]
pub struct Orders;

/// What is longer is answered with 413 before it has been sent.
#[filter(request_body = 65_536)]
impl Filter for Orders {
    fn on_request(&mut self, request: &mut Request, _: &mut Exchange) -> Decision {
        // The type alone: `application/json; charset=utf-8` is JSON, too.
        let content_type = request.header_str("content-type").unwrap_or_default();
        let (content_type, _) = content_type.split_once(';').unwrap_or((&content_type, ""));
        if content_type.trim().eq_ignore_ascii_case("application/json") {
            return Decision::Proceed;
        }
        Reply::new(415).body("An order is application/json.\n").into()
    }

    fn on_request_body(&mut self, request: &mut Request, body: Vec<u8>, _: &mut Exchange) -> BodyDecision {
        let Ok(Value::Object(mut order)) = serde_json::from_slice(&body) else {
            return BodyDecision::Reply(Reply::new(400).body("An order is an object.\n"));
        };
        if order.get("quantity").and_then(Value::as_u64).is_none_or(|quantity| quantity == 0) {
            return BodyDecision::Reply(Reply::new(422).body("An order has a quantity of 1 or more.\n"));
        }
        // The head waits for this call, and can still be edited.
        request.set_header("x-order-checked", "yes");
        order.entry("currency").or_insert_with(|| json!("EUR"));
        BodyDecision::Replace(Value::Object(order).to_string().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::Orders;
    use sluice_filter::testing::{Harness, Report, Request, json};

    fn order(body: &str) -> Report {
        let request = Request::post("/orders").header("content-type", "application/json; charset=utf-8");
        let mut filter = Harness::<Orders>::configure(json!(null)).unwrap();
        filter.exchange().request(request.body(body)).run()
    }

    #[test]
    fn what_is_missing_is_added_and_what_is_there_stays() {
        let added = order(r#"{"quantity":2}"#);
        assert_eq!(added.request_body(), br#"{"currency":"EUR","quantity":2}"#);
        assert_eq!(added.request().unwrap().header("x-order-checked").unwrap(), "yes");

        let kept = order(r#"{"quantity":2,"currency":"SEK"}"#);
        assert_eq!(kept.request_body(), br#"{"currency":"SEK","quantity":2}"#);
    }

    #[test]
    fn what_is_no_order_is_refused_in_a_sentence() {
        for (body, status) in [("[]", 400), ("{", 400), ("", 400), ("{}", 422), (r#"{"quantity":0}"#, 422)] {
            let refused = order(body);
            assert_eq!(refused.reply().unwrap().status(), status, "{body}");
            assert!(refused.request().is_none(), "{body}");
        }
    }
}

use sluice_filter::testing::{Facts, Harness, Request, Response, json};

use super::Headers;

#[test]
fn responses_lose_what_servers_tell_and_gain_what_is_set() {
    let config = json!({ "remove": ["server"], "set": { "x-content-type-options": "nosniff" } });
    let mut filter = Harness::<Headers>::configure(config).unwrap();

    let exchange = filter
        .exchange()
        .response(Response::new(200).header("server", "nginx"))
        .run();

    let response = exchange.response().unwrap();
    assert_eq!(response.header("server"), None);
    assert_eq!(
        response.header("x-content-type-options").unwrap(),
        "nosniff"
    );
}

#[test]
fn the_upstream_is_told_the_host_s_request_id_and_not_the_client_s() {
    let mut filter = Harness::<Headers>::configure(json!({})).unwrap();

    let request = Request::get("/").header("X-Request-Id", "mine");
    let exchange = filter
        .exchange()
        .request(request)
        .facts(Facts::default().request_id("r-1"))
        .run();

    let values = exchange.request().unwrap().header_values("x-request-id");
    assert_eq!(values, ["r-1"]);
}

#[test]
fn a_value_that_no_header_can_have_is_refused_at_its_place() {
    let refused = Harness::<Headers>::configure(json!({ "set": { "x-a": "a\nb" } }))
        .err()
        .unwrap();

    assert!(
        refused.to_string().starts_with("config.set.x-a: "),
        "{refused}"
    );
}

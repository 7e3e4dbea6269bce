use sluice_filter::testing::{Harness, Request, json};

use super::{Auth, hex_digest};

fn filter() -> Harness<Auth> {
    Harness::configure(json!({ "tokens": { "alice": hex_digest(b"open-sesame") } })).unwrap()
}

#[test]
fn a_known_token_passes_and_the_upstream_learns_the_user_alone() {
    let request = Request::get("/")
        .header("authorization", "bearer open-sesame")
        .header("x-user", "root");

    let exchange = filter().exchange().request(request).run();

    let request = exchange.request().unwrap();
    assert_eq!(request.header_values("x-user"), ["alice"]);
    assert_eq!(
        request.header("authorization"),
        None,
        "the upstream has no use for the token"
    );
}

#[test]
fn whoever_has_no_known_token_does_not_reach_the_upstream() {
    let mut filter = filter();
    let values: [&[u8]; 5] = [
        b"Bearer wrong",
        b"Bearer",
        b"Basic open-sesame",
        b"",
        b"\xff\xfe",
    ];
    for value in values {
        let request = Request::get("/").header("authorization", value);
        let exchange = filter.exchange().request(request).run();
        assert_eq!(exchange.reply().unwrap().status(), 401, "{value:?}");
        assert!(exchange.request().is_none(), "{value:?}");
    }
    assert_eq!(filter.exchange().run().reply().unwrap().status(), 401);
}

#[test]
fn a_digest_that_is_none_is_refused_at_its_place() {
    let refused = Harness::<Auth>::configure(json!({ "tokens": { "alice": "open-sesame" } }))
        .err()
        .unwrap();

    assert_eq!(
        refused.to_string(),
        "config.tokens.alice: a SHA-256 has 64 hexadecimal digits"
    );
}

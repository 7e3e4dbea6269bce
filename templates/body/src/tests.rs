use sluice_filter::testing::{Harness, Request, Response, json};

use super::Body;

const TEXT: &[u8] = b"aab aaab ab aa";
const REPLACED: &[u8] = b"<> a<> ab aa";

fn filter() -> Harness<Body> {
    Harness::configure(json!({ "find": "aab", "replace": "<>" })).unwrap()
}

fn page() -> Response {
    Response::new(200)
        .header("content-type", "text/plain")
        .header("etag", "\"1\"")
}

#[test]
fn the_text_is_found_wherever_the_body_is_cut() {
    let mut filter = filter();
    for first in 0..=TEXT.len() {
        for second in first..=TEXT.len() {
            let chunks = [&TEXT[..first], &TEXT[first..second], &TEXT[second..]];
            let exchange = filter.exchange().response(page().chunks(chunks)).run();
            assert_eq!(
                exchange.response_body(),
                REPLACED,
                "cut at {first} and {second}"
            );
        }
    }
}

#[test]
fn other_content_passes_as_it_is() {
    let mut filter = filter();
    let image = Response::new(200)
        .header("content-type", "image/png")
        .header("etag", "\"1\"")
        .body(TEXT);
    let compressed = page().header("content-encoding", "gzip").body(TEXT);
    for response in [image, compressed] {
        let exchange = filter.exchange().response(response).run();
        assert_eq!(exchange.response_body(), TEXT);
        assert!(exchange.response().unwrap().header("etag").is_some());
    }
}

#[test]
fn what_describes_the_bytes_before_goes() {
    let exchange = filter().exchange().response(page().body(TEXT)).run();

    assert_eq!(exchange.response().unwrap().header("etag"), None);
}

#[test]
fn servers_are_asked_for_whole_and_plain_bodies() {
    let request = Request::get("/")
        .header("accept-encoding", "gzip")
        .header("range", "bytes=0-1");

    let exchange = filter().exchange().request(request).run();

    let request = exchange.request().unwrap();
    assert_eq!(request.header("accept-encoding").unwrap(), "identity");
    assert_eq!(request.header("range"), None);
}

use sluice_filter::http_client::Error;
use sluice_filter::testing::{Harness, Report, Request, Response, json};

use super::Ask;

/// An exchange in which the service answers like this.
fn exchange(answer: Result<Response, Error>, request: Request) -> Report {
    let mut answer = Some(answer);
    let setup = Harness::<Ask>::setup().upstream("users", move |outgoing| {
        assert_eq!(outgoing.path, "/whoami");
        answer.take().unwrap()
    });
    let mut filter = setup.configure(json!({ "upstream": "users" })).unwrap();
    filter.exchange().request(request).run()
}

fn request() -> Request {
    Request::get("/")
        .header("authorization", "Bearer t1")
        .header("x-user", "root")
}

#[test]
fn the_upstream_is_told_whom_the_service_knows() {
    let report = exchange(Ok(Response::new(200).header("x-user", "alice")), request());

    assert_eq!(report.request().unwrap().header_values("x-user"), ["alice"]);
}

#[test]
fn whom_the_service_does_not_know_is_refused() {
    let report = exchange(Ok(Response::new(401)), request());

    assert_eq!(report.reply().unwrap().status(), 401);
    assert!(report.request().is_none());
}

#[test]
fn without_credentials_nobody_is_asked() {
    let report = exchange(Err(Error::TimedOut), Request::get("/"));

    assert_eq!(report.reply().unwrap().status(), 401);
    assert!(report.log().is_empty());
}

#[test]
fn without_an_answer_the_request_does_not_pass_and_the_log_says_why() {
    for (answer, why) in [
        (Err(Error::TimedOut), "Error::TimedOut"),
        (Ok(Response::new(500)), "status 500"),
        (Ok(Response::new(200)), "the answer has no user"),
    ] {
        let report = exchange(answer, request());
        assert_eq!(report.reply().unwrap().status(), 503);
        assert_eq!(report.log()[0].attribute("why"), Some(why));
    }
}

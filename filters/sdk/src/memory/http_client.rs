use super::world::{Stage, trap, with};
use crate::bindings::sluice::filter::http_client as contract;
use crate::http_client::{Error, Incoming, Outgoing};
use crate::rules;

/// What answers in the place of an upstream.
pub(crate) type Upstream = Box<dyn FnMut(&Outgoing) -> Result<Incoming, Error>>;

pub(crate) fn send(request: contract::Outgoing<'_>) -> Result<Incoming, Error> {
    if with(|world| world.stage) == Stage::Handover {
        trap("http-client.send while a state is handed over");
    }
    let outgoing = Outgoing {
        upstream: request.upstream.to_owned(),
        method: request.method.to_owned(),
        path: request.path.to_owned(),
        headers: request.headers.iter().map(|header| (*header).clone()).collect(),
        body: request.body.to_vec(),
        timeout_ms: request.timeout_ms,
    };
    // Taken out for the time of the call: what answers may itself look at the world.
    let mut upstream = with(|world| world.upstreams.remove(&outgoing.upstream)).ok_or(Error::NotGranted)?;
    let answer = check(&outgoing).map_err(Error::Invalid).and_then(|()| upstream(&outgoing));
    with(|world| world.upstreams.insert(outgoing.upstream, upstream));
    answer
}

fn check(outgoing: &Outgoing) -> Result<(), String> {
    rules::check_method(&outgoing.method)?;
    rules::check_path(&outgoing.path, &outgoing.method)?;
    for (name, value) in &outgoing.headers {
        rules::check_name(name)?;
        rules::check_value(value)?;
    }
    Ok(())
}

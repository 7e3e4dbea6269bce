//! Between the component's exports and the `Filter` trait. Only `export!` reaches in here.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::thread::LocalKey;

use crate::bindings::exports::sluice::filter::filter::{Guest, GuestExchange, Outcome, Plan};
use crate::bindings::sluice::filter::types;
use crate::bindings::stateful::exports::sluice::filter::state;
use crate::{
    BodyDecision, ChunkDecision, Decision, Exchange, Filter, Position, Request, Response, Stateful, Trailers,
    config,
};

/// The one filter of an instance. It lives as long as the instance's memory, so that nothing is to be dropped: a thread
/// local without a destructor is a plain static here.
pub type Slot<F> = ManuallyDrop<RefCell<Option<F>>>;

/// An empty slot.
pub const fn slot<F>() -> Slot<F> {
    ManuallyDrop::new(RefCell::new(None))
}

/// A filter that has a place to be kept. Statics cannot be generic, so that `export!` makes one for its type.
pub trait Instance: Filter {
    /// The place.
    const SLOT: &'static LocalKey<Slot<Self>>;
}

/// What `export!` exports.
pub struct Component<F>(PhantomData<F>);

impl<F: Instance> Guest for Component<F> {
    type Exchange = Served<F>;

    fn configure(text: String) -> Result<Plan, String> {
        let filter = config::parse(&text).and_then(F::configure)?;
        let plan = filter.plan();
        F::SLOT.with(|slot| slot.replace(Some(filter)));
        Ok(plan)
    }
}

impl<F: Instance + Stateful> state::Guest for Component<F> {
    fn save() -> Vec<u8> {
        with_filter(|filter: &mut F| filter.save())
    }

    fn restore(digest: String, state: Vec<u8>) -> Result<(), String> {
        with_filter(|filter: &mut F| filter.restore(&digest, &state)).map_err(String::from)
    }
}

#[inline]
fn with_filter<F: Instance, R>(call: impl FnOnce(&mut F) -> R) -> R {
    F::SLOT.with(|slot| {
        let Ok(mut slot) = slot.try_borrow_mut() else { broken("a call within a call") };
        let Some(filter) = slot.as_mut() else { broken("a call before configure") };
        call(filter)
    })
}

/// One exchange, as the component keeps it.
pub struct Served<F: Filter> {
    exchange: RefCell<Exchange<F::State>>,
}

impl<F: Instance> Served<F> {
    #[inline]
    fn call<R>(&self, call: impl FnOnce(&mut F, &mut Exchange<F::State>) -> R) -> R {
        with_filter(|filter: &mut F| {
            let Ok(mut exchange) = self.exchange.try_borrow_mut() else { broken("a call within a call") };
            call(filter, &mut exchange)
        })
    }
}

impl<F: Instance> GuestExchange for Served<F> {
    fn new() -> Self {
        Self { exchange: RefCell::new(Exchange::new(F::State::default())) }
    }

    fn on_request(&self, request: &types::Request) -> Decision {
        self.call(|filter, exchange| filter.on_request(&mut Request::lent(request), exchange))
    }

    fn on_request_chunk(&self, chunk: Vec<u8>, position: Position) -> ChunkDecision {
        self.call(|filter, exchange| filter.on_request_chunk(chunk, position, exchange))
    }

    fn on_request_body(&self, request: &types::Request, body: Vec<u8>) -> BodyDecision {
        self.call(|filter, exchange| filter.on_request_body(&mut Request::lent(request), body, exchange))
    }

    fn on_request_trailers(&self, trailers: &types::Trailers) -> Decision {
        self.call(|filter, exchange| filter.on_request_trailers(&mut Trailers::lent(trailers), exchange))
    }

    fn on_response(&self, response: &types::Response) -> Decision {
        self.call(|filter, exchange| filter.on_response(&mut Response::lent(response), exchange))
    }

    fn on_response_chunk(&self, chunk: Vec<u8>, position: Position) -> ChunkDecision {
        self.call(|filter, exchange| filter.on_response_chunk(chunk, position, exchange))
    }

    fn on_response_body(&self, response: &types::Response, body: Vec<u8>) -> BodyDecision {
        self.call(|filter, exchange| filter.on_response_body(&mut Response::lent(response), body, exchange))
    }

    fn on_response_trailers(&self, trailers: &types::Trailers) -> Decision {
        self.call(|filter, exchange| filter.on_response_trailers(&mut Trailers::lent(trailers), exchange))
    }

    fn on_end(&self, outcome: Outcome) {
        self.call(|filter, exchange| filter.on_end(&outcome, exchange));
    }
}

/// The host has broken its side of the contract; nothing sensible can be answered.
#[cold]
#[expect(clippy::panic, reason = "a trap is how the contract ends such a call")]
fn broken(sentence: &str) -> ! {
    panic!("the host made {sentence}")
}

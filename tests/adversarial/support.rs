//! What all rows ask with: gates from a text, requests from an address, and a service behind the layer.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    net::IpAddr,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request as HttpRequest, Response};
use http_body::{Body, Frame};
use portcullis::{Denial, Gate, Request, Timestamp};
use tower_service::Service;

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The nth of many IPv4 clients.
pub(crate) fn client(nth: u32) -> IpAddr {
    std::net::Ipv4Addr::from_bits(0x0b00_0000 + nth).into()
}

#[track_caller]
pub(crate) fn gate(text: &str) -> Gate {
    Gate::from_toml(text).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// Whether a request of which nothing but the address is known may pass.
pub(crate) fn passes(gate: &Gate, from: IpAddr, now: Timestamp) -> bool {
    gate.check(&Request::new(from), now).is_admitted()
}

/// How many of so many requests pass.
pub(crate) fn passed(gate: &Gate, from: IpAddr, requests: u32, now: Timestamp) -> u32 {
    (0..requests).map(|_| u32::from(passes(gate, from, now))).sum()
}

pub(crate) fn refused(gate: &Gate, request: &Request<'_>, now: Timestamp) -> Option<Denial> {
    gate.check(request, now).into_result().err()
}

/// Numbers without a pattern, the same in every run (xorshift64: Marsaglia, 2003).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// One of these.
    pub(crate) fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.next() % all.len() as u64).unwrap()]
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// A service that answers with a word.
#[derive(Clone)]
pub(crate) struct Hello;

impl Service<HttpRequest<()>> for Hello {
    type Response = Response<Text>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Text>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: HttpRequest<()>) -> Self::Future {
        ready(Ok(Response::new(Text(Some(Bytes::from_static(b"hello"))))))
    }
}

pub(crate) struct Text(Option<Bytes>);

impl Body for Text {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|text| Ok(Frame::data(text))))
    }
}

/// What a future says that has nothing to wait for.
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("there is nothing to wait for"),
    }
}

/// Sends a request through a service and reads the response.
pub(crate) fn send<S, B>(
    service: &mut S,
    request: HttpRequest<()>,
) -> (http::response::Parts, String)
where
    S: Service<HttpRequest<()>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes, Error = Infallible>,
{
    let (head, body) = now(service.call(request)).unwrap().into_parts();
    let mut body = pin!(body);
    let mut text = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(Ok(frame))) = body.as_mut().poll_frame(&mut context) {
        text.extend_from_slice(frame.data_ref().unwrap());
    }
    (head, String::from_utf8(text).unwrap())
}

/// A request of this client for this target.
pub(crate) fn get(from: IpAddr, target: &str) -> HttpRequest<()> {
    let mut request = HttpRequest::builder().uri(target).body(()).unwrap();
    request.extensions_mut().insert(from);
    request
}

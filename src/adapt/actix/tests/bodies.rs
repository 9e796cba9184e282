//! Bodies that pass: what they stay, and what they hold until their end.

use core::pin::Pin;

use actix_web::web::Bytes;

use super::{super::GateBody, *};

/// A text in pieces, of a length that is not known.
struct Pieces(&'static [&'static str]);

impl MessageBody for Pieces {
    type Error = Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        let Some((first, rest)) = self.0.split_first() else { return Poll::Ready(None) };
        self.0 = rest;
        Poll::Ready(Some(match *first {
            "error" => Err(ErrorUnauthorized("halfway")),
            text => Ok(Bytes::from_static(text.as_bytes())),
        }))
    }
}

fn pieces(
    pieces: &'static [&'static str],
) -> impl Fn(ServiceRequest) -> Ready<Result<ServiceResponse<Pieces>, Error>> {
    move |request| {
        let response = HttpResponse::Ok().message_body(Pieces(pieces)).unwrap();
        ready(Ok(request.into_response(response)))
    }
}

#[test]
fn a_stream_stays_a_stream_and_its_errors_stay_errors() {
    let gate = one_per_second();
    let answer = pieces(&["a", "bc", "error"]);
    let response = ask(&wrap(&GateMiddleware::new(&gate), answer)).unwrap();
    assert_eq!(response.response().body().size(), BodySize::Stream);
    let mut body = pin!(response.into_body());
    let mut context = Context::from_waker(Waker::noop());
    let mut next = || body.as_mut().poll_next(&mut context);
    assert!(matches!(next(), Poll::Ready(Some(Ok(bytes))) if bytes == "a"));
    assert!(matches!(next(), Poll::Ready(Some(Ok(bytes))) if bytes == "bc"));
    assert!(matches!(next(), Poll::Ready(Some(Err(error))) if error.to_string() == "halfway"));
    assert!(matches!(next(), Poll::Ready(None)));
}

#[test]
fn a_place_is_kept_until_the_body_has_ended_or_is_dropped() {
    let limit = LimitRule::in_flight("at a time", 1);
    let gate = Gate::builder().limit_rule(limit).build().unwrap();
    let middleware = GateMiddleware::new(&gate);
    let is_free = || ask(&wrap(&middleware, hello)).unwrap().status() == 200;
    for (text, reads) in [(&["a", "b"][..], 3), (&["a", "error"], 2), (&["a", "b"], 1), (&[], 0)] {
        let mut body = Box::pin(ask(&wrap(&middleware, pieces(text))).unwrap().into_body());
        let mut context = Context::from_waker(Waker::noop());
        for read in 0..reads {
            assert!(!is_free(), "{text:?} {read}");
            let _ = body.as_mut().poll_next(&mut context);
        }
        let has_ended = reads > text.len() || text.contains(&"error");
        assert_eq!(is_free(), has_ended, "{text:?} {reads}");
        drop(body);
        assert!(is_free(), "{text:?} {reads}");
    }
    // As bytes, it would seem to have ended before it is sent.
    let body = ask(&wrap(&middleware, hello)).unwrap().into_body();
    let Err(body) = body.try_into_bytes() else { panic!("taken") };
    assert!(!is_free());
    assert_eq!(read(body), b"hello");
    assert!(is_free());
}

#[test]
fn a_size_that_is_asked_for_is_what_has_gone_out() {
    let size = Scheme::new().parse_response_term("response.size").unwrap();
    let bytes = LimitRule::new("bytes", Quota::per_hour(100)).cost_of(size);
    for (reads, left) in [(1, 95), (2, 92), (3, 92)] {
        let gate = Gate::builder().limit_rule(bytes.clone()).build().unwrap();
        let middleware = at_one(&gate);
        let response = ask(&wrap(&middleware, pieces(&["12345", "678"]))).unwrap();
        assert_eq!(gate.stats().finished_with_class(2), 0, "not before its size is known");
        let mut body = Box::pin(response.into_body());
        for _ in 0..reads {
            let _ = body.as_mut().poll_next(&mut Context::from_waker(Waker::noop()));
        }
        drop(body);
        assert_eq!(gate.stats().finished_with_class(2), 1);
        let answer = move |request: ServiceRequest| {
            let admitted = now(Admitted::extract(request.request())).unwrap();
            assert_eq!(admitted.standing().unwrap().remaining(), left - 1, "and one for this");
            hello(request)
        };
        assert_eq!(ask(&wrap(&middleware, answer)).unwrap().status(), 200);
    }
}

/// Middleware outside of the gate that wants all bytes at once, such as one that compresses, gets them.
#[test]
fn a_body_that_is_there_can_be_taken_as_a_whole() {
    let service = wrap(&at_one(&one_per_second()), hello);
    let bytes = |response: ServiceResponse<GateBody<_>>| response.into_body().try_into_bytes();
    assert_eq!(bytes(ask(&service).unwrap()).ok().unwrap(), "hello");
    assert!(
        bytes(ask(&service).unwrap()).is_err(),
        "of a refused request the rest is still to be read"
    );
}

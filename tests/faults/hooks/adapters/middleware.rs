//! Middleware of actix-web, with a store and without.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicU32, Ordering},
    task::{Context, Poll},
};

use actix_web::{
    HttpResponse,
    body::MessageBody,
    dev::{Service as ActixService, ServiceRequest, ServiceResponse, Transform},
    test::TestRequest,
};
use bytes::Bytes;
use portcullis::{Gate, GateMiddleware, LimitFields};

use super::{
    ASKED, BURST, State, at_every_call, clock, is_after_a_fleet, is_exact, now, state, touch,
};
use crate::peer;

#[test]
fn middleware() {
    for hook in ["clock", "peer", "describe", "on_deny", "service", "body"] {
        let work = |state: &State| {
            let (gate, _, told) = &**state;
            serve_actix(&now(middleware_of(gate).new_transform(App)).unwrap(), told);
        };
        at_every_call(hook, || state(false), work, is_exact);
    }
    for hook in ["clock", "describe", "service", "body", "store call", "store keep"] {
        let work = |state: &State| {
            let (gate, store, told) = &**state;
            let middleware = middleware_of(gate).fleet(store.clone());
            serve_actix(&now(middleware.new_transform(App)).unwrap(), told);
        };
        at_every_call(hook, || state(true), work, is_after_a_fleet);
    }
}

/// All that a middleware lets a service say.
fn middleware_of(gate: &Gate) -> GateMiddleware {
    GateMiddleware::new(gate)
        .clock(clock)
        .fields(LimitFields::on_all())
        .peer(|_| {
            touch("peer");
            Some(peer(1))
        })
        .describe(|request, _| {
            touch("describe");
            request.field("ip.src.country", "XX")
        })
        .on_deny(|_, _| {
            touch("on_deny");
            HttpResponse::TooManyRequests().finish()
        })
}

fn serve_actix<S, B>(service: &S, told: &AtomicU32)
where
    S: ActixService<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody,
{
    for asked in 0..ASKED {
        let request = TestRequest::default().to_srv_request();
        let response = now(service.call(request)).unwrap();
        let passes = response.status() == 200;
        assert_eq!(passes, asked < BURST);
        told.fetch_add(u32::from(passes), Ordering::Relaxed);
        let mut body = std::pin::pin!(response.into_body());
        let _ = body.size();
        while let Some(part) = now(std::future::poll_fn(|c| body.as_mut().poll_next(c))) {
            assert!(part.is_ok());
        }
    }
}

/// An application of actix-web.
struct App;

/// A body of actix-web.
struct Parts(u8);

impl MessageBody for Parts {
    type Error = Infallible;

    fn size(&self) -> actix_web::body::BodySize {
        touch("body");
        actix_web::body::BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        touch("body");
        self.0 = self.0.saturating_sub(1);
        Poll::Ready((self.0 > 0).then(|| Ok(Bytes::from_static(b"hello"))))
    }
}

impl ActixService<ServiceRequest> for App {
    type Response = ServiceResponse<Parts>;
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        touch("service");
        Box::pin(async move {
            touch("service");
            Ok(request.into_response(HttpResponse::Ok().message_body(Parts(2)).unwrap()))
        })
    }
}

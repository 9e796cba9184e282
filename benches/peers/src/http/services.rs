//! The contestants: one route, and a layer around it.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::get};
use portcullis::{Gate, GateLayer, LimitFields, Quota};
use tower::{Layer, Service};
use tower_governor::{GovernorLayer, governor::GovernorConfigBuilder};

/// Whether clients have anything left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limited {
    /// A limit that never runs out.
    Open,
    /// One request a day, which the first turn takes.
    UsedUp,
}

impl Limited {
    pub(super) const fn says(self) -> &'static str {
        match self {
            Self::Open => "allowed",
            Self::UsedUp => "refused",
        }
    }
}

/// A service in one table.
pub(super) struct Contestant {
    pub(super) name: &'static str,
    pub(super) router: Router,
    /// The status of all its answers, once each client has asked.
    pub(super) answers: StatusCode,
}

/// The first is the bare service, which everybody is compared with.
pub(super) fn services(limited: Limited) -> Vec<Contestant> {
    let refused = match limited {
        Limited::Open => StatusCode::OK,
        Limited::UsedUp => StatusCode::TOO_MANY_REQUESTS,
    };
    let answers = |answers| move |(name, router)| Contestant { name, router, answers };
    let bare =
        [("bare axum route", route()), ("a layer that does nothing", route().layer(Nothing))];
    let limiting = [
        ("portcullis", ours(limited, LimitFields::none())),
        ("portcullis, fields on all", ours(limited, LimitFields::on_all())),
        ("tower_governor 0.8", theirs(limited)),
        ("tower_governor 0.8, use_headers", theirs_with_headers(limited)),
    ];
    bare.map(answers(StatusCode::OK)).into_iter().chain(limiting.map(answers(refused))).collect()
}

fn route() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

fn ours(limited: Limited, fields: LimitFields) -> Router {
    let quota = match limited {
        Limited::Open => Quota::per_second(1_000_000).burst(1 << 27),
        Limited::UsedUp => Quota::per_day(1),
    };
    let gate = Gate::builder().limit("per client", quota).build().unwrap();
    route().layer(GateLayer::new(&gate).fields(fields))
}

fn theirs(limited: Limited) -> Router {
    let (period, burst) = theirs_allow(limited);
    let mut config = GovernorConfigBuilder::default();
    let config = config.period(period).burst_size(burst).finish().unwrap();
    route().layer(GovernorLayer::new(config))
}

fn theirs_with_headers(limited: Limited) -> Router {
    let (period, burst) = theirs_allow(limited);
    let mut config = GovernorConfigBuilder::default();
    let config = config.period(period).burst_size(burst).use_headers().finish().unwrap();
    route().layer(GovernorLayer::new(Arc::new(config)))
}

const fn theirs_allow(limited: Limited) -> (Duration, u32) {
    match limited {
        Limited::Open => (Duration::from_micros(1), 1 << 27),
        Limited::UsedUp => (Duration::from_secs(86_400), 1),
    }
}

/// The least that a layer can be.
#[derive(Clone)]
struct Nothing;

#[derive(Clone)]
struct Through<S>(S);

impl<S> Layer<S> for Nothing {
    type Service = Through<S>;

    fn layer(&self, inner: S) -> Through<S> {
        Through(inner)
    }
}

impl<S: Service<R>, R> Service<R> for Through<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.0.call(request)
    }
}

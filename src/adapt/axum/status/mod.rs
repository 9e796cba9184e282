//! A page that shows what a gate does, live, and lets an operator do something about it.
//!
//! One file without anything from elsewhere: offered, admitted and refused traffic as it goes on, the posture, who asks for
//! most, limits and how full they are, rules and mitigations with their text, bans, and how shadow rules would do. A
//! [`StatusPage`] makes a router of it, which a service nests where it likes.
//!
//! The page names clients, and its actions change who is served. So both are guarded, and the guards are the service's:
//!
//! | | who may, unless the service says something else |
//! |---|---|
//! | [viewing](StatusPage::allow_viewing) | who asks [from the machine itself](StatusPage::is_from_this_machine) |
//! | [actions](StatusPage::allow_actions) | nobody |
//!
//! # Routes
//! They are below where the router is nested.
//!
//! | route | guards | what |
//! |---|---|---|
//! | `GET /` | viewing | the page |
//! | `GET /stream` | viewing, no other site | server-sent events: `hello`, then `status` at once and each second |
//! | `GET /now` | viewing, no other site | one status as JSON, at most a second old |
//! | `POST /act` | viewing, actions, no other site | an action |
//!
//! `HEAD` is answered as `GET` is; any other method is refused with 405. Who may not, gets 403 and a text that says why, and
//! what is to be done. `hello` tells `title`, `version`, `can_act` and, if that is false, in `refuses` why; `status` is a
//! [`GateStatus`](crate::gate::GateStatus).
//!
//! With [`Router::nest`] the page is at `/status`, and not at `/status/`: nest it with
//! [`Router::nest_service`], and it is at both.
//!
//! # Actions
//! `POST /act` wants `content-type: application/json`, `x-portcullis-act: 1` and one of these:
//!
//! | action | it does |
//! |---|---|
//! | `{"act":"unban","net":"192.0.2.0/24"}` | [`GateBans::remove`](crate::GateBans::remove) |
//! | `{"act":"ban","net":"192.0.2.0/24","seconds":900,"reason":"…"}` | [`GateBans::add`](crate::GateBans::add), of nothing wider than a /8 of IPv4 or a /16 of IPv6, and not of the machine itself |
//! | `{"act":"mode","mode":"observe"}` | [`Gate::set_mode`]; `off`, `observe` or `enforce` |
//! | `{"act":"force","posture":"defend","seconds":600}` | [`GateDefence::force`](crate::gate::GateDefence::force) |
//! | `{"act":"release"}` | [`GateDefence::release`](crate::gate::GateDefence::release) |
//! | `{"act":"drill","seconds":60}` | [`GateDefence::drill`](crate::gate::GateDefence::drill) |
//! | `{"act":"pin","name":"auto-3"}` | [`GateDefence::pin`](crate::gate::GateDefence::pin) |
//! | `{"act":"remove","name":"auto-3"}` | [`GateDefence::remove`](crate::gate::GateDefence::remove) |
//!
//! A ban is not asked whom else it meets: a trusted proxy, or who makes it, may be in that network, and addresses that are
//! exempt pass all the same. Only loopback addresses are refused, because behind a proxy that is not seen they are everybody.
//!
//! Times are 1 second to 30 days. A reason is cut to 200 printable characters. The answer is `{"done":true,"text":"…"}`, and
//! the text says what was done:
//!
//! | status | `done` | because |
//! |---|---|---|
//! | 200 | `true` | it is done |
//! | 400 | `false` | that is no action, or has a field too many, a network too wide or with the machine itself in it, a time too long |
//! | 403 | `false` | a guard says no, another site's page asks, or `x-portcullis-act` is missing |
//! | 404 | `false` | there is no such ban or mitigation, or the gate has no defence |
//! | 409 | `false` | a drill is wanted while the posture is not normal anyway |
//! | 413, 415 | `false` | it is longer than 8 KiB, or not JSON |
//!
//! # Who is who
//! A guard sees the head of a request: addresses, cookies, fields, and what layers outside have put among its extensions. Its
//! path is that below where the router is nested. A browser cannot be told to send a token of its own with a page and a stream
//! of events. What it does send are cookies, client certificates, and a name and password of HTTP after a layer in front has
//! asked for them (401 with `www-authenticate`). A guard is asked on a thread that serves others, too, so it must not wait;
//! and if it panics, so does the request, and nothing else.
//!
//! Behind a proxy, everybody comes from the machine itself. The default refuses what carries a proxy's header, and HTTP/1.0,
//! as nginx spoke before 1.29.7. **A proxy that adds nothing is not seen**: newer nginx with a bare `proxy_pass`, HAProxy
//! without `forwardfor`, forwarded ports (`ssh -R`, socat), containers without root. There, say who may look, and never let
//! [`is_from_this_machine`](StatusPage::is_from_this_machine) decide who acts. For actions the proxy has to pass on the `Host`
//! that was asked for, or no browser's request seems to come from this page.
//!
//! A guard that goes by addresses alone, as one that lets a network look, has to look at `Host` as well: another site can have
//! its own name lead to an address that only its visitors reach, and then its pages are this service's to a browser. Cookies
//! and passwords are not sent to such a name.
//!
//! # Under attack
//! If the router is behind the [`GateLayer`](crate::GateLayer), a flood can keep its operators out, and they themselves can, by
//! banning their own network. Nest it after the layer was added, so that it is outside; or have the operators'
//! addresses [exempt](crate::GateBuilder::exempt). A compressing layer must leave `text/event-stream` alone, as that of
//! tower-http does.
//!
//! # Shutdown
//! Streams go on for as long as somebody looks, and a server that shuts down gracefully waits for its responses: tell it by
//! [`StatusPage::close`], and those who read see their stream end within a second. Without that it waits for up to ten minutes,
//! after which a stream ends by itself (and browsers come back, so that guards are asked again).
//!
//! Who has stopped reading is not reached by either: a server waits for it until its connection breaks. So bound the wait:
//! `tokio::select! { done = serving => done?, () = bound => {} }`, where `bound` sleeps for ten seconds after the signal.
//!
//! # Invariants
//! - **I1** nobody looks or acts whom the guards do not let: each route asks them before it does anything else;
//! - **I2** no page of another site acts, looks, or shows this page inside of itself, unless a guard goes by addresses
//!   alone;
//! - **I3** nothing that a client has sent becomes HTML or a script: it is sent as JSON, in which `<`, `>` and `&` are escaped;
//!   the page is constant but for a random word, and runs no script that lacks it;
//! - **I4** looking is bounded: at most 16 streams, about one status a second for all of them together, and nothing kept for
//!   a slow reader but what the server and the system have taken already, which is some events;
//! - **I5** no request makes a status of 5xx, but for the 17th stream, and all streams of a page that is closed.
//!
//! # Example: a page for who is on the machine, or has logged in
//! ```
//! use axum::{Router, http::request::Parts, routing::get};
//! use portcullis::{Gate, GateLayer, Quota, axum::StatusPage};
//!
//! /// What a layer of the service has found out.
//! #[derive(Clone)]
//! struct User { is_operator: bool }
//!
//! fn is_operator(request: &Parts) -> bool {
//!     request.extensions.get::<User>().is_some_and(|user| user.is_operator)
//! }
//!
//! let gate = Gate::builder().limit("per client", Quota::per_second(10).burst(40)).build()?;
//! let page = StatusPage::new(&gate)
//!     .title("shop")
//!     .allow_viewing(|request| StatusPage::is_from_this_machine(request) || is_operator(request))
//!     .allow_actions(is_operator);
//! let app: Router = Router::new()
//!     .route("/", get(|| async { "hello" }))
//!     .layer(GateLayer::new(&gate))
//!     // After the layer, so outside of it: a flood does not keep operators out.
//!     .nest("/status", page.router());
//! # Ok::<(), portcullis::BuildError>(())
//! ```

mod actions;
mod guard;
mod reply;
mod stream;

use alloc::sync::Arc;
use core::fmt;

use axum::{
    Router,
    extract::Request,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{StatusCode, header::CONTENT_TYPE, request::Parts};
use serde::Serialize;

use self::{
    actions::Act,
    guard::{Guards, Why},
    reply::{Done, Nonces},
    stream::Feed,
};
use crate::{gate::Gate, time::Timestamp};

/// A page that shows what a gate does; see the [module](self).
///
/// Clones are the same page: they share the 16 streams that there can be, and are [closed](Self::close) together.
///
/// # Memory
/// One status as JSON, some tens of kilobytes, and some hundred bytes for each stream.
///
/// # Cost
/// About one [`Gate::status`] and one [`Gate::tick`] a second while somebody looks, however many do; nothing else.
///
/// # Concurrency
/// Statuses are made one at a time, and who asks meanwhile waits for that one. Nothing is locked during the tick, in
/// which a subscriber of `tracing` may be told something, nor while a guard or the clock is asked.
///
/// # Panics
/// A stream panics outside of a tokio runtime whose timers are enabled, as they are in `#[tokio::main]`.
#[derive(Clone)]
#[must_use = "a page does nothing until its router is nested in that of a service"]
pub struct StatusPage {
    title: Arc<str>,
    guards: Guards,
    feed: Feed,
    nonces: Arc<Nonces>,
}

impl StatusPage {
    /// A page that shows this gate to who asks from the machine itself, and lets nobody act.
    pub fn new(gate: &Gate) -> Self {
        Self {
            title: Arc::from("portcullis"),
            guards: Guards::default(),
            feed: Feed::of(gate),
            nonces: Arc::new(Nonces::new()),
        }
    }

    /// With this title, so that several services can be told apart.
    pub fn title(self, title: &str) -> Self {
        Self { title: Arc::from(title), ..self }
    }

    /// Lets those look of whom this holds, and nobody else: it replaces
    /// [`is_from_this_machine`](Self::is_from_this_machine).
    ///
    /// It is asked on every request. It must not wait.
    pub fn allow_viewing(
        mut self,
        allows: impl Fn(&Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.guards.viewing = Some(Arc::new(allows));
        self
    }

    /// Lets those act of whom this holds, if they may look, too. By default that is nobody.
    ///
    /// It is asked on every action, and once for each stream, so that the page shows its buttons. It must not wait. It
    /// should ask for what only an operator has: an address, and so
    /// [`is_from_this_machine`](Self::is_from_this_machine), is what everybody has behind a proxy that is not seen.
    ///
    /// # Example: who has a cookie that nobody guesses, as a login has set it
    /// ```
    /// use portcullis::{Gate, axum::StatusPage};
    ///
    /// let gate = Gate::builder().build()?;
    /// # let token = String::from("sesame");
    /// let page = StatusPage::new(&gate).allow_actions(move |request| {
    ///     let mut cookies = request.headers.get_all("cookie").iter().filter_map(|cookie| cookie.to_str().ok());
    ///     cookies.any(|cookie| cookie.split("; ").any(|one| one.strip_prefix("operator=") == Some(&token)))
    /// });
    /// # Ok::<(), portcullis::BuildError>(())
    /// ```
    pub fn allow_actions(
        mut self,
        allows: impl Fn(&Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.guards.actions = Some(Arc::new(allows));
        self
    }

    /// With this clock instead of [`SystemClock`](crate::SystemClock): the one that the gate's layers have.
    pub fn clock(mut self, clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.feed.clock = Some(Arc::new(clock));
        self
    }

    /// Whether a request comes from the machine itself, and not through a proxy, as far as that can be told.
    ///
    /// Its peer is a loopback address, which axum knows by
    /// [`into_make_service_with_connect_info`](Router::into_make_service_with_connect_info); it has none of the headers that
    /// proxies add (`forwarded`, `via`, `x-forwarded-for`, `x-real-ip` and the like) and is HTTP/1.1 at least; and it asks for
    /// `localhost` or a loopback address, because a site can have its own name lead to the machine of who visits it.
    ///
    /// Whoever has an account on the machine can ask so, and **everybody can through a proxy that adds nothing**: see the
    /// [module](self). It is a guard for looking where there is no such proxy, and none for acting.
    #[must_use]
    pub fn is_from_this_machine(request: &Parts) -> bool {
        guard::comes_from_this_machine(request).is_ok()
    }

    /// The routes, to be nested in a router with any state.
    ///
    /// # Example: next to a service
    /// ```
    /// use axum::{Router, routing::get};
    /// use portcullis::{Gate, axum::StatusPage};
    ///
    /// let gate = Gate::builder().build()?;
    /// let app: Router = Router::new()
    ///     .route("/", get(|| async { "hello" }))
    ///     .nest("/status", StatusPage::new(&gate).router());
    /// # Ok::<(), portcullis::BuildError>(())
    /// ```
    pub fn router<S>(&self) -> Router<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        let look = |answer: fn(&Self, &Parts) -> Response| {
            let page = self.clone();
            get(async move |request: Request| answer(&page, &request.into_parts().0))
        };
        let page = self.clone();
        Router::new()
            .route("/", look(Self::show))
            .route("/stream", look(Self::stream))
            .route("/now", look(Self::now))
            .route("/act", post(async move |request: Request| page.act(request).await))
    }

    /// Ends the streams of all who read within a second, and lets no other begin: for a service that is about to shut down.
    ///
    /// Who has stopped reading keeps its connection, so a graceful shutdown needs a bound of its own.
    ///
    /// # Example: a service that ends by Ctrl-C although somebody looks
    /// ```no_run
    /// # async fn serve(
    /// #     listener: tokio::net::TcpListener, app: axum::Router, page: portcullis::axum::StatusPage,
    /// # ) -> std::io::Result<()> {
    /// use std::time::Duration;
    ///
    /// let stop = async move {
    ///     let _ = tokio::signal::ctrl_c().await;
    ///     page.close();
    /// };
    /// let bound = async {
    ///     let _ = tokio::signal::ctrl_c().await;
    ///     tokio::time::sleep(Duration::from_secs(10)).await;
    /// };
    /// let serving = async { axum::serve(listener, app).with_graceful_shutdown(stop).await };
    /// tokio::select! { done = serving => done?, () = bound => {} }
    /// # Ok(())
    /// # }
    /// ```
    pub fn close(&self) {
        self.feed.close();
    }

    fn show(&self, request: &Parts) -> Response {
        match self.guards.may_view(request) {
            Ok(()) => reply::page(&self.nonces),
            Err(why) => reply::refused(why),
        }
    }

    fn stream(&self, request: &Parts) -> Response {
        if let Err(why) = self.may_read(request) {
            return reply::refused(why);
        }
        let may_act = self.guards.may_act(request);
        let hello = Hello {
            title: &self.title,
            version: env!("CARGO_PKG_VERSION"),
            can_act: may_act.is_ok(),
            refuses: may_act.err().unwrap_or(""),
        };
        let hello = reply::json(&hello).unwrap_or_default();
        self.feed.stream(&hello).map_or_else(reply::no_place, reply::stream)
    }

    fn now(&self, request: &Parts) -> Response {
        match self.may_read(request) {
            Ok(()) => reply::status(self.feed.status()),
            Err(why) => reply::refused(why),
        }
    }

    async fn act(&self, request: Request) -> Response {
        self.try_act(request).await.unwrap_or_else(|refused| refused).into_response()
    }

    async fn try_act(&self, request: Request) -> Result<Done, Done> {
        let (head, body) = request.into_parts();
        let may = self.guards.may_view(&head);
        let may = may.and_then(|()| self.guards.may_act(&head));
        let may = may.and_then(|()| guard::is_of_this_site(&head));
        may.and_then(|()| guard::is_marked(&head))
            .map_err(|why| Done::no(StatusCode::FORBIDDEN, why))?;
        if !is_json(&head) {
            let text = "An action is sent with `content-type: application/json`.";
            return Err(Done::no(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
        }
        // Only who may act makes anybody read or wait.
        let act = Act::parse(&actions::read(body).await?)?;
        let done = act.run(&self.feed.gate, self.feed.now());
        self.feed.forget();
        Ok(done)
    }

    /// No other site's page can read it, but it could take the places of those who can.
    fn may_read(&self, request: &Parts) -> Result<(), Why> {
        self.guards.may_view(request).and_then(|()| guard::is_of_this_site(request))
    }
}

/// The first event of a stream.
#[derive(Serialize)]
struct Hello<'a> {
    title: &'a str,
    version: &'static str,
    can_act: bool,
    refuses: &'static str,
}

fn is_json(request: &Parts) -> bool {
    let content_type = request.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|text| text.split(';').next()).map(str::trim);
    essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
}

impl fmt::Debug for StatusPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusPage")
            .field("title", &self.title)
            .field("gate", &self.feed.gate)
            .field("streams", &self.feed.streams())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;

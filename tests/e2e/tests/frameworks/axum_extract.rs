//! What handlers and limits learn in axum: routes.

use std::net::{Ipv4Addr, SocketAddr};

use axum::{Router, body::Body, extract::connect_info::MockConnectInfo, routing::get};
use http::Request;
use portcullis::{Gate, GateLayer};
use tower::ServiceExt;

async fn ask(app: &Router, path: &str) -> u16 {
    let request = Request::builder().uri(path).body(Body::empty()).unwrap();
    app.clone().oneshot(request).await.unwrap().status().as_u16()
}

fn gate(text: &str) -> Gate {
    Gate::from_toml(text).unwrap_or_else(|error| panic!("{error}"))
}

/// A router with two routes, the gate and a peer's address.
fn users_and_teams(gate: &Gate) -> Router {
    let routes = Router::new()
        .route("/users/{id}", get(|| async { "user" }))
        .route("/teams/{id}", get(|| async { "team" }));
    routes.layer(GateLayer::new(gate)).layer(from(1))
}

fn from(last: u8) -> MockConnectInfo<SocketAddr> {
    MockConnectInfo(SocketAddr::new(Ipv4Addr::new(192, 0, 2, last).into(), 4_711))
}

#[tokio::test]
async fn a_limit_by_route_counts_all_ids_together_and_routes_apart() {
    let gate = gate(
        r#"
        [[limit]]
        name = "each route"
        by = ["client", "route"]
        quota = "2/hour"
        "#,
    );
    let app = users_and_teams(&gate);
    let mut statuses = Vec::new();
    for path in ["/users/1", "/users/2", "/users/3", "/teams/1", "/teams/2", "/teams/2?a=b"] {
        statuses.push(ask(&app, path).await);
    }
    assert_eq!(statuses, [200, 200, 429, 200, 200, 429]);
    let other = Router::new().route("/users/{id}", get(|| async { "user" }));
    let other = other.layer(GateLayer::new(&gate)).layer(from(2));
    assert_eq!(ask(&other, "/users/1").await, 200, "another client");
}

#[tokio::test]
async fn a_rule_can_be_about_a_route() {
    let gate = gate(
        r#"
        [[rule]]
        name = "closed"
        when = 'route eq "/users/{id}" or http.request.route eq "/api/things/{id}/parts"'
        then = "deny"
        "#,
    );
    let app = users_and_teams(&gate);
    assert_eq!([ask(&app, "/users/1").await, ask(&app, "/teams/1").await], [403, 200]);
    // The text of a route is not what a client can send.
    assert_eq!(ask(&app, "/teams/%7Bid%7D").await, 200);

    let things = Router::new().route("/things/{id}/parts", get(|| async { "parts" }));
    let nested = Router::new().nest("/api", things).layer(GateLayer::new(&gate)).layer(from(1));
    assert_eq!(ask(&nested, "/api/things/7/parts").await, 403);
}

/// What no route has matched has none: neither what is not there, nor what a router inside will match.
#[tokio::test]
async fn without_a_match_there_is_no_route() {
    let gate = gate(
        r#"
        [[rule]]
        name = "routed"
        when = 'exists(route)'
        then = "deny"
        "#,
    );
    let app = users_and_teams(&gate);
    let around = Router::new().fallback_service(app.clone());
    assert_eq!(ask(&around, "/users/1").await, 403, "the layer inside knows it");

    let plain = Router::new().route("/users/{id}", get(|| async { "user" }));
    let around = Router::new().fallback_service(plain).layer(GateLayer::new(&gate)).layer(from(1));
    assert_eq!(ask(&around, "/users/1").await, 200, "the layer around does not");
    let unmatched = Router::new()
        .route("/a", get(|| async { "a" }))
        .fallback(|| async { "fallback" })
        .layer(GateLayer::new(&gate))
        .layer(from(1));
    assert_eq!([ask(&unmatched, "/a").await, ask(&unmatched, "/b").await], [403, 200]);
}

//! What the gate learns of responses, and what clients and handlers learn of the gate.

use std::time::Duration;

use actix_web::{App, Error, error::ErrorUnauthorized, web};
use portcullis::{
    Gate, GateMiddleware, LimitFields, LimitRule, Quota,
    actix::{Admitted, ClientIp},
    gate::MissingKey,
    rule::Scheme,
};

use super::{connect, hello, per_hour, serve};

fn failures() -> Gate {
    let condition = Scheme::new().parse_response("status == 401").unwrap();
    let failures = LimitRule::new("failures", Quota::per_hour(3)).count_if(condition);
    Gate::builder().limit_rule(failures).build().unwrap()
}

#[tokio::test]
async fn only_failures_count_where_only_they_are_to() {
    async fn login(target: web::Path<String>) -> Result<&'static str, Error> {
        if target.as_str() == "good" {
            Ok("welcome")
        } else {
            Err(ErrorUnauthorized("no such user"))
        }
    }
    let gate = failures();
    let server = serve!(1, {
        App::new().wrap(GateMiddleware::new(&gate)).route("/{user}", web::get().to(login))
    });
    let mut wire = connect(server.address).await;
    for _ in 0..30 {
        assert_eq!(wire.get("/good", "").await.unwrap().status, 200);
    }
    // What successes have given back is rounded, so that a unit may be short by milliseconds: a
    // refusal that so little time cures is asked again, and the third failure is the last one.
    let mut failed = 0;
    for _ in 0..1_000 {
        if wire.get("/bad", "").await.unwrap().status == 401 {
            failed += 1;
        } else if failed == 3 {
            break;
        } else {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert_eq!(failed, 3);
    let refused = wire.get("/good", "").await.unwrap();
    assert_eq!(refused.status, 429, "whatever it would have been");
}

#[tokio::test]
async fn handlers_learn_what_the_gate_has_said() {
    async fn told(client: ClientIp, admitted: Admitted) -> String {
        format!("{} {}", client.0, admitted.standing().unwrap().remaining())
    }
    async fn maybe(client: Option<ClientIp>) -> String {
        format!("{client:?}")
    }
    let gate = per_hour(5);
    let server = serve!(1, {
        let gated = web::scope("/gated")
            .wrap(GateMiddleware::new(&gate))
            .route("", web::get().to(told))
            .route("/maybe", web::get().to(maybe));
        App::new()
            .service(gated)
            .route("/", web::get().to(told))
            .route("/maybe", web::get().to(maybe))
    });
    let mut wire = connect(server.address).await;
    assert_eq!(wire.get("/gated", "").await.unwrap().body, "127.0.0.1 4");
    assert_eq!(wire.get("/gated/maybe", "").await.unwrap().body, "Some(ClientIp(127.0.0.1))");
    let wrong = wire.get("/", "").await.unwrap();
    assert_eq!(wrong.status, 500);
    assert!(wrong.body.contains("GateMiddleware::new(&gate)"), "{}", wrong.body);
    assert_eq!(wire.get("/maybe", "").await.unwrap().body, "None");
}

#[tokio::test]
async fn responses_tell_how_much_is_left() {
    let gate = per_hour(2);
    let server = serve!(1, {
        let middleware = GateMiddleware::new(&gate).fields(LimitFields::on_all());
        App::new().wrap(middleware).route("/", web::get().to(hello))
    });
    let mut wire = connect(server.address).await;
    for (status, left) in [(200, ";r=1"), (200, ";r=0"), (429, ";r=0")] {
        let answer = wire.get("/", "").await.unwrap();
        assert_eq!(answer.status, status);
        let policy = answer.line("ratelimit-policy").unwrap();
        assert!(policy.starts_with("\"per client\";q="), "{policy}");
        let limit = answer.line("ratelimit").unwrap();
        assert!(limit.starts_with("\"per client\"") && limit.contains(left), "{limit}");
    }
}

/// `/users/1` and `/users/2` are one route, where the middleware is told to say so.
#[tokio::test]
async fn a_limit_can_be_of_each_route() {
    let route = Scheme::new().parse_term("http.request.route").unwrap();
    let limit = LimitRule::new("route", Quota::per_hour(1)).by([route]);
    for (labels, second_user) in [(true, 429), (false, 200)] {
        let gate =
            Gate::builder().limit_rule(limit.clone().missing(MissingKey::Skip)).build().unwrap();
        let server = serve!(1, {
            let middleware = GateMiddleware::new(&gate);
            let middleware = if labels { middleware.route_labels() } else { middleware };
            App::new()
                .wrap(middleware)
                .service(web::scope("/users").route("/{id}", web::get().to(hello)))
                .route("/", web::get().to(hello))
        });
        let mut wire = connect(server.address).await;
        for (target, status) in [("/users/1", 200), ("/users/2", second_user), ("/", 200)] {
            assert_eq!(wire.get(target, "").await.unwrap().status, status, "{target} {labels}");
        }
    }
}

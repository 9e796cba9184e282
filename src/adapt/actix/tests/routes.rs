//! Routes, which the gate is told where that is asked for.

use actix_web::{
    App as Application,
    rt::System,
    test::{call_service, init_service},
    web,
};

use super::*;
use crate::gate::MissingKey;

#[test]
fn a_route_is_told_where_that_is_asked_for() {
    let route = Scheme::new().parse_term("route").unwrap();
    let limit = LimitRule::new("route", Quota::per_hour(1)).by([route]).missing(MissingKey::Skip);
    for (labels, second_user) in [(true, 429), (false, 200)] {
        let gate = Gate::builder().limit_rule(limit.clone()).build().unwrap();
        let middleware = match labels {
            true => at_one(&gate).route_labels(),
            false => at_one(&gate),
        };
        System::new().block_on(async {
            let found = || async { HttpResponse::Ok().finish() };
            let application = Application::new()
                .wrap(middleware)
                .service(web::scope("/users").route("/{id}", web::get().to(found)))
                .route("/", web::get().to(found));
            let service = init_service(application).await;
            for (target, status) in [
                ("/users/1", 200),
                ("/users/2", second_user),
                ("/", 200),
                ("/none", 404),
                ("/none", 404),
            ] {
                let request = from_client().uri(target).to_request();
                let response = call_service(&service, request).await;
                assert_eq!(response.status(), status, "{target}, labels: {labels}");
            }
        });
    }
}

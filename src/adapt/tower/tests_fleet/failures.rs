//! Stores that fail, or are not there.

use super::*;

#[test]
fn a_store_that_fails_leaves_it_to_the_limit() {
    let late: fn(&Model) = Model::time_is_up;
    let broken: fn(&Model) = |store| store.answer(unreachable());
    for fail in [late, broken] {
        for (on_failure, statuses) in [
            (OnFailure::Local, [200, 200, 200, 429]),
            (OnFailure::Open, [200, 200, 200, 200]),
            (OnFailure::Closed, [503, 503, 503, 503]),
        ] {
            let (gate, store) = (shared(on_failure).build().unwrap(), Model::default());
            let mut service = layer(&gate, &store).layer(Picky::new());
            let mut has_failed = false;
            let told = statuses.map(|_| {
                let mut asked = call(&mut service);
                if !core::mem::replace(&mut has_failed, true) {
                    assert!(waits(&mut asked));
                    fail(&store);
                }
                status(&mut asked)
            });
            assert_eq!(told, statuses, "{on_failure:?}");
            assert_eq!(store.calls(), 1, "it is not asked again so soon");
        }
    }
}

/// It is not the client's fault, and it is told when to come again.
#[test]
fn a_closed_limit_whose_store_fails_says_so() {
    let (gate, store) = (gate(), Model::default());
    let mut service = layer(&gate, &store).layer(Picky::new());
    let mut asked = call(&mut service);
    assert!(waits(&mut asked));
    store.answer(unreachable());
    let refused = answer(&mut asked);
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    let denial = refused.extensions().get::<Denial>().unwrap();
    assert_eq!((denial.reason(), denial.name()), (DenialReason::Unavailable, "per client"));
    assert_eq!(
        read(refused.into_body()),
        br#"{"type":"https://iana.org/assignments/http-problem-types#temporary-reduced-capacity","title":"Temporary Reduced Capacity","status":503,"violated-policies":["per client"]}"#
    );

    let grpc = http::HeaderValue::from_static("application/grpc+proto");
    let mut sent = request();
    sent.headers_mut().insert("content-type", grpc);
    assert!(ready_for(&mut service));
    let refused = answer(&mut Box::pin(service.call(sent)));
    assert_eq!(refused.status(), StatusCode::OK);
    for (name, value) in [
        ("content-type", "application/grpc+proto"),
        ("grpc-status", "14"),
        ("grpc-message", "Temporary Reduced Capacity: per client"),
        ("grpc-retry-pushback-ms", "1000"),
    ] {
        assert_eq!(refused.headers()[name], value, "{name}");
    }
    assert!(read(refused.into_body()).is_empty());
    assert_eq!((store.calls(), gate.stats().admitted()), (1, 0));
}

/// Without a store a layer asks the gate for what it knows itself.
#[test]
fn a_gate_of_a_fleet_without_a_store_does_what_its_limits_do_on_failure() {
    for (on_failure, statuses) in [
        (OnFailure::Local, [200, 200, 200, 429]),
        (OnFailure::Open, [200, 200, 200, 200]),
        (OnFailure::Closed, [503, 503, 503, 503]),
    ] {
        let gate = shared(on_failure).build().unwrap();
        let mut service =
            GateLayer::new(&gate).clock(|| Timestamp::from_secs(1)).layer(Picky::new());
        let told = statuses.map(|_| {
            let mut context = Context::from_waker(Waker::noop());
            assert!(Service::<Sent>::poll_ready(&mut service, &mut context).is_ready());
            match poll(pin!(service.call(request()))) {
                Poll::Ready(response) => response.unwrap().status().as_u16(),
                Poll::Pending => panic!("there is nothing to wait for"),
            }
        });
        assert_eq!(told, statuses, "{on_failure:?}");
    }
}

//! Checks that wait: for a store, for each other, and for nobody when their client has left.

use super::*;

#[test]
fn of_two_that_ask_for_the_same_one_calls_and_the_other_waits() {
    let (gate, store) = (gate(), Model::default());
    let mut service = layer(&gate, &store).layer(Picky::new());
    let (mut first, mut second) = (call(&mut service), call(&mut service));
    assert!(waits(&mut second) && waits(&mut first) && waits(&mut second));
    assert_eq!(store.calls(), 1);
    store.answer(granted(1, 1));
    assert!(waits(&mut second), "its answer is the first's to take");
    assert_eq!([status(&mut first), status(&mut second)], [200, 200]);
    assert_eq!((store.calls(), gate.stats().admitted()), (1, 2));
}

#[test]
fn who_waited_in_vain_asks_itself() {
    let (gate, store) = (gate(), Model::default());
    let mut service = layer(&gate, &store).layer(Picky::new());
    let (mut first, mut second) = (call(&mut service), call(&mut service));
    assert!(waits(&mut first) && waits(&mut second));
    store.answer(granted(0, 1));
    assert_eq!(status(&mut first), 200);
    assert!(waits(&mut second));
    assert_eq!(store.calls(), 2, "nothing was left for it");
    store.answer(denied(60));
    assert_eq!(status(&mut second), 429);
}

/// A client that leaves takes nothing with it, and keeps nobody waiting.
#[test]
fn a_check_that_is_dropped_leaves_its_call_and_its_place_to_others() {
    let gate =
        shared(OnFailure::Closed).limit_rule(LimitRule::in_flight("in flight", 1)).build().unwrap();
    let store = Model::default();
    let mut service = layer(&gate, &store).layer(Picky::new());
    let (mut first, mut second) = (call(&mut service), call(&mut service));
    let never_polled = call(&mut service);
    assert!(waits(&mut first) && waits(&mut second));
    drop((first, never_polled));
    assert!(waits(&mut second), "it asks now");
    assert_eq!(store.calls(), 2);
    store.answer(granted(0, 2));
    let response = answer(&mut second);
    assert_eq!((response.status().as_u16(), gate.stats().admitted()), (200, 1));

    assert_eq!(status(&mut call(&mut service)), 429, "this one's body is still there");
    assert_eq!(store.calls(), 2, "so nobody is asked");
    drop(response);
    let mut third = call(&mut service);
    assert!(waits(&mut third));
    store.answer(granted(0, 1));
    assert_eq!(status(&mut third), 200);
    assert_eq!(store.calls(), 3);
}

/// The answer was there, and the client had left before its future saw it.
#[test]
fn a_check_that_is_dropped_after_its_answer_keeps_nobody_waiting() {
    let (gate, store) = (gate(), Model::default());
    let mut service = layer(&gate, &store).layer(Picky::new());
    let (mut first, mut second) = (call(&mut service), call(&mut service));
    assert!(waits(&mut first) && waits(&mut second));
    store.answer(granted(0, 2));
    drop(first);
    assert_eq!(status(&mut second), 200, "the model's answer is for whoever asks next");
}

/// `Picky` panics otherwise.
#[test]
fn who_is_called_is_the_service_that_was_polled_ready() {
    let (gate, store) = (gate(), Model::default());
    let inner = Picky::new();
    let permits = Arc::clone(&inner.permits);
    let mut service = layer(&gate, &store).layer(inner);
    let mut first = call(&mut service);
    assert_eq!(
        Picky::ready(&permits, 2),
        1,
        "the one that was polled ready waits with the request"
    );
    assert!(waits(&mut first));
    let mut second = call(&mut service);
    assert_eq!(Picky::ready(&permits, 3), 2, "and the next had to be polled itself");
    assert!(waits(&mut second));
    store.answer(granted(0, 2));
    assert_eq!(status(&mut first), 200);
    assert_eq!(Picky::ready(&permits, 2), 1);
    assert!(waits(&mut second));
    store.answer(denied(60));
    assert_eq!(status(&mut second), 429);
    assert_eq!(Picky::ready(&permits, 1), 0, "who is refused keeps nothing reserved");
    let mut refused = call(&mut service);
    assert_eq!(
        Picky::ready(&permits, 1),
        1,
        "as with all layers that refuse, this one is still there"
    );
    assert_eq!(status(&mut refused), 429);
    let mut left = layer(&self::gate(), &store).layer(Picky::new());
    drop(call(&mut left));
    assert!(ready_for(&mut left));
}

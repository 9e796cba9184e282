//! Places over a reload.

use super::*;

/// A reload: another number is in force at once, and what is in flight stays in flight.
#[test]
fn another_number_acts_at_once() {
    let mut world = limits([two()]);
    let request = from(CLIENT);
    let mut all = fill(&world, &request);
    world.reload(plan([LimitRule::in_flight("a", 3)]), NOW);
    assert_eq!(in_flight(&world, 0, &request), (2, 3));
    all.extend(fill(&world, &request));
    world.reload(plan([LimitRule::in_flight("a", 1)]), NOW);
    assert_eq!(in_flight(&world, 0, &request), (3, 1));
    all.drain(..2);
    assert!(is_full(&world, &request));
    all.clear();
    assert_eq!(fill(&world, &request).len(), 1);
}

/// A reload: how many clients are remembered means nothing to a limit that has no keys.
#[test]
fn without_a_key_another_number_of_clients_changes_nothing() {
    let mut world = limits([two().by([])]);
    let _all = fill(&world, &from(CLIENT));
    world.reload(Plan { clients: Some(2_000), ..plan([two().by([])]) }, NOW);
    assert!(is_full(&world, &from(CLIENT)));
}

/// A reload: where a place was taken, there it goes back.
#[test]
fn places_go_back_to_the_limit_that_they_are_of() {
    let request = from(CLIENT);
    let others: [Vec<LimitRule>; 4] = [
        vec![],
        vec![LimitRule::new("a", Quota::per_hour(9))],
        vec![two().by([])],
        vec![LimitRule::new("b", Quota::per_hour(9)).count_if(response("status == 404")), two()],
    ];
    for (nth, other) in others.into_iter().enumerate() {
        let mut world = limits([two()]);
        let mut all = fill(&world, &request);
        let hold = all[0].hold();
        world.reload(plan(other.clone()), NOW);
        let new = fill_at_most(&world, &request, if nth == 3 { 0 } else { 1 });
        if nth == 3 {
            assert_eq!(in_flight(&world, 1, &request).0, 2, "the definition is the same");
        }
        all.pop().unwrap().finish(status(200), NOW);
        drop((all, hold));
        if nth == 2 {
            assert_eq!(in_flight(&world, 0, &request).0, 1, "only the new one's own");
        }
        drop(new);
        world.reload(plan([two()]), NOW);
        assert_eq!(in_flight(&world, 0, &request).0, 0);
        assert_eq!(fill(&world, &request).len(), 2);
    }
}

use core::net::{IpAddr, Ipv4Addr};
use std::{format, vec::Vec};

use super::Admitted;
use crate::{Gate, Quota, Request, Timestamp, rule::Class};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));

fn admitted(gate: &Gate, request: &Request<'_>) -> Admitted {
    Admitted::of(&gate.check(request, Timestamp::from_secs(1)).into_result().unwrap())
}

#[test]
fn it_says_where_the_client_stood_and_what_rules_said() {
    use crate::rule::{Action, Rule, Scheme};

    let when = Scheme::new().parse("true").unwrap();
    let gate = Gate::builder()
        .rule(Rule::new("always", when).then(Action::Log))
        .limit("per client", Quota::per_hour(5))
        .build()
        .unwrap();
    let admitted = admitted(&gate, &Request::new(Some(CLIENT)));
    let standing = admitted.standing().unwrap();
    assert_eq!((standing.limit(), standing.remaining()), (5, 4));
    assert_eq!(admitted.matched().collect::<Vec<_>>(), ["always"]);
    assert_eq!((admitted.shadow().count(), admitted.tags().count(), admitted.more()), (0, 0, 0));
    assert_eq!(admitted.class(), Class::default());
    let copy = admitted.clone();
    assert_eq!(copy.matched().collect::<Vec<_>>(), ["always"]);
}

/// What a client has sent is not in logs by accident.
#[test]
fn its_debug_form_tells_no_secret_of_the_request() {
    let gate = Gate::builder().limit("per client", Quota::per_hour(5)).build().unwrap();
    let request = Request::new(Some(CLIENT)).target("/?token=hunter2").host("secret.example");
    let shown = format!("{:?}", admitted(&gate, &request));
    assert!(!shown.contains("hunter2") && !shown.contains("secret"), "{shown}");
}

//! **Row 25: numbers that are cut to fit.**
//!
//! Identifiers: RUSTSEC-2022-0041 (crossbeam-utils: 64-bit atomics on targets of 32 bits).
//!
//! The attack: a number is read in 64 bits and kept in 32 or 16: a limit of 4,294,967,296 is one of 0, or of nothing at all, a status of 65,736 is 200, and a
//! prefix of /256 is /0. What a client says is cut in the same way. On a machine of another width, an atomic is not one.
//!
//! Ours: `clippy::cast_possible_truncation` is denied, numbers of a text have a range and an error; `src/lib.rs` refuses targets
//! without 64-bit atomics. For one of 32 bits it was built with
//! `cargo check --lib --no-default-features --features config,tower --target i686-unknown-linux-gnu`; nothing was run there. This row writes
//! each number of a text one beyond its width, and its wrapped neighbours.
//!
//! Shown to fail, tests counted from above:
//! - `src/gate/config/section.rs`, `number` without its range: 4294967296 places are taken for something else (test
//!   1);
//! - `src/adapt/seen.rs`, a length cut to 16 bits: 65,939 is 403 (test 3).

use portcullis::{Gate, GateLayer, Request, Timestamp};
use tower_layer::Layer;

use crate::support::{Hello, client, gate, get, refused, send};

/// What a width cuts off, and what is then left of it.
fn beyond() -> Vec<String> {
    let widths = [8, 16, 32, 63, 64].map(|bits| 1_u128 << bits);
    let near =
        widths.iter().flat_map(|width| [0, 1, 5, 200, 403].map(|rest| (width + rest).to_string()));
    near.chain(["-1", "-4294967291", "99999999999999999999999999"].map(String::from)).collect()
}

/// Where a text has a number, and the most that it may be.
#[test]
fn each_number_of_a_text_is_kept_or_refused() {
    let limit = "[[limit]]\nname = \"l\"\n";
    let places: [(&str, String, u128); 9] = [
        ("count", format!("{limit}quota = \"#/h\"\n"), u128::from(u32::MAX)),
        ("burst", format!("{limit}quota = \"1/h burst #\"\n"), u128::from(u32::MAX)),
        ("in_flight", format!("{limit}in_flight = #\n"), u128::from(u32::MAX)),
        ("cost", format!("{limit}quota = \"1/h\"\ncost = #\n"), u128::from(u32::MAX)),
        ("status", "[[rule]]\nname = \"r\"\nwhen = 'tls'\ndeny = #\n".to_owned(), 599),
        ("v4", "[client]\ngroup = { v4 = # }\n".to_owned(), 32),
        ("v6", "[client]\ngroup = { v6 = # }\n".to_owned(), 128),
        ("hops", "[client]\ntrust = #\n".to_owned(), 255),
        ("prefix", "deny = [\"::/#\"]\n".to_owned(), 128),
    ];
    for (what, text, most) in &places {
        for number in beyond() {
            let fits = number.parse::<u128>().is_ok_and(|number| number <= *most);
            // What fits may still be nonsense; what does not must not be taken.
            if !fits {
                let text = text.replace('#', &number);
                assert!(
                    Gate::from_toml(&text).is_err(),
                    "{what} = {number} is taken for something else"
                );
            }
        }
    }
}

/// The largest that is taken is that, and not one less, nor nothing.
#[test]
fn the_largest_numbers_are_what_they_say() {
    let largest = gate(
        "[[limit]]\nname = \"l\"\nby = []\nquota = \"4294967295/day burst 4294967295\"\ncost = 4294967295\n",
    );
    let now = Timestamp::from_secs(1);
    assert!(refused(&largest, &Request::new(client(1)), now).is_none());
    assert!(refused(&largest, &Request::new(client(1)), now).is_some());
    let quota: portcullis::Quota = "4294967295/day".parse().unwrap();
    assert_eq!(quota.count(), u32::MAX);
}

/// Numbers in conditions are of 64 bits and signed: 403 is no other number of that width.
#[test]
fn numbers_in_conditions_are_compared_as_a_whole() {
    let gate = gate(
        "[[rule]]\nname = \"r\"\nwhen = 'http.request.body.size eq 403 or body.size lt 0'\nthen = \"deny\"\n",
    );
    let mut service = GateLayer::new(&gate).layer(Hello);
    for number in beyond().into_iter().chain(["403".to_owned()]) {
        let mut request = get(client(1), "/");
        request.headers_mut().insert("content-length", number.parse().unwrap());
        let expected = if number == "403" { 403 } else { 200 };
        assert_eq!(send(&mut service, request).0.status, expected, "{number}");
    }
    assert!(
        Gate::from_toml(
            "[[rule]]\nname = \"r\"\nwhen = 'body.size eq 9223372036854775808'\nthen = \"deny\"\n"
        )
        .is_err()
    );
}

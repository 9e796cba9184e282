//! Fleets in files.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::time::Duration;

use crate::{
    Gate, LimitRule, Quota,
    error::BuildProblem,
    gate::{
        config::{
            FleetConfig, GateConfig, ScopeConfig,
            face::{placed, plan_of, plan_on},
        },
        plan::Scope,
    },
    limit::remote::{FleetError, FleetSettings, OnFailure},
};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// What is wrong with a text: line, column, code, place, message and help of each.
pub(super) fn told(text: &str) -> Vec<String> {
    let error = Gate::from_toml(text).map(|_| ()).unwrap_err();
    let shown = error.iter().map(|it| {
        let line = it.line().map_or(String::from("?"), |line| line.to_string());
        let help = it.help().map_or(String::new(), |help| format!(" ({help})"));
        let place = it.place().unwrap_or_default();
        format!("{line} {} [{place}] {}{help}", it.code(), it.message())
    });
    shown.collect()
}

fn limit(more: &str) -> String {
    format!("[[limit]]\nname = 'x'\nquota = '100/min'\n{more}\n")
}

#[test]
fn a_limit_is_of_this_gate_unless_it_is_said() {
    let scope = |more: &str| plan_of(&limit(more)).unwrap().limits[0].scope;
    for (more, expected) in [
        ("", Scope::Gate),
        ("scope = 'gate'", Scope::Gate),
        ("scope = 'fleet'", Scope::Fleet(OnFailure::Local)),
        ("scope = 'fleet'\nfail = 'local'", Scope::Fleet(OnFailure::Local)),
        ("fail = 'open'\nscope = 'fleet'", Scope::Fleet(OnFailure::Open)),
        ("scope = 'fleet'\nfail = 'closed'", Scope::Fleet(OnFailure::Closed)),
    ] {
        assert_eq!(scope(more), expected, "{more}");
    }
}

#[test]
fn what_is_left_out_of_a_fleet_is_as_usual() {
    for text in ["", "[fleet]", &limit("scope = 'fleet'")] {
        assert_eq!(plan_of(text).unwrap().fleet, FleetSettings::new(), "{text}");
    }
    let usual =
        "[fleet]\nnodes = 1\nprefix = ''\nlease = '100ms'\ntimeout = '20ms'\nkeys = 65536\n";
    assert_eq!(plan_of(usual).unwrap().fleet, FleetSettings::new());
    let config = GateConfig::from_toml(usual).unwrap();
    let fleet = FleetConfig {
        nodes: Some(1),
        prefix: Some(String::new()),
        lease: Some("100ms".into()),
        timeout: Some("20ms".into()),
        keys: Some(65_536),
    };
    assert_eq!(config.fleet, Some(fleet));
    assert_eq!(GateConfig::from_toml(&config.to_toml()).unwrap(), config);
    assert_eq!(GateConfig::from_toml("[fleet]").unwrap().fleet, Some(FleetConfig::default()));
}

#[test]
fn a_fleet_in_json_is_the_same_one() {
    let json = r#"{
        "limit": [{ "name": "x", "quota": "100/min", "scope": "fleet", "fail": "open" }],
        "fleet": { "nodes": 3, "lease": "1s" }
    }"#;
    let config: GateConfig = serde_json::from_str(json).unwrap();
    assert_eq!(config.limit[0].scope, Some(ScopeConfig::Fleet));
    let plan = plan_of(&config.to_toml()).unwrap();
    assert_eq!(plan.limits[0].scope, Scope::Fleet(OnFailure::Open));
    assert_eq!(plan.fleet, FleetSettings::new().nodes(3).lease(ms(1_000)));
}

/// The secret above all: it is not for files.
#[test]
fn what_a_text_does_not_say_of_a_fleet_stays_as_the_program_has_it() {
    let said = FleetSettings::new().secret(b"hush").nodes(4).prefix("shop").timeout(ms(7));
    let builder = Gate::builder()
        .fleet(said.clone())
        .limit_rule(LimitRule::new("theirs", Quota::per_minute(5)).fleet(OnFailure::Closed));
    let read = |text: &str| plan_on(builder.plan.clone(), text).unwrap();
    assert_eq!(read("").fleet, said);
    assert_eq!(read("[fleet]\n").fleet, said);
    assert_eq!(read("[fleet]\nnodes = 9\nkeys = 100\n").fleet, said.clone().nodes(9).keys(100));
    let plan = read(&limit("scope = 'fleet'"));
    let scopes: Vec<_> = plan.limits.iter().map(|limit| limit.scope).collect();
    assert_eq!(scopes, [Scope::Fleet(OnFailure::Closed), Scope::Fleet(OnFailure::Local)]);
    // A mistake of the program's has no place in the text, and the text can mend it.
    let wrong = Gate::builder().fleet(said.nodes(0));
    let error = wrong.clone().build_toml("[fleet]\nlease = '1s'\n").unwrap_err();
    let found: Vec<_> = error.iter().map(|it| (it.line(), it.message())).collect();
    assert_eq!(found, [(None, "fleet: the number of nodes is 0; use 1 to 1000000")]);
    assert!(wrong.build_toml("[fleet]\nnodes = 2\n").is_ok());
}

#[test]
fn what_settings_of_a_fleet_cannot_be_is_told_with_what_they_can() {
    let prefix =
        "cannot begin the names of keys; use up to 64 visible ASCII characters without braces";
    for (setting, expected) in [
        ("nodes = 0", "P0505 [fleet, nodes] expected a whole number from 1 to 1000000"),
        ("nodes = 1_000_001", "P0505 [fleet, nodes] expected a whole number from 1 to 1000000"),
        ("nodes = 1.5", "P0504 [fleet, nodes] expected a whole number, found a fraction"),
        ("keys = 0", "P0505 [fleet, keys] expected a whole number from 1 to 16777216"),
        ("keys = 16_777_217", "P0505 [fleet, keys] expected a whole number from 1 to 16777216"),
        ("lease = '999us'", "P0505 [fleet, lease] expected a length of time from 1ms to 10s"),
        ("lease = '10s1ns'", "P0505 [fleet, lease] expected a length of time from 1ms to 10s"),
        ("timeout = '0s'", "P0505 [fleet, timeout] expected a length of time from 1ms to 10s"),
        ("timeout = '1m'", "P0505 [fleet, timeout] expected a length of time from 1ms to 10s"),
        (
            "timeout = 20",
            "P0504 [fleet, timeout] expected a length of time, as in \"100ms\", found a number without a \
             unit (write \"20ms\" if these are milliseconds)",
        ),
        (
            "timeout = true",
            "P0504 [fleet, timeout] expected a length of time, as in \"100ms\", found true or false",
        ),
        (
            "lease = 'soon'",
            "P0505 [fleet, lease] expected a number and a unit of time (as in \"100ms\" or \"1s\")",
        ),
        (
            "lease = '5 ticks'",
            "P0505 [fleet, lease] unknown unit of time; use ms, s, min, hour or day (as in \"100ms\" or \
             \"1s\")",
        ),
        ("prefix = 'a{b'", &format!("P0505 [fleet, prefix] \"a{{b\" {prefix}")),
        ("prefix = 'a b'", &format!("P0505 [fleet, prefix] \"a b\" {prefix}")),
        ("prefix = 'ä'", &format!("P0505 [fleet, prefix] \"ä\" {prefix}")),
        (
            "prefix = 7",
            "P0504 [fleet, prefix] expected a text, as in \"shop\", found a whole number",
        ),
        ("node = 8", "P0502 [fleet] unknown key `node` of `[fleet]` (did you mean `nodes`?)"),
        (
            "size = 8",
            "P0502 [fleet] unknown key `size` of `[fleet]` (there are `nodes`, `prefix`, `lease`, \
             `timeout`, `keys`)",
        ),
        (
            "secret = 'hush'",
            "P0502 [fleet] unknown key `secret` of `[fleet]` (a secret is not for files: give it to the \
             builder, with `FleetSettings::secret`)",
        ),
    ] {
        let text = format!("[fleet]\n\n{setting}\n");
        assert_eq!(told(&text), [format!("3 {expected}")], "{setting}");
    }
    for setting in ["nodes = 1_000_000", "keys = 1", "lease = '1ms'", "timeout = '10s'"] {
        assert!(plan_of(&format!("[fleet]\n{setting}\n")).is_ok(), "{setting}");
    }
    let longest = "p".repeat(64);
    assert!(plan_of(&format!("[fleet]\nprefix = '{longest}'\n")).is_ok());
    let [too_long] = &told(&format!("[fleet]\nprefix = '{longest}p'\n"))[..] else { panic!("one") };
    assert!(too_long.ends_with(prefix), "{too_long}");
    assert_eq!(
        told("fleet = 8\n"),
        [
            "1 P0504 [fleet] expected a table with `nodes`, `prefix`, `lease`, `timeout`, `keys`, found a \
          whole number"
        ]
    );
}

#[test]
fn what_a_limit_of_a_fleet_cannot_be_is_told_with_what_it_can() {
    for (more, expected) in [
        (
            "scope = 'flete'",
            "P0505 [limit \"x\", scope] expected \"gate\" or \"fleet\", found \"flete\" (did you mean \
             \"fleet\"?)",
        ),
        (
            "scope = true",
            "P0504 [limit \"x\", scope] expected \"gate\" or \"fleet\", found true or false",
        ),
        (
            "fail = 'open'",
            "P0508 [limit \"x\", fail] `fail` is for limits of a fleet, whose store can fail, and this is \
             none (add scope = \"fleet\", or leave it out)",
        ),
        (
            "scope = 'gate'\nfail = 'open'",
            "P0508 [limit \"x\", fail] `fail` is for limits of a fleet, whose store can fail, and this is \
             none (add scope = \"fleet\", or leave it out)",
        ),
        (
            "scope = 'fleet'\nfail = 'opne'",
            "P0505 [limit \"x\", fail] expected \"local\", \"open\" or \"closed\", found \"opne\" (did you \
             mean \"open\"?)",
        ),
        // It is not known whether that one can fail.
        (
            "fail = 'open'\nscope = 'flete'",
            "P0505 [limit \"x\", scope] expected \"gate\" or \"fleet\", found \"flete\" (did you mean \
             \"fleet\"?)",
        ),
        (
            "scope = 'fleet'\ncount_if = 'status == 404'",
            "P0505 [limit \"x\", count_if] `count_if` of a limit of a fleet asks for the response, by \
             which time a fleet gives nothing back: leave it out, or let each gate count by itself",
        ),
        (
            "scope = 'fleet'\ndistinct = 'path'",
            "P0505 [limit \"x\", distinct] `distinct` of a limit of a fleet counts values that only one \
             gate remembers: leave it out, or let each gate count by itself",
        ),
        (
            "scope = 'fleet'\ncost = 'response.size'",
            "P0505 [limit \"x\", cost] `cost` of a limit of a fleet asks for the response, by which time \
             a fleet takes nothing more: use a number or a value of the request, or let each gate count by \
             itself",
        ),
    ] {
        let text = limit(more);
        let line = 3 + more.lines().count();
        assert_eq!(told(&text), [format!("{line} {expected}")], "{more}");
    }
    let many = "[[limit]]\nname = 'x'\nscope = 'fleet'\nquota = '7/day burst 1000000'\n";
    assert_eq!(
        told(many),
        [
            "4 P0505 [limit \"x\", quota] `quota` of a limit of a fleet has more digits than a fleet can \
          count exactly: use a smaller burst, or a count that divides the period better"
        ]
    );
    let in_flight = "[[limit]]\nname = 'x'\nscope = 'fleet'\nin_flight = 5\n";
    assert_eq!(
        told(in_flight),
        [
            "4 P0505 [limit \"x\", in_flight] `in_flight` of a limit of a fleet counts what one process \
          serves, whose places nobody would give back if it died: use a quota, or let each gate count by \
          itself"
        ]
    );
}

#[test]
fn mistakes_of_a_whole_fleet_are_told_in_the_file_too() {
    let each = |at| format!("[[limit]]\nname = 'l{at}'\nquota = '5/s'\nscope = 'fleet'\n");
    let eight = (0..8).map(each).collect::<String>();
    assert!(plan_of(&eight).is_ok());
    let nine = (0..9).map(each).collect::<String>();
    let too_many = "35 P0505 [limit \"l8\"] 9 limits of a fleet are too many for one request; use at most \
                    8, and let each gate count the others by itself";
    assert_eq!(told(&nine), [too_many]);
    // With the mistakes of the rest.
    assert_eq!(told(&format!("{nine}[fleet]\nnodes = 0\n")).len(), 2);
    let kept = "[[limit]]\nname = 'x'\nscope = 'fleet'\nquota = '1_000_000_000/30day'\n[fleet]\n";
    assert_eq!(
        told(&format!("{kept}nodes = 7")),
        [
            "4 P0505 [limit \"x\"] limit 1, \"x\": quota leaves each of 7 nodes 1000000000/210day burst \
          142857142, which cannot be kept for each client: use a lower rate or a smaller burst"
        ]
    );
    assert!(Gate::builder().check_toml(&format!("{kept}nodes = 8")).is_ok());
}

#[test]
fn memory_that_cannot_be_had_is_told_where_it_is_asked_for() {
    let problem =
        || BuildProblem::FleetSettings { error: FleetError::NoMemory { keys: 16_777_216 } };
    let found = placed("[fleet]\nnodes = 8\nkeys = 16_777_216\n", problem());
    assert_eq!(
        found.to_string(),
        "error[P0505]: fleet: there is no memory for 16777216 keys of a fleet; use fewer\n \
         --> 3:8  (fleet, keys)\n  \
           |\n\
         3 | keys = 16_777_216\n  \
           |        ^^^^^^^^^^\n"
    );
    let found = placed("[fleet]\nnodes = 8\n", problem());
    assert_eq!(found.iter().map(|it| it.line()).collect::<Vec<_>>(), [None]);
}

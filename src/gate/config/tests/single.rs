//! One mistake in a text: where it is told, what of it, and what would be right.

use alloc::{
    format,
    string::{String, ToString as _},
};

use super::fleet::told;
use crate::gate::config::{GateConfig, face::plan_of};

#[track_caller]
fn is_told(text: &str, expected: &str) {
    assert_eq!(told(text), [expected], "{text}");
}

/// It would be passed over, and nobody would miss it before the second ban.
#[test]
fn what_makes_no_ban_longer_is_not_passed_over() {
    let of_none = |key: &str| format!("`{key}` is of a ban, and here it is of none");
    let (add, put) = (
        "(add a ban, as in { ban = \"15m\", escalate = 4, max = \"1d\" })",
        "(put it into the table of the ban, beside `for`)",
    );
    for (then, key, help) in [
        ("{ deny = true, escalate = 4 }", "escalate", add),
        ("{ count = true, max = '1d' }", "max", add),
        ("{ ban = { for = '15m' }, escalate = 4 }", "escalate", put),
        ("{ ban = { for = '15m', max = '1h' }, max = '1d' }", "max", put),
    ] {
        let text = format!("[[rule]]\nname = 'x'\nwhen = 'true'\nthen = {then}\n");
        is_told(&text, &format!("4 P0508 [rule \"x\", then, {key}] {} {help}", of_none(key)));
    }
    let text =
        "[[limit]]\nname = 'x'\nquota = '1/s'\nthen = { ban = { for = '15m' }, escalate = 4 }\n";
    is_told(text, &format!("4 P0508 [limit \"x\", then, escalate] {} {put}", of_none("escalate")));
}

/// Whichever of both comes first.
#[test]
fn a_key_in_both_spellings_is_told_with_both() {
    for keys in ["name = 'x'\nid = 'y'\n", "id = 'y'\nname = 'x'\n"] {
        let text = format!("[[limit]]\n{keys}quota = '1/s'\n");
        let found = told(&text);
        assert_eq!(found.len(), 1, "{found:?}");
        let expected = "[limit \"x\"] `name` is given twice (`id` and `name` are the same)";
        assert!(found[0].ends_with(expected), "{found:?}");
    }
}

/// I3: what a text can say, the types can hold; and what they cannot, no text can say.
#[test]
fn whatever_a_text_says_the_types_hold() {
    let rule = |then: &str| format!("[[rule]]\nname = 'x'\nwhen = 'true'\n{then}\n");
    let rules =
        ["allow = {}", "deny = {}", "deny = false", "skip = []", "deny = 0x194", "then = []"];
    let rules = rules.map(rule);
    let others = [
        "exempt = []\n",
        "rule = []\nlimit = []\n",
        "[lists]\na = []\nb = { type = 'ip' }\nc = { type = 'number', values = [] }\n",
        "lists = {}\ngroups = {}\nfields = {}\n",
        "client = {}\nfleet = {}\ndefence = {}\n",
        "[client]\ntrust = 0\ngroup = {}\n",
        "[[limit]]\nname = 'x'\nquota = '1/s'\nby = []\nenforce_share = 1\n",
        "[defence]\ndimensions = []\nparameters = { alarm_z = 5 }\n",
    ];
    for text in rules.iter().map(String::as_str).chain(others) {
        let config = GateConfig::from_toml(text).unwrap_or_else(|error| panic!("{text}{error}"));
        let json = serde_json::to_string(&config).unwrap();
        let again: GateConfig = serde_json::from_str(&json).unwrap();
        let plans = [text, &again.to_toml()].map(|text| format!("{:?}", plan_of(text).unwrap()));
        assert_eq!(plans[0], plans[1], "{text}");
    }
    let rule = "\nname = 'x'\nwhen = 'true'\nthen = 'deny'\n";
    let help = "(as in { type = \"text\", values = [\"10.0.0.1\"] }, or write the array alone)";
    for (text, expected) in [
        (
            format!("[rule]{rule}"),
            "1 P0504 [rule] expected an array of tables, each after [[rule]], found a table",
        ),
        (
            "mode = 'off'\n[limit]\nname = 'x'\nquota = '1/s'\n".to_string(),
            "2 P0504 [limit] expected an array of tables, each after [[limit]], found a table",
        ),
        (
            "[lists]\na = { values = ['192.0.2.1'] }\n".to_string(),
            &format!("2 P0503 [lists, a] a list needs a `type` {help}"),
        ),
        (
            "[lists]\na = { type = 'text', values = 'curl' }\n".to_string(),
            "2 P0504 [lists, a, values] expected an array of values, found a text",
        ),
    ] {
        is_told(&text, expected);
        assert!(GateConfig::from_toml(&text).is_err());
        assert!(toml::from_str::<GateConfig>(&text).is_err(), "{text}");
    }
}

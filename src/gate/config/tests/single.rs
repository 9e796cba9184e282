//! One mistake in a text: where it is told, what of it, and what would be right.

use alloc::format;

use super::fleet::told;

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

//! Lists that are both the program's and the text's, and what a list is by its look.

use alloc::{format, vec::Vec};

use super::fleet::told;
use crate::{
    CidrSet, Gate, GateBuilder,
    gate::config::face::{plan_of, plan_on},
    rule::{List, NumberSet, Scheme, TextSet, Type},
};

fn texts(all: &[&'static str]) -> TextSet {
    all.iter().copied().collect()
}

fn nets(text: &str) -> CidrSet {
    text.parse().unwrap()
}

/// A list of each type with something in it, and an empty one.
fn program() -> GateBuilder {
    Gate::builder()
        .list("partners", nets("192.0.2.0/24"))
        .list("agents", texts(&["curl"]))
        .list("ports", [80_i64].into_iter().collect::<NumberSet>())
        .list("blank", CidrSet::new())
}

#[test]
fn an_empty_list_of_a_text_is_the_one_that_the_program_gives() {
    for text in [
        "partners = []\nagents = []\nports = []\nblank = []\n",
        "partners = { type = 'addresses' }\nagents = { type = 'text' }\nports = { type = 'number' }\n",
    ] {
        let plan = plan_on(program().plan, &format!("[lists]\n{text}")).unwrap();
        let [partners, agents, ports, blank] =
            ["partners", "agents", "ports", "blank"].map(|name| plan.lists.get(name).unwrap());
        assert!(matches!(partners, List::Addresses(set) if **set == nets("192.0.2.0/24")));
        assert!(matches!(agents, List::Texts(set) if **set == texts(&["curl"])));
        assert!(matches!(ports, List::Numbers(set) if **set == [80].into_iter().collect()));
        assert!(matches!(blank, List::Addresses(set) if set.is_empty()));
    }
}

#[test]
fn a_list_of_the_program_has_no_other_values_and_no_other_type() {
    for list in [
        "partners = ['198.51.100.0/24']",
        "partners = ['192.0.2.0/24']",
        "partners = { type = 'text' }",
        "agents = ['wget']",
        "agents = { type = 'number' }",
        "ports = [443]",
        "ports = { type = 'addresses' }",
        "blank = ['curl']",
        "blank = [1]",
    ] {
        let error = plan_on(program().plan, &format!("[lists]\n\n{list}\n")).unwrap_err();
        let found: Vec<_> = error.iter().map(|it| (it.line(), it.message())).collect();
        assert_eq!(found, [(Some(3), "the program has a list of this name")], "{list}");
    }
    // One that is empty is filled.
    let plan = plan_on(program().plan, "[lists]\nblank = ['198.51.100.0/24']\n").unwrap();
    let blank = plan.lists.get("blank").unwrap();
    assert!(matches!(blank, List::Addresses(set) if **set == nets("198.51.100.0/24")));
}

#[test]
fn an_empty_list_has_the_type_that_the_program_declares() {
    let scheme = Scheme::new().list("a", Type::Ip).list("b", Type::Bytes).list("c", Type::Int);
    let base = Gate::builder().scheme(scheme).plan;
    let plan = plan_on(base, "[lists]\na = []\nb = []\nc = []\nd = []\n").unwrap();
    let held = ["a", "b", "c", "d"].map(|name| plan.lists.get(name).unwrap().holds());
    assert_eq!(held, [Type::Ip, Type::Bytes, Type::Int, Type::Ip]);
}

/// What most values are, the others are meant to be.
#[test]
fn a_list_is_what_most_of_its_values_are() {
    let holds = |list: &str| {
        plan_of(&format!("[lists]\na = {list}\n")).unwrap().lists.get("a").unwrap().holds()
    };
    for (list, expected) in [
        ("['192.0.2.1']", Type::Ip),
        ("['192.0.2.1', 'curl']", Type::Bytes),
        ("['192.0.2.1', 'curl', 'wget']", Type::Bytes),
        ("[1, -2]", Type::Int),
    ] {
        assert_eq!(holds(list), expected, "{list}");
    }
    for (list, expected) in [
        (
            "['192.0.2.1', '192.0.2.2', '192.0.2.7/24']",
            "P0505 [lists, a] host bits are set; write 192.0.2.0/24 for the network or 192.0.2.7/32 for \
             the host",
        ),
        ("[1, 'two']", "P0504 [lists, a] expected a whole number, found a text"),
        ("['curl', 2]", "P0504 [lists, a] expected a text, found a whole number"),
        ("7", "P0504 [lists, a] expected a list, as in [\"192.0.2.0/24\"], found a whole number"),
        (
            "{ type = 'texts' }",
            "P0505 [lists, a, type] expected \"addresses\", \"ip\", \"text\", \"bytes\", \"number\" or \
             \"int\", found \"texts\" (did you mean \"text\"?)",
        ),
        (
            "{ type = 'int', values = ['80'] }",
            "P0504 [lists, a, values] expected a whole number, found a text",
        ),
    ] {
        assert_eq!(told(&format!("[lists]\na = {list}\n")), [format!("2 {expected}")], "{list}");
    }
    // A rule that names a list that could not be read is not wrong for that.
    let text = "[lists]\na = 7\n[[rule]]\nname = 'x'\nwhen = 'ua in $a'\nthen = 'deny'\n";
    assert_eq!(told(text).len(), 1);
    assert_eq!(
        told("lists = 7\n"),
        ["1 P0504 [lists] expected a table of lists, found a whole number"]
    );
}

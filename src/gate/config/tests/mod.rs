//! Configurations from texts.

mod fleet;
mod formats;
mod lists;
mod mutations;
mod program;
mod reload;
mod single;

use alloc::{format, string::ToString, vec::Vec};
use core::time::Duration;

use super::face::plan_of;
use crate::{
    Gate, Request, Timestamp,
    detect::{Defence, Parameters, Posture},
    gate::{
        config::DefenceConfig,
        plan::{Bound, Cost, MissingKey, Scope, Then},
    },
    limit::remote::{FleetSettings, OnFailure},
    rule::{List, Scheme, Term, Type},
};

const SAMPLE: &str = include_str!("../../../../examples/gate.toml");
const EVERY_KEY: &str = include_str!("every_key.toml");

#[test]
fn the_sample_is_a_gate() {
    let gate = Gate::from_toml(SAMPLE).unwrap();
    assert_eq!(gate.lists().names(), ["blocked", "office"]);
    let plan = plan_of(SAMPLE).unwrap();
    let names: Vec<_> = plan.rules.iter().map(|rule| rule.name().to_string()).collect();
    assert_eq!(names, ["blocked addresses", "scanner paths"]);
    assert_eq!(plan.rules[1].mode, crate::rule::RuleMode::Shadow);
    let login = &plan.limits[1];
    assert!(login.when.is_some() && login.count_if.is_some());
    let Then::Ban(ban) = login.then else { panic!("it bans") };
    let seconds = (ban.first.as_secs(), ban.escalate, ban.most.as_secs());
    assert_eq!(seconds, (900, 4, 86_400));
    let warnings = Gate::builder().check_toml(SAMPLE).unwrap();
    // The list that is filled live is empty now.
    let codes: Vec<_> = warnings.iter().map(|it| (it.code().as_str(), it.line())).collect();
    assert_eq!(codes, [("P0605", Some(15))], "{warnings}");
}

/// What is checked is what is built: lists that the scheme declares are there, and empty.
#[test]
fn a_list_that_only_the_scheme_declares_is_checked_as_it_is_built() {
    let builder = || Gate::builder().scheme(Scheme::new().list("partners", Type::Ip));
    let text = "[[rule]]\nname = \"x\"\nwhen = 'not ip.src in $partners'\nthen = \"deny\"\n";
    assert!(builder().build_toml(text).is_ok());
    let warnings = builder().check_toml(text).unwrap();
    let codes: Vec<_> = warnings.iter().map(|it| it.code().as_str()).collect();
    assert!(codes.contains(&"P0605"), "{warnings}");
    assert!(builder().check_toml(&text.replace("partners", "partner")).is_err());
}

/// The faces of the documentation: a scanner is only counted, an office is not blocked.
#[test]
fn the_sample_decides_as_it_reads() {
    let gate = Gate::from_toml(SAMPLE).unwrap();
    let now = Timestamp::from_secs(1);
    let ask = |ip: &str, path: &str| {
        let peer: core::net::IpAddr = ip.parse().unwrap();
        gate.check(&Request::new(peer).method("GET").target(path), now).into_result().is_ok()
    };
    assert!(ask("203.0.113.1", "/.env"));
    let all = "203.0.113.0/24\n192.0.2.0/24".parse::<crate::CidrSet>().unwrap();
    gate.lists().replace("blocked", all).unwrap();
    assert!(!ask("203.0.113.1", "/"));
    assert!(ask("192.0.2.77", "/"));
    assert!((0..50).all(|_| ask("192.0.2.10", "/")), "exempt");
    let passed = (0..50).filter(|_| ask("192.0.2.99", "/")).count();
    assert_eq!(passed, 20);
}

#[test]
fn every_key_says_what_it_says() {
    let plan = plan_of(EVERY_KEY).unwrap();
    assert_eq!(plan.rules.len(), 8);
    let held = |name: &str| plan.lists.get(name).map(List::holds);
    for (name, holds) in [
        ("office", Type::Ip),
        ("agents", Type::Bytes),
        ("ports", Type::Int),
        ("blocked", Type::Ip),
        ("names", Type::Bytes),
        ("sizes", Type::Int),
        ("words", Type::Bytes),
        ("nobody", Type::Ip),
        ("numbers", Type::Int),
    ] {
        assert_eq!(held(name), Some(holds), "{name}");
    }
    let [everything, one, response, in_flight, of_fleet, of_gate] = &plan.limits[..] else {
        panic!("six limits")
    };
    assert_eq!((everything.by.len(), one.by.len(), response.by.len()), (3, 1, 0));
    assert!(matches!(everything.cost, Cost::Request(_)));
    assert_eq!(one.cost, Cost::Units(2));
    assert!(matches!(response.cost, Cost::Response(_)));
    assert_eq!((everything.missing, response.missing), (MissingKey::Skip, MissingKey::Deny));
    assert_eq!((in_flight.bound, &in_flight.cost), (Bound::InFlight(20), &Cost::Units(2)));
    assert!(matches!(everything.bound, Bound::Quota(_)));
    let scopes = [everything, of_fleet, of_gate].map(|limit| limit.scope);
    assert_eq!(scopes, [Scope::Gate, Scope::Fleet(OnFailure::Closed), Scope::Gate]);
    let ms = Duration::from_millis;
    let fleet = FleetSettings::new().nodes(8).prefix("shop").lease(ms(150)).timeout(ms(1_500));
    assert_eq!(plan.fleet, fleet.keys(10_000));
    let shown = format!("{:?}", plan.rules[1].actions);
    for action in ["Ban", "\"one\"", "\"two\"", "Score(5)", "Log", "Skip(Limits)"] {
        assert!(shown.contains(action), "{action} in {shown}");
    }
    assert_eq!(plan.rules[1].share.as_per_million(), 250_000);
    assert_eq!(plan.group, crate::ClientGroup { v4: 32, v6: 56 });
    let defence = plan.defence.unwrap();
    assert_eq!((defence.up_to, defence.dimensions.len()), (Posture::Defend, 2));
    let usual = Parameters::default();
    let said = Parameters {
        half_life: 41,
        alarm_z: 5.0,
        elevated_load: 40.0,
        overload_load: 42.0,
        calm_seconds: 42,
        known_seconds: 90_000,
        ..usual
    };
    assert_eq!(defence.parameters, said);
    let names = crate::detect::NAMES;
    assert!(names.iter().all(|name| EVERY_KEY.contains(&format!("\n{name} = "))), "every one");
}

/// One file, many mistakes: each is told, where it stands, and what would be right.
#[test]
fn all_mistakes_of_a_file_are_told_at_once() {
    let text = include_str!("mistakes.toml");
    let error = Gate::from_toml(text).map_err(|it| it.with_origin("gate.toml")).unwrap_err();
    is_in_file("mistakes.txt", &error.to_string(), include_str!("mistakes.txt"));
}

/// What does not follow the grammar of TOML is told with the mistakes of the rest.
#[test]
fn malformed_texts_are_told_as_such() {
    let text = "mode = \"enforce\n[client]\ntrust = [\"10.0.0.0/8\"]\n[lists]\na = [1,, 2]\n\
                [[rule]]\nname = 'x'\nwhen = 'pth eq 1'\nthen = \"deny\"\nthen = \"allow\"\n";
    let error = Gate::from_toml(text).unwrap_err();
    let found: Vec<_> = error.iter().map(|it| (it.line(), it.code().as_str())).collect();
    for expected in
        [(Some(1), "P0501"), (Some(5), "P0501"), (Some(8), "P0102"), (Some(10), "P0501")]
    {
        assert!(found.contains(&expected), "{expected:?} in {error}");
    }
    // What follows from an array that is not closed is mostly left out.
    let error =
        Gate::from_toml(&SAMPLE.replace("[\"10.0.0.0/8\"]", "[\"10.0.0.0/8\"")).unwrap_err();
    let first = error.iter().next().unwrap();
    assert_eq!((first.line(), first.code().as_str()), (Some(6), "P0501"), "{error}");
    assert!(error.len() < 10, "{error}");
}

#[test]
fn names_that_the_program_knows_are_known_to_the_text() {
    let text = r#"
        [lists]
        partners = []
        [[rule]]
        name = "x"
        when = 'tenant eq "a" and ip.src in $partners and counter("theirs") > 5 and ip.src in $more'
        then = "deny"
    "#;
    let partners: crate::CidrSet = "192.0.2.0/24".parse().unwrap();
    let builder = Gate::builder()
        .scheme(Scheme::new().field("tenant", Type::Bytes).list("more", Type::Ip))
        .list("partners", partners.clone())
        .limit("theirs", crate::Quota::per_second(5));
    let gate = builder.clone().build_toml(text).unwrap();
    let Some(List::Addresses(held)) = gate.lists().get("partners") else { panic!("it is there") };
    assert_eq!(*held, partners);
    assert!(Gate::from_toml(text).is_err());
    // What the program has described stays when the text is replaced.
    gate.reload(text, Timestamp::from_secs(1)).unwrap();
    gate.reload("", Timestamp::from_secs(1)).unwrap();
    assert_eq!(gate.lists().names(), ["more", "partners"]);
    let taken = "[[limit]]\nname = \"theirs\"\nquota = \"1/s\"\n";
    assert!(builder.build_toml(taken).unwrap_err().to_string().contains("is taken"));
}

#[test]
fn a_defence_goes_as_far_as_it_says() {
    let up_to = |text: &str| plan_of(text).unwrap().defence.map(|defence| defence.up_to);
    assert_eq!(up_to(""), None);
    assert_eq!(up_to("[defence]"), Some(Posture::Normal));
    for (auto, posture) in [
        ("off", Posture::Normal),
        ("normal", Posture::Normal),
        ("elevated", Posture::Elevated),
        ("overload", Posture::Overload),
        ("defend", Posture::Defend),
        ("lockdown", Posture::Lockdown),
    ] {
        assert_eq!(up_to(&format!("[defence]\nauto = \"{auto}\"\n")), Some(posture));
        let json = format!("{{ \"auto\": \"{auto}\" }}");
        assert!(serde_json::from_str::<DefenceConfig>(&json).is_ok(), "{json}");
    }
    let error = Gate::from_toml("[defence]\nauto = \"of\"\n").unwrap_err();
    assert!(error.to_string().contains("did you mean \"off\"?"), "{error}");
}

/// What a text does not say of a defence stays as the program has it.
#[test]
fn a_defence_of_the_program_is_what_a_text_changes() {
    let parameters = Parameters { cold_requests: 7, ..Parameters::default() };
    let builder = Gate::builder().defence(
        Defence::up_to(Posture::Lockdown).parameters(parameters).dimension(Term::client()),
    );
    let read = |text: &str| {
        let read = super::face::plan_on(builder.plan.clone(), text).unwrap();
        read.defence.unwrap()
    };
    assert_eq!(Some(&read("")), builder.plan.defence.as_ref());
    let changed = read("[defence.parameters]\ncalm_seconds = 120\n");
    assert_eq!((changed.up_to, changed.dimensions.len()), (Posture::Lockdown, 1));
    assert_eq!((changed.parameters.cold_requests, changed.parameters.calm_seconds), (7, 120));
    let changed = read("[defence]\nauto = \"off\"\ndimensions = []\n");
    assert_eq!((changed.up_to, changed.dimensions.len()), (Posture::Normal, 0));
    assert_eq!(changed.parameters.cold_requests, 7);
    // A mistake of the program's is told without a place.
    let parameters = Parameters { covers: 0.0, ..Parameters::default() };
    let wrong = Gate::builder().defence(Defence::up_to(Posture::Defend).parameters(parameters));
    let error = wrong.clone().build_toml("").unwrap_err();
    assert_eq!(error.iter().map(|it| it.line()).collect::<Vec<_>>(), [None], "{error}");
    assert_eq!(
        wrong.build().unwrap_err().to_string(),
        "the gate cannot be built:\n\
         - defence: `covers` is a number from 0.01 to 1.0, and not 0.0"
    );
}

#[test]
fn mistakes_about_a_defence_are_told_at_their_key() {
    let told = |text: &str| {
        let error = Gate::from_toml(text).unwrap_err();
        let found = error.iter().map(|it| format!("{}: {}", it.line().unwrap(), it.message()));
        found.collect::<Vec<_>>()
    };
    assert_eq!(
        told("[defence]\nauto = \"defend\"\n[defence.parameters]\n\nelevated_load = 90\n"),
        ["5: defence: `elevated_load` is at most `overload_load`, 80.0, and not 90.0"],
    );
    assert_eq!(
        told("[defence]\nparameters = { overload_load = 50 }\n"),
        ["1: defence: `elevated_load` is at most `overload_load`, 50.0, and not 60.0"],
    );
    assert_eq!(
        told("[defence]\n\ndimensions = [\"path\", \"host\", \"method\"]\n"),
        ["3: defence: `dimensions` are at most 2 values, and not 3"],
    );
    let asks =
        told("[defence]\ndimensions = ['counter(\"x\")']\n[[limit]]\nname = 'x'\nquota = '1/s'\n");
    assert!(asks[0].starts_with("2: defence: `dimensions` has a value that asks a counter"));
    // Of a whole number no fraction is made, and the other way round it is one.
    assert!(told("defence.parameters.half_life = 1.5\n")[0].contains("from 1 to 86400"));
    assert!(told("defence.parameters.half_life = -1\n")[0].contains("from 1 to 86400"));
    assert!(told("defence.parameters.half_life = 99999999999999999999\n")[0].contains("86400"));
    assert!(told("defence.parameters.alarm_z = nan\n")[0].contains("from 1.0 to 20.0"));
    assert!(told("defence.parameters.alarm_z = 4_000_000_000_000\n")[0].contains("20.0"));
}

/// What rules and limits are as a whole is checked by the gate, and told in the file.
#[test]
fn mistakes_of_the_whole_are_told_in_the_file_too() {
    let limit = |at| format!("[[limit]]\nname = 'l{at}'\nin_flight = 5\n");
    let nine_in_flight = (0..9).map(limit).collect::<alloc::string::String>();
    let nine_in_flight = nine_in_flight.as_str();
    for (text, line, part) in [
        ("clients = 0\n[[limit]]\nname = 'a'\nquota = '1/s'\n", 1, "0 clients"),
        ("[[limit]]\nname = 'a'\nquota = '4294967295/s'\n", 3, "cannot be kept"),
        ("[[limit]]\nname = 'a'\nquota = '4294967295/s'\nby = [7]\n", 4, "expected a value"),
        ("clients = 4_000_000_000\n", 1, "more than"),
        // One more than are settled together.
        (nine_in_flight, 27, "at most 8"),
        ("[[limit]]\nname = 'deny list'\nquota = '1/s'\n", 2, "gate's own"),
    ] {
        let error = Gate::from_toml(text).unwrap_err();
        let at = |it: &&crate::rule::Diagnostic| it.message().contains(part);
        let found = error.iter().find(at).unwrap_or_else(|| panic!("{part} in {error}"));
        assert_eq!(found.line(), Some(line), "{error}");
    }
}

/// Compares with a file, which is written anew if `PORTCULLIS_BLESS` is set.
#[allow(clippy::disallowed_methods, reason = "a test that keeps a file up to date")]
fn is_in_file(name: &str, is: &str, expected: &str) {
    if is != expected && std::env::var_os("PORTCULLIS_BLESS").is_some() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/gate/config/tests/");
        std::fs::write(format!("{folder}{name}"), is).unwrap();
        return;
    }
    assert!(is == expected, "not as in {name} (PORTCULLIS_BLESS=1 writes it anew):\n{is}");
}

/// What the README shows is what is told.
#[test]
fn the_mistake_in_the_readme_is_shown_like_that() {
    let rule = "[[rule]]\nname = \"block-login-floods\"\nwhen = 'http.request.uri.pth eq \"/login\"'\nthen = \"deny\"\n";
    let text = std::format!("{}{rule}", "\n".repeat(11));
    let error = crate::Gate::from_toml(&text).err().unwrap().with_origin("gate.toml");
    let shown = std::string::ToString::to_string(&error);
    assert!(include_str!("../../../../README.md").contains(shown.trim_end()), "{shown}");
}

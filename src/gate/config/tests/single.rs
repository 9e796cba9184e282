//! One mistake in a text: where it is told, what of it, and what would be right.

use alloc::{
    format,
    string::{String, ToString as _},
};

use super::fleet::told;
use crate::{
    Gate,
    gate::config::{
        BanConfig, BanTable, GateConfig, LimitBan, LimitConfig, LimitThen, ListConfig, ListType,
        ListValue, TypedList, face::plan_of,
    },
    request::Request,
};

const ENDS: &str = "a rule can end in one way only: allow, deny or ban";

#[track_caller]
fn is_told(text: &str, expected: &str) {
    assert_eq!(told(text), [expected], "{text}");
}

#[test]
fn what_a_rule_cannot_do_is_told_with_what_it_can() {
    let ends = format!("1 P0506 [rule \"x\"] {ENDS}");
    let one_of = "expected \"rules\", \"limits\" or a group as in \"group:crawlers\", found";
    let skips = format!("4 P0505 [rule \"x\", skip] {one_of} \"everything\"");
    let skips_number = format!("4 P0504 [rule \"x\", skip] {one_of} a whole number");
    for (then, expected) in [
        ("then = ['deny', 'allow']", ends.as_str()),
        ("then = { allow = true, deny = 404 }", &ends),
        ("deny = true\nban = '1h'", &ends),
        ("then = 'deny'\ndeny = 404", &ends),
        (
            "then = 7",
            "4 P0504 [rule \"x\", then] expected \"deny\", \"allow\", \"count\" or \"log\", found a whole \
             number",
        ),
        (
            "allow = 'yes'",
            "4 P0504 [rule \"x\", allow] expected true, or a table as in { bypass = [\"limits\"] }, found \
             a text",
        ),
        (
            "allow = { bypass = ['limits', 'everything'] }",
            "4 P0505 [rule \"x\", allow, bypass] expected \"limits\" or \"shed\", found \"everything\"",
        ),
        (
            "allow = { bypas = 'limits' }",
            "4 P0502 [rule \"x\", allow] unknown key `bypas` of `allow` (did you mean `bypass`?)",
        ),
        (
            "deny = 'yes'",
            "4 P0504 [rule \"x\", deny] expected true, a status, or a table as in { status = 400 }, found \
             a text",
        ),
        ("deny = 399", "4 P0505 [rule \"x\", deny] expected a whole number from 400 to 599"),
        ("deny = 600", "4 P0505 [rule \"x\", deny] expected a whole number from 400 to 599"),
        (
            "deny = { status = '404' }",
            "4 P0504 [rule \"x\", deny, status] expected a whole number, found a text",
        ),
        ("skip = 'everything'", &skips),
        ("skip = ['rules', 7]", &skips_number),
        (
            "skip = 'group:crawlers'",
            "4 P0507 [rule \"x\", skip] group `crawlers` is not defined (define it: [groups] crawlers = \
             \"enforce\")",
        ),
        ("tag = ['one', '']", "4 P0505 [rule \"x\", tag] the name of a tag is empty"),
        ("tag = 7", "4 P0504 [rule \"x\", tag] expected the name of a tag, found a whole number"),
        ("score = '5'", "4 P0504 [rule \"x\", score] expected a whole number, found a text"),
        (
            "score = 2_147_483_648",
            "4 P0505 [rule \"x\", score] expected a whole number from -2147483648 to 2147483647",
        ),
        (
            "class = 'important'",
            "4 P0505 [rule \"x\", class] expected \"critical_plus\", \"critical\", \"default\" or \
             \"sheddable\", found \"important\"",
        ),
        ("count = 'yes'", "4 P0504 [rule \"x\", count] expected true or false, found a text"),
        ("log = 1", "4 P0504 [rule \"x\", log] expected true or false, found a whole number"),
        (
            "log = true\nenforce_share = 'half'",
            "5 P0504 [rule \"x\", enforce_share] expected a fraction from 0.0 to 1.0, found a text",
        ),
        (
            "log = true\nenforce_share = 25",
            "5 P0505 [rule \"x\", enforce_share] expected a fraction from 0.0 to 1.0 (25 percent are 0.25)",
        ),
        (
            "log = true\nenforce_share = nan",
            "5 P0505 [rule \"x\", enforce_share] expected a fraction from 0.0 to 1.0",
        ),
        (
            "log = true\ngroup = 7",
            "5 P0504 [rule \"x\", group] expected the name of a group, found a whole number",
        ),
    ] {
        is_told(&format!("[[rule]]\nname = 'x'\nwhen = 'true'\n{then}\n"), expected);
    }
    // What is the same twice, and what does not end, is no mistake.
    for then in ["then = 'deny'\nlog = true", "allow = {}\ndeny = false", "then = ['allow', 'log']"]
    {
        let text = format!("[[rule]]\nname = 'x'\nwhen = 'true'\n{then}\n");
        assert!(plan_of(&text).is_ok(), "{then}");
    }
}

/// In a rule and in a limit, as a table and beside `escalate` and `max`.
#[test]
fn a_ban_of_no_length_or_that_gets_shorter_is_refused() {
    let shorter = "the longest ban is shorter than the first one";
    let factor = "expected a whole number from 1 to 4294967295";
    let help = "as in { for = \"15m\", escalate = 4, max = \"1d\" }";
    for (ban, place, expected) in [
        ("'0s'", "", "P0505 the time is zero"),
        ("{ for = '0m' }", ", for", "P0505 the time is zero"),
        ("{ for = '1h', max = '0s' }", ", max", "P0505 the time is zero"),
        ("{ for = '1h', max = '59m59s' }", ", max", &format!("P0505 {shorter}")),
        ("{ for = '1h', escalate = 0 }", ", escalate", &format!("P0505 {factor}")),
        ("{ escalate = 4 }", "", &format!("P0503 a ban needs a `for` ({help})")),
        (
            "{ for = 15 }",
            ", for",
            "P0504 expected a length of time, as in \"15m\", found a number without a unit (write \
             \"15s\" if these are seconds)",
        ),
    ] {
        let (code, message) = expected.split_once(' ').unwrap();
        let text = format!("[[rule]]\nname = 'x'\nwhen = 'true'\nban = {ban}\n");
        is_told(&text, &format!("4 {code} [rule \"x\", ban{place}] {message}"));
        let text = format!("[[limit]]\nname = 'x'\nquota = '1/s'\nthen = {{ ban = {ban} }}\n");
        is_told(&text, &format!("4 {code} [limit \"x\", then, ban{place}] {message}"));
    }
    for (more, place, expected) in [
        ("escalate = 2, max = '59m'", ", max", format!("P0505 {shorter}")),
        ("max = '0s'", ", max", "P0505 the time is zero".to_string()),
        ("escalate = 0", ", escalate", format!("P0505 {factor}")),
    ] {
        let (code, message) = expected.split_once(' ').unwrap();
        let then = format!("then = {{ ban = '1h', {more} }}\n");
        let text = format!("[[rule]]\nname = 'x'\nwhen = 'true'\n{then}");
        is_told(&text, &format!("4 {code} [rule \"x\", then{place}] {message}"));
        let text = format!("[[limit]]\nname = 'x'\nquota = '1/s'\n{then}");
        is_told(&text, &format!("4 {code} [limit \"x\", then{place}] {message}"));
    }
    // One that is always as long is none that gets shorter.
    assert!(
        plan_of("[[rule]]\nname = 'x'\nwhen = 'true'\nban = { for = '1h', max = '1h' }").is_ok()
    );
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

#[test]
fn what_a_limit_cannot_be_is_told_with_what_it_can() {
    let units = "[limit \"x\", cost] expected a whole number from 0 to 4294967295";
    for (more, expected) in [
        (
            "by = ['client', 7]",
            "P0504 [limit \"x\", by] expected a value, as in \"client\", found a whole number",
        ),
        (
            "distinct = 7",
            "P0504 [limit \"x\", distinct] expected a value, as in \"client\", found a whole number",
        ),
        ("cost = -1", &format!("P0505 {units}")),
        ("cost = 4_294_967_296", &format!("P0505 {units}")),
        (
            "cost = true",
            "P0504 [limit \"x\", cost] expected a whole number, or a value as in \
             \"http.request.body.size\", found true or false",
        ),
        (
            "count_if = 7",
            "P0504 [limit \"x\", count_if] expected a condition, as in 'status in {401 403}', found a \
             whole number",
        ),
        (
            "when = 7",
            "P0504 [limit \"x\", when] expected a condition, as in 'path eq \"/login\"', found a whole \
             number",
        ),
        ("then = 'ban'", "P0505 [limit \"x\", then] expected \"throttle\", found \"ban\""),
        (
            "then = { escalate = 4 }",
            "P0503 [limit \"x\", then] `then` needs a `ban` (as in { ban = \"15m\", escalate = 4, max = \
             \"1d\" })",
        ),
        (
            "in_flight = 5",
            "P0505 [limit \"x\", in_flight] a limit has a `quota` or `in_flight`, and not both (make two \
             limits of it: each has a name of its own)",
        ),
    ] {
        let text = format!("[[limit]]\nname = 'x'\nquota = '100/min'\n{more}\n");
        is_told(&text, &format!("4 {expected}"));
    }
    is_told(
        "[[limit]]\nname = 'x'\nin_flight = -1\n",
        "3 P0505 [limit \"x\", in_flight] expected a whole number from 0 to 4294967295",
    );
    is_told(
        "[[limit]]\nname = 'x'\nquota = 100\n",
        "3 P0504 [limit \"x\", quota] expected a quota, as in \"100/min burst 20\", found a whole number",
    );
}

#[test]
fn odd_settings_are_told_at_their_key() {
    let keys = "`v4`, `v6`";
    for (text, expected) in [
        (
            "[client]\ntrust = 1\nheader = 'cf-connecting-ip'\n",
            "3 P0508 [client, header] this header has a single address, on which no proxies can be \
             counted (trust the addresses of the proxies, as in trust = [\"10.0.0.0/8\"])",
        ),
        (
            "[client]\ntrust = 256\n",
            "2 P0505 [client, trust] expected a whole number from 0 to 255",
        ),
        (
            "[client]\ntrust = true\n",
            "2 P0504 [client, trust] expected the addresses of proxies, as in [\"10.0.0.0/8\"], or their \
             number, found true or false",
        ),
        (
            "[client]\ntrust = ['loopback', '10.0.0.1/8']\n",
            "2 P0505 [client, trust] host bits are set; write 10.0.0.0/8 for the network or 10.0.0.1/32 \
             for the host",
        ),
        (
            "[client]\ntrust = 1\nheader = 'x forwarded'\n",
            "3 P0505 [client, header] this is not the name of a header",
        ),
        (
            "[client]\ntrust = 1\nheader = 7\n",
            "3 P0504 [client, header] expected the name of a header, found a whole number",
        ),
        (
            "[client]\ngroup = 64\n",
            &format!("2 P0504 [client, group] expected a table with {keys}, found a whole number"),
        ),
        (
            "client = 'peer'\n",
            "1 P0504 [client] expected a table with `trust`, `header`, `group`, found a text",
        ),
        (
            "[fields]\nua = 'bytes'\n",
            "2 P0506 [fields, ua] every request has a field `ua`; use another name",
        ),
        (
            "fields = 7\n",
            "1 P0504 [fields] expected a table of fields and their types, found a whole number",
        ),
        (
            "[groups]\n\"a b\" = 'off'\n",
            "2 P0505 [groups, a b] a name has ASCII letters, digits, `_`, `-` and `.` only",
        ),
        ("bans = 0\n", "1 P0505 [bans] expected a whole number from 1 to 16777216"),
        (
            "\nnewcomers = 50\n",
            "2 P0504 [newcomers] expected a quota, as in \"100/min burst 20\", found a whole number",
        ),
        (
            "exempt = ['192.0.2.1', 7]\n",
            "1 P0504 [exempt] expected an address or a prefix, as in \"192.0.2.0/24\", found a whole number",
        ),
        (
            "defence = 'auto'\n",
            "1 P0504 [defence] expected a table with `auto`, `dimensions`, `parameters`, found a text",
        ),
        (
            "[defence]\nauto = 'off'\n[defense]\nauto = 'off'\n",
            "3 P0506 [] `defence` is given twice (`defense` and `defence` are the same)",
        ),
        (
            "[[rule]]\nname = 7\nwhen = 'true'\nthen = 'deny'\n",
            "2 P0504 [rule 1, name] expected a name, as a text, found a whole number",
        ),
        (
            "[[rule]]\nname = 'deny list'\nwhen = 'true'\nthen = 'deny'\n",
            "2 P0506 [rule \"deny list\", name] the name `deny list` is one of the gate's own",
        ),
        (
            "rule = 7\n",
            "1 P0504 [rule] expected an array of tables, each after [[rule]], found a whole number",
        ),
    ] {
        is_told(text, expected);
    }
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

/// No proxies are none that are believed.
#[test]
fn whom_odd_settings_of_trust_believe() {
    const PROXY: &str = "10.0.0.1";
    const CLIENT: &str = "203.0.113.7";
    for (setting, expected) in [
        ("", PROXY),
        ("trust = 0", PROXY),
        ("trust = []", PROXY),
        ("trust = 'loopback'", PROXY),
        ("trust = 1", CLIENT),
        ("trust = '10.0.0.1'", CLIENT),
        ("trust = ['loopback', '10.0.0.0/8']", CLIENT),
        ("trust = 1\nheader = 'X-Forwarded-For'", CLIENT),
        ("trust = 1\nheader = 'forwarded'", PROXY),
    ] {
        let plan = plan_of(&format!("[client]\n{setting}\n")).unwrap();
        let peer: core::net::IpAddr = PROXY.parse().unwrap();
        let request = Request::new(peer).header("x-forwarded-for", CLIENT);
        let found = plan.client.resolve(&request).unwrap().ip;
        assert_eq!(found.to_string(), expected, "{setting}");
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

/// A configuration that a program makes is the one that a file says.
#[test]
fn what_a_program_writes_is_what_a_file_says() {
    let mut limit = LimitConfig::default();
    (limit.name, limit.quota) = ("x".into(), Some("5/min".into()));
    let first = String::from("15m");
    let ban = BanTable { first, escalate: Some(4), max: None };
    limit.then = Some(LimitThen::Table(LimitBan::new(BanConfig::Table(ban))));
    let mut config = GateConfig { limit: [limit].into(), ..GateConfig::default() };
    let values = [ListValue::Text("10.0.0.1".into())];
    let list = TypedList::new(ListType::Text, values.into());
    config.lists.insert("words".into(), ListConfig::Typed(list));
    let text = "[lists]\nwords = { type = 'text', values = ['10.0.0.1'] }\n[[limit]]\nname = 'x'\n\
                quota = '5/min'\nthen = { ban = { for = '15m', escalate = 4 } }\n";
    assert_eq!(GateConfig::from_toml(text).unwrap(), config);
    let plans = [text, &config.to_toml()].map(|text| format!("{:?}", plan_of(text).unwrap()));
    assert_eq!(plans[0], plans[1]);
    assert!(Gate::builder().build_config(&config).is_ok());
}

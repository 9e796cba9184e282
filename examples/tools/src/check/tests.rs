//! The whole program, from arguments to output.

use serde_json::Value;

use super::{FINE, MISTAKES, OUTPUT, USAGE, WARNINGS, run};

/// Runs it with this text as standard input: the code and both outputs.
fn check(args: &[&str], text: &str) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(args, &mut text.as_bytes(), &mut out, &mut err);
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

/// What it prints, where nothing is wrong.
fn told(args: &[&str], text: &str) -> String {
    let (code, out, err) = check(args, text);
    assert_eq!((code, &*err), (FINE, ""), "{out}");
    out
}

fn json(args: &[&str], text: &str) -> Value {
    serde_json::from_str(&check(args, text).1).unwrap()
}

const CLEAN: &str = r#"
exempt = "192.0.2.10/32"

[client]
trust = ["10.0.0.0/8"]

[lists]
office = ["192.0.2.0/24", "198.51.100.0/24"]

[[rule]]
name = "scanners"
when = 'path in {"/.env" "/.git/config"}'
then = "deny"

[[rule]]
name = "odd agents"
when = 'not ip.src in $office and path starts_with "/odd" and ua contains "curl"'
then = { deny = 451 }
mode = "shadow"

[[limit]]
name = "per client"
quota = "100/min burst 20"

[[limit]]
name = "login failures"
when = 'method eq "POST" and path eq "/login"'
quota = "5/min"
count_if = 'status in {401 403}'
then = { ban = "15m" }
"#;

const MISTAKEN: &str = "[[rule]]\nname = \"x\"\nwhen = 'pth eq \"/\"'\nthen = \"deny\"\n\n\
                        [[limit]]\nname = \"y\"\nquota = \"100/mni\"\n";

const DOUBTFUL: &str = "[[rule]]\nname = \"x\"\nwhen = 'path matches \"admin\"'\nthen = \"deny\"\n";

#[test]
fn a_clean_file_is_summed_up() {
    let (code, out, err) = check(&["-", "--deny-warnings"], CLEAN);
    assert_eq!((code, &*err), (FINE, ""));
    let (summary, memory) = out.split_once("  memory    ").unwrap();
    assert_eq!(
        summary,
        "<stdin>: fine\n  \
           mode      enforce\n  \
           clients   behind proxies that are trusted, by x-forwarded-for\n  \
           rules     2 (1 in shadow)\n  \
           limits    \"per client\": 100/min burst 20, by client\n  \
                     \u{20}         \"login failures\": 5/min, by client\n  \
           lists     office: addresses, 2 entries\n  \
           defence   off: it does nothing by itself\n"
    );
    assert!(memory.ends_with(" kB\n"), "{memory}");
}

#[test]
fn mistakes_are_shown_all_at_once() {
    let (code, out, err) = check(&["-"], MISTAKEN);
    assert_eq!((code, &*err), (MISTAKES, ""));
    assert_eq!(
        out,
        "error[P0102]: unknown field `pth`\n \
          --> <stdin>:3:9  (rule \"x\", when)\n  \
           |\n\
         3 | when = 'pth eq \"/\"'\n  \
           |         ^^^\n  \
           = help: did you mean `path`, short for `http.request.uri.path`?\n\n\
         error[P0505]: unknown unit of time; use ns, us, ms, s, min, hour or day\n \
          --> <stdin>:8:14  (limit \"y\", quota)\n  \
           |\n\
         8 | quota = \"100/mni\"\n  \
           |              ^\n  \
           = help: as in \"100/min burst 20\"\n\n\
         <stdin>: 2 mistakes\n"
    );
}

#[test]
fn warnings_count_only_where_they_are_denied() {
    let (code, out, _) = check(&["-"], DOUBTFUL);
    assert_eq!(code, FINE);
    assert!(out.starts_with("warning[P0603]: "), "{out}");
    assert!(out.contains("\n<stdin>: 1 warning\n  mode      enforce\n"), "{out}");
    assert_eq!(check(&["-", "--deny-warnings"], DOUBTFUL).0, WARNINGS);
    assert_eq!(check(&["--deny-warnings", "-"], MISTAKEN).0, MISTAKES);
}

#[test]
fn what_is_no_text_is_told_with_its_place() {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(["-"], &mut &b"# fine\n# \xff\n"[..], &mut out, &mut err);
    assert_eq!((code, &*err), (MISTAKES, &b""[..]));
    let out = String::from_utf8(out).unwrap();
    assert_eq!(out, "error: <stdin>:2:3: not a text in UTF-8\n\n<stdin>: 1 mistake\n");

    let (code, out, _) = check(&["no/such/gate.toml", "-"], CLEAN);
    assert_eq!(code, MISTAKES);
    assert!(out.starts_with("error: no/such/gate.toml: cannot be read: "), "{out}");
    assert!(out.contains("<stdin>: fine\n"), "the others are looked at all the same: {out}");
}

#[test]
fn programs_read_json() {
    let found = json(&["--json", "-"], MISTAKEN);
    let first = &found["diagnostics"][0];
    assert_eq!(first["file"], "<stdin>");
    assert_eq!((first["line"].as_u64(), first["column"].as_u64()), (Some(3), Some(9)));
    assert_eq!(first["code"], "P0102");
    assert_eq!(first["severity"], "error");
    assert_eq!(first["message"], "unknown field `pth`");
    assert_eq!(first["place"], "rule \"x\", when");
    assert_eq!(first["help"], "did you mean `path`, short for `http.request.uri.path`?");
    assert_eq!(found["diagnostics"].as_array().unwrap().len(), 2);
    assert_eq!(found["files"][0]["mistakes"], 2);
    assert!(found["files"][0]["gate"].is_null());

    let clean = json(&["--json", "-"], CLEAN);
    assert_eq!(clean["diagnostics"], Value::Array(Vec::new()));
    assert_eq!(clean["files"][0]["gate"]["limits"][1]["bound"], "5/min");
    assert_eq!(clean["files"][0]["gate"]["rules_in_shadow"], 1);

    let doubtful = json(&["--json", "-"], DOUBTFUL);
    assert_eq!(doubtful["diagnostics"][0]["severity"], "warning");
}

#[test]
fn names_of_the_program_can_be_said() {
    let text = "[[rule]]\nname = \"x\"\nwhen = 'tenant eq \"acme\" and not ip.src in $partners'\n\
                then = \"deny\"\n";
    assert_eq!(check(&["-"], text).0, MISTAKES);
    let names = ["--field", "tenant=bytes", "--list", "partners=addresses"];
    let with = |more: &[&'static str]| [&names[..], more].concat();
    let (code, out, err) = check(&with(&["-"]), text);
    assert_eq!((code, &*err), (FINE, ""), "{out}");

    let refused = json(&with(&["--json", "-", "--explain", "--value", "tenant=acme", "h"]), text);
    assert_eq!(refused["explanation"]["denial"]["name"], "x");
    let filled = "[[rule]]\nname = \"x\"\nwhen = 'ip.src in $blocked'\nthen = \"deny\"\n\
                  [lists]\nblocked = []\n";
    assert_eq!(check(&["-", "--deny-warnings"], filled).0, WARNINGS);
    let list = ["-", "--deny-warnings", "--list", "blocked=addresses"];
    assert_eq!(check(&list, filled).0, FINE);
    let passes = json(&with(&["--json", "-", "--explain", "--value", "tenant=free", "h"]), text);
    assert_eq!(passes["explanation"]["admitted"], true);

    for (args, told) in [
        (&["--field", "tenant", "-"][..], "--field is NAME=TYPE"),
        (&["--field", "tenant=words", "-"], "\"words\" is none of bytes"),
        (&["--field", "a b=bytes", "-"], "a name is letters"),
        (&["--list", "x=", "-"], "\"\" is none of addresses"),
        (
            &["-", "--explain", "--value", "asn=many", "h"],
            "the field ip.src.asnum holds a whole number",
        ),
    ] {
        let (code, _, err) = check(args, text);
        assert_eq!(code, USAGE);
        assert!(err.contains(told), "{args:?}: {err}");
    }
    // The name of a field of requests is taken.
    assert_eq!(check(&["--field", "path=bytes", "-"], "").0, MISTAKES);
}

#[test]
fn codes_are_explained() {
    assert_eq!(
        told(&["--explain-code", "p0607"], ""),
        "warning[P0607]: Two rules have the same condition and do the same.\n\n\
         The second adds nothing but time, and counts what the first one counted. Remove one of\n\
         them.\n"
    );
    for code in portcullis::rule::Code::ALL {
        let out = told(&["--explain-code", code.as_str()], "");
        assert!(out.lines().all(|line| line.chars().count() <= 90), "{out}");
    }
    let (code, _, err) = check(&["--explain-code", "P9999"], "");
    assert_eq!(code, USAGE);
    assert!(
        err.starts_with("check: there is no code \"P9999\"; they go from P0001 to P06"),
        "{err}"
    );
}

#[test]
fn wrong_arguments_are_told() {
    for (args, told) in [
        (&[][..], "no file is named"),
        (&["--deny-warning", "-"], "unknown option --deny-warning; did you mean --deny-warnings?"),
        (&["-q", "-"], "unknown option -q"),
        (&["--from", "192.0.2.1", "-"], "--from goes with --explain"),
        (&["--explain", "h"], "one file, which is named before it, not 0"),
        (&["-", "-", "--explain", "h"], "not 2"),
        (&["-", "--explain"], "no URL"),
        (&["-", "--explain", "h", "--from", "nobody"], "--from \"nobody\": an address"),
        (&["-", "--explain", "h", "--times", "0"], "a number from 1 to 1000000"),
        (&["-", "--explain", "h", "--every", "1"], "--every \"1\": a time"),
        (&["-", "--explain", "h", "--status", "999"], "a status from 100 to 599"),
        (&["-", "--explain", "h", "-H", "a: b\rc"], "the header \"a\": it has a line break"),
    ] {
        let (code, out, err) = check(args, CLEAN);
        assert_eq!((code, &*out), (USAGE, ""), "{args:?}");
        assert!(err.starts_with("check: ") && err.contains(told), "{args:?}: {err}");
    }
    assert!(told(&["--help"], "").contains("--explain-code P0601"));
}

#[test]
fn an_admitted_request_is_explained() {
    assert_eq!(
        told(&["-", "--explain", "-s", "shop.example/odd?x=1", "-A", "curl/8.5"], CLEAN),
        "request     GET shop.example/odd?x=1, HTTP/1.1, from 203.0.113.9 (assumed; --from says another)\n\
         passed over --silent\n\
         client      passed: 203.0.113.9, the peer, which is no trusted proxy\n\
         exempt      passed\n\
         bans        passed\n\
         lists       passed\n\
         rules       passed\n  \
           \"scanners\" does not hold: not path in {\"/.env\" \"/.git/config\"}\n  \
           \"odd agents\" holds, in shadow\n\
         mitigations passed\n\
         shedding    passed\n\
         limits      passed\n  \
           \"per client\" admits, 20 of 20 left\n  \
           \"login failures\" does not apply\n\
         verdict     admitted\n\
         client sees what the service answers\n\
         conclusion  It passes: no rule and no limit refuses it; but in shadow the rule \
         \"odd agents\" holds.\n"
    );
    let exempt = told(&["-", "--from", "192.0.2.10", "--explain", "h/.env"], CLEAN);
    assert!(exempt.ends_with(
        "conclusion  It passes, whatever rules and limits say: its address is exempt.\n"
    ));
}

#[test]
fn a_rule_that_refuses_is_named_with_its_condition() {
    let out = told(&["-", "--explain", "curl 'https://shop.example/.env'"], CLEAN);
    assert!(
        out.ends_with(
            "client sees status 403\n\
             conclusion  It is refused: the rule \"scanners\" holds, \
             `path in {\"/.env\" \"/.git/config\"}`; waiting does not help.\n"
        ),
        "{out}"
    );
    let out = told(&["-", "--explain", "h/.env"], &format!("mode = \"observe\"\n{CLEAN}"));
    assert!(
        out.contains(
            "client sees what the service answers\nconclusion  It passes, as the gate \
                          only observes; enforcing, it would refuse it: the rule \"scanners\""
        ),
        "{out}"
    );
}

#[test]
fn a_limit_refuses_after_as_many_as_it_says() {
    let out = told(&["-", "--explain", "h/", "--times", "25", "--every", "0"], CLEAN);
    assert!(
        out.contains(
            "\nplayed      25 times, every 0ns, answered with 200\n  \
               1-20      admitted\n  \
               21-25     refused by \"per client\" (limit), status 429\n\
             the last one:\nclient      passed"
        ),
        "{out}"
    );
    assert!(
        out.ends_with(
            ", status 429\n\
             client sees status 429, retry-after: 1\n\
             conclusion  20 of 25 pass; the first that is refused is number 21. Of the last one: It is \
             refused: the limit \"per client\" of 100/min burst 20 is used up; it may come again in \
             600ms.\n"
        ),
        "{out}"
    );
    // One unit is back each 600 ms.
    let runs = json(
        &["--json", "-", "--explain", "h/", "--times", "23", "--every", "300ms"],
        &CLEAN.replace("burst 20", "burst 2"),
    );
    let first: Vec<_> = runs["played"].as_array().unwrap().iter().take(3).collect();
    assert_eq!(first[0]["last"], 3, "two at once, and one that is back after 600 ms: {first:?}");
    assert_eq!((&first[1]["first"], &first[1]["last"]), (&4.into(), &4.into()));
    assert_eq!((&first[2]["admitted"], &first[2]["first"]), (&true.into(), &5.into()));
}

#[test]
fn what_the_service_answers_counts() {
    let ask = |status| {
        let args = [
            "--json",
            "-",
            "--explain",
            "-X",
            "POST",
            "h/login",
            "--times",
            "8",
            "--status",
            status,
        ];
        json(&args, CLEAN)
    };
    let fine = ask("200");
    assert_eq!(
        fine["played"].as_array().unwrap().len(),
        1,
        "successful logins give their unit back"
    );
    assert_eq!(fine["client_sees"]["status"], 200);
    assert_eq!(
        fine["conclusion"],
        "All 8 pass. Of the last one: It passes: no rule and no limit refuses it."
    );

    let failed = ask("401");
    let runs = failed["played"].as_array().unwrap();
    let told: Vec<_> = runs
        .iter()
        .map(|run| (run["first"].as_u64(), run["last"].as_u64(), run["by"].as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (Some(1), Some(5), None),
            (Some(6), Some(6), Some("login failures")),
            (Some(7), Some(8), Some("bans"))
        ]
    );
    assert_eq!(failed["client_sees"]["status"], 429);
    assert_eq!(failed["client_sees"]["retry_after"], 900);
    assert_eq!(
        failed["conclusion"],
        "5 of 8 pass; the first that is refused is number 6. Of the last one: It is refused: \"login \
         failures\" has banned its client; it may come again in 899.8s."
    );
}

#[test]
fn a_trusted_proxy_is_believed_and_nobody_else() {
    let of = |from: &str| {
        json(
            &[
                "--json",
                "-",
                "--from",
                from,
                "--explain",
                "h",
                "-H",
                "X-Forwarded-For: 198.51.100.7",
            ],
            CLEAN,
        )
    };
    let behind = of("10.0.0.1");
    assert_eq!(behind["explanation"]["client"]["ip"], "198.51.100.7");
    assert_eq!(behind["explanation"]["client"]["reason"], "header");
    assert_eq!(behind["request"]["from"], "10.0.0.1");
    let direct = of("203.0.113.5");
    assert_eq!(direct["explanation"]["client"]["ip"], "203.0.113.5");
    assert_eq!(direct["explanation"]["client"]["reason"], "the peer is not trusted");
}

/// I2: who pastes a report does not publish passwords.
#[test]
fn credentials_are_never_printed() {
    let args = [
        "-u",
        "me:pass-word",
        "-b",
        "id=cook-ie",
        "-H",
        "x-key: head-er",
        "http://who:ever-y@h/x",
        "-d",
        "bo-dy",
        "--json",
        "js-on",
    ];
    for before in [&["-", "--explain"][..], &["--json", "-", "--explain"]] {
        let out = told(&[before, &args[..]].concat(), CLEAN);
        for secret in ["pass-word", "cook-ie", "head-er", "ever-y", "bo-dy", "js-on", "bWU6"] {
            assert!(!out.contains(secret), "{secret}: {out}");
        }
    }
}

#[test]
fn what_cannot_be_built_cannot_be_explained() {
    let (code, out, _) = check(&["-", "--explain", "h"], MISTAKEN);
    assert_eq!(code, MISTAKES);
    assert!(out.ends_with("<stdin>: 2 mistakes\n"), "{out}");
    let (code, out, _) = check(&["--json", "-", "--explain", "h"], MISTAKEN);
    assert_eq!(code, MISTAKES);
    assert!(out.contains("\"P0102\""), "{out}");
}

#[test]
fn nothing_that_is_shown_redraws_a_terminal() {
    let (_, out, err) = check(&["-", "--explain", "h/\u{202e}x", "-X", "GET"], CLEAN);
    assert!(err.is_empty() && out.starts_with("request     GET h/\u{fffd}x,"), "{out}");
}

/// A report that nobody has got is no good news.
#[test]
fn what_cannot_be_written_is_not_fine() {
    let mut full = [0; 10];
    let mut out = &mut full[..];
    assert_eq!(run(["-"], &mut CLEAN.as_bytes(), &mut out, &mut Vec::new()), OUTPUT);
}

#[test]
fn what_is_for_the_store_of_a_fleet_to_say_is_said_as_such() {
    let limit = "[[limit]]\nname = \"a\"\nquota = \"2/hour\"\nscope = \"fleet\"\n";
    let closed = format!("{limit}fail = \"closed\"\n");
    let ends = "client sees status 503, while the store does not answer\nconclusion  ";
    let store = "That is for the store of \"a\" to say, which is not asked here; while it does not answer, status ";
    let once = told(&["-", "--explain", "h/"], &closed);
    assert!(once.ends_with(&format!("\n{ends}{store}503.\n")), "{once}");
    let often = told(&["-", "--explain", "h/", "--times", "5"], &closed);
    let none = "0 of 5 pass; the first that is refused is number 1. Of the last one: ";
    assert!(often.ends_with(&format!("\n{ends}{none}{store}503.\n")), "{often}");

    let found = json(&["--json", "-", "--explain", "h/", "--times", "5"], limit);
    let two = "2 of 5 pass; the first that is refused is number 3. Of the last one: ";
    assert_eq!(found["conclusion"], format!("{two}{store}429."));
    assert_eq!(found["client_sees"]["status"], 429);
    let open =
        told(&["-", "--explain", "h/", "--times", "5"], &format!("{limit}fail = \"open\"\n"));
    assert!(open.contains("All 5 pass. Of the last one: It passes: "), "{open}");
    let watched = told(&["-", "--explain", "h/"], &format!("mode = \"observe\"\n{closed}"));
    assert!(watched.contains("conclusion  It passes: "), "{watched}");
}

#[test]
fn a_condition_of_several_lines_is_shown_as_one() {
    let text = "[[rule]]\nname = \"x\"\nthen = \"deny\"\nwhen = \"\"\"\npath eq \"/a\"\n\n  or\tpath eq \"/b\"\r\n\"\"\"\n";
    let out = told(&["-", "--explain", "h/b"], text);
    assert!(out.contains("holds, `path eq \"/a\" or path eq \"/b\"`;"), "{out}");
    assert!(!out.contains('\u{fffd}'), "{out}");
}

/// What is odd in the samples is odd on purpose, and they say so.
#[test]
fn samples_have_only_those_warnings_that_they_tell_of() {
    for (text, warnings) in [
        (include_str!("../../samples/website.toml"), 2),
        (include_str!("../../samples/strict.toml"), 2),
        (include_str!("../../samples/scanners.toml"), 0),
        (include_str!("../../samples/flood.toml"), 0),
    ] {
        let found = json(&["--json", "-"], text);
        let found = found["diagnostics"].as_array().unwrap();
        assert_eq!(found.len(), warnings, "{text}");
        assert!(found.iter().all(|it| it["code"] == "P0606"), "{found:?}");
        assert_eq!(text.contains("P0606"), warnings > 0, "{text}");
    }
}

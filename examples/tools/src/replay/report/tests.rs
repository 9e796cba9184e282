//! The same report each time, with nothing in it that a log could do harm with; and what real logs come to.

use std::{
    collections::HashMap,
    fs::File,
    io::{Cursor, Write as _},
    path::PathBuf,
};

use portcullis::Timestamp;

use super::{About, Replay, Side, length, report, says};
use crate::replay::{
    common,
    lines::Lines,
    picture,
    record::{Batch, Record},
    source::unpacked,
    spread::{Span, Spread},
    synthetic::Synthetic,
};

const WEBSITE: &str = include_str!("../../../samples/website.toml");
const STRICT: &str = include_str!("../../../samples/strict.toml");
const SCANNERS: &str = include_str!("../../../samples/scanners.toml");
const FLOOD: &str = include_str!("../../../samples/flood.toml");
const GATE: &str = include_str!("../../../../gate.toml");
const SAMPLE: &[u8] = include_bytes!("../../../samples/access.log");

fn side(toml: &str) -> Side {
    Side::from_toml(toml, 1).unwrap_or_else(|error| panic!("{error}"))
}

fn played(toml: &str, against: Option<&str>, span: Span, name: &str, log: Vec<u8>) -> Replay {
    let mut replay = Replay::new(side(toml), against.map(side), span);
    replay.read(name, None, unpacked(Cursor::new(log)).unwrap(), &mut || {});
    replay.end();
    replay
}

fn about(text: &str, against: Option<&str>) -> About {
    About {
        config: "one.toml".into(),
        text: text.into(),
        against: against.map(|_| "other.toml".into()),
        other_text: against.unwrap_or_default().into(),
        seed: 1,
        picture: None,
    }
}

/// A real log; `None`, said loudly, where there is none.
fn real(name: &str) -> Option<Vec<u8>> {
    let Some(folder) = std::env::var_os("PORTCULLIS_DATA") else {
        // Past the harness, which keeps to itself what a test that passes prints.
        let _ = writeln!(
            std::io::stderr(),
            "\n!! PORTCULLIS_DATA is not set: {name} is NOT played, only a small sample is"
        );
        return None;
    };
    let path = PathBuf::from(folder).join(name);
    let mut bytes = Vec::new();
    let read =
        File::open(&path).and_then(|mut file| std::io::Read::read_to_end(&mut file, &mut bytes));
    read.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(bytes)
}

#[test]
fn the_same_log_makes_the_same_report_each_time() {
    let mut log = SAMPLE.to_vec();
    std::io::copy(&mut Synthetic::new(5, 3_000), &mut log).unwrap();
    let once = || {
        let replay = played(WEBSITE, Some(STRICT), Span::AsWritten, "access.log", log.clone());
        let about = about(WEBSITE, Some(STRICT));
        let page = report(&replay, &about);
        (page.to_markdown(), page.to_terminal(), picture::draw(&replay, &about).unwrap())
    };
    let (markdown, terminal, svg) = once();
    assert_eq!(once(), (markdown.clone(), terminal.clone(), svg));
    for heading in
        ["What changes from one.toml to other.toml", "Newly refused, and by what", "Over time"]
    {
        assert!(terminal.contains(heading), "{terminal}");
        assert!(markdown.contains(heading), "{markdown}");
    }
}

#[test]
fn what_clients_write_does_no_harm_in_a_report() {
    let target = "/wp-\\x1b[31m|`<img src=x onerror=alert(1)>](http://e/)\\xe2\\x80\\xae";
    let line = format!(
        "192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"GET {target} HTTP/1.1\" 200 5 \"-\" \"-\"\n\
         \x1b]0;title\x07<script>|`\u{202e}\n"
    );
    let replay = played(WEBSITE, Some(""), Span::AsWritten, "a`|<b>\x1b.log", line.into());
    assert_eq!((replay.sides.0.tally.all_refused(), replay.malformed), (1, 1));
    let page = report(&replay, &about(WEBSITE, Some("")));
    for text in [page.to_markdown(), page.to_terminal()] {
        assert!(
            text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')),
            "{}",
            text.escape_debug()
        );
    }
    let markdown = page.to_markdown();
    assert!(
        !markdown.contains("<img") && !markdown.contains("<script") && !markdown.contains("<b")
    );
    for line in markdown.lines().filter(|line| line.starts_with('|')) {
        let columns = markdown
            .lines()
            .collect::<Vec<_>>()
            .split(|line| !line.starts_with('|'))
            .find(|table| table.contains(&line))
            .map(|table| table[0].matches('|').count());
        assert_eq!(Some(line.matches('|').count()), columns, "{line}");
    }
}

#[test]
fn a_log_without_requests_has_a_report() {
    let replay = played(WEBSITE, None, Span::AsWritten, "empty.log", Vec::new());
    let text = report(&replay, &about(WEBSITE, None)).to_terminal();
    assert!(text.contains("There is no request in it."), "{text}");
}

#[test]
fn all_sample_configurations_play_the_sample_log() {
    let expected = [
        ("website", WEBSITE, 3, 1),
        ("strict", STRICT, 4, 0),
        ("scanners", SCANNERS, 0, 0),
        ("flood", FLOOD, 0, 0),
        ("gate", GATE, 0, 2),
    ];
    for (name, toml, refused, in_shadow) in expected {
        let replay = played(toml, None, Span::AsWritten, "access.log", SAMPLE.to_vec());
        let tally = &replay.sides.0.tally;
        assert_eq!((replay.requests(), replay.malformed, replay.no_request), (12, 1, 1), "{name}");
        assert_eq!((tally.all_refused(), tally.in_shadow), (refused, in_shadow), "{name}");
    }
}

#[test]
fn lengths_and_keys() {
    let table = [
        (1, "1 second"),
        (90, "90 seconds"),
        (60, "1 minute"),
        (7_200, "2 hours"),
        (86_400, "1 day"),
    ];
    for (seconds, text) in table {
        assert_eq!(length(std::time::Duration::from_secs(seconds)), text);
    }
    assert!(says("[client]\ntrust = 1", "trust") && says("client = { trust = 1 }", "trust"));
    assert!(!says("# trust\n[defence] # trust", "trust") && says("[defence]", "defence"));
}

/// Ten thousand requests of four days, whose minutes were lost: spread over their hours.
#[test]
fn a_real_website_is_served_and_its_scanners_are_not() {
    let Some(log) = real("access-semicomplete-2015.log.gz") else { return };
    let replay = played(WEBSITE, Some(STRICT), Span::Hour, "access.log", log);
    assert_eq!((replay.lines(), replay.requests(), replay.malformed), (10_000, 9_999, 1));
    let shown = &replay.shown[0];
    assert_eq!((shown.line, shown.reason), (8_899, "a quoted field has no end"));
    let tally = &replay.sides.0.tally;
    assert_eq!(tally.clients.len(), 1_753);
    assert_eq!(replay.spread().late, 0);
    let told: Vec<_> = tally
        .by
        .by_count()
        .iter()
        .map(|rule| (rule.name.as_str(), rule.count, rule.clients))
        .collect();
    assert_eq!(told, [("scanner paths", 18, 18)]);
    let shadow: Vec<_> =
        tally.shadow.all().iter().map(|rule| (rule.name.as_str(), rule.count)).collect();
    assert_eq!(shadow, [("no user agent", 182)], "190 in all, less 8 that ask for scanners' paths");
    let strict = replay.sides.1.as_ref().map(|other| &other.tally);
    let told: Vec<_> = strict
        .iter()
        .flat_map(|tally| tally.by.by_count())
        .map(|rule| (rule.name.as_str(), rule.count, rule.clients, rule.bans))
        .collect();
    let expected =
        [("no user agent", 104, 42, 0), ("bans", 86, 6, 0), ("scanner paths", 18, 18, 18)];
    assert_eq!(told, expected);
    let changes = &replay.changes;
    assert_eq!((changes.both_refuse, changes.both_pass), (18, 9_791));
    assert!(changes.admitted.all().is_empty());
}

/// Lines of these times, in hours, minutes and seconds.
fn at(times: impl IntoIterator<Item = (u64, u64, u64)>) -> Vec<u8> {
    let line = |(hour, minute, second)| {
        format!(
            "192.0.2.1 - - [17/May/2015:{hour:02}:{minute:02}:{second:02} +0000] \"GET / HTTP/1.1\" 200 5\n"
        )
    };
    times.into_iter().map(line).collect::<String>().into()
}

const COARSE: &str = "the times of this log are coarser than they look, and limits seem stricter here than they are. Play it \
                      with --spread ";
const FAR: &str = "Lines are far out of order, so the numbers below are not those of the traffic.";

/// What is said of the order of lines, where the numbers are.
fn warned(span: Span, log: Vec<u8>) -> String {
    let replay = played("", None, span, "access.log", log);
    let markdown = report(&replay, &about("", None)).to_markdown();
    let summary = markdown.split("\n## ").next().unwrap().replace("\\", "");
    let first = ["lines are older", "Lines are far"];
    let line = summary.lines().find(|line| first.iter().any(|it| line.contains(it)));
    line.unwrap_or_default().into()
}

#[test]
fn times_that_are_coarser_than_they_look_are_told_where_the_numbers_are() {
    let seconds = |minute| [59, 3, 30, 7].map(|second| (10, minute, second));
    let minutes = || at((0..50).flat_map(seconds));
    let told = warned(Span::AsWritten, minutes());
    assert_eq!(told, format!("150 lines are older than ones before them: {COARSE}1m."));
    assert_eq!(warned(Span::Second, minutes()), told);
    assert_eq!(warned(Span::Minute, minutes()), "");

    // Minutes that mean nothing, in the order in which hours came.
    let hours = || at((0..20).flat_map(|hour| [50, 10, 30, 20].map(|minute| (hour, minute, 0))));
    for span in [Span::AsWritten, Span::Minute] {
        assert!(warned(span, hours()).ends_with(&format!("{COARSE}1h.")));
    }
    assert_eq!(warned(Span::Hour, hours()), "");

    // One in a hundred may be late, and not more.
    let few = |late: u64| {
        let times = (0..100_u64).map(|number| (10, number / 2, if number < late { 0 } else { 30 }));
        at([(10, 0, 30)].into_iter().chain(times))
    };
    assert_eq!(warned(Span::AsWritten, few(1)), "");
    assert!(warned(Span::AsWritten, few(2)).starts_with("2 lines"));
}

#[test]
fn logs_in_the_wrong_order_are_told_where_the_numbers_are() {
    let day =
        |hours: std::ops::Range<u64>| hours.flat_map(|hour| (0..60).map(move |it| (hour, it, 0)));
    assert_eq!(warned(Span::AsWritten, at(day(0..24))), "");
    for span in [Span::AsWritten, Span::Hour] {
        assert!(warned(span, at(day(12..24).chain(day(0..12)))).starts_with(FAR));
    }
}

/// Its hours are right and its minutes are all 05, so a minute would not do.
#[test]
fn the_minutes_that_a_real_log_has_lost_are_noticed() {
    let log = real("access-semicomplete-2015.log.gz").unwrap_or_else(|| {
        at((0..24).flat_map(|hour| [59, 3, 30, 7].map(|second| (hour, 5, second))))
    });
    let told = warned(Span::AsWritten, log.clone());
    let lost = "lines are older than ones before them, all in one minute of their hours: ";
    assert!(told.contains(lost) && told.ends_with(&format!("{COARSE}1h.")), "{told}");
    assert_eq!(warned(Span::Hour, log), "");
}

#[test]
fn how_it_was_played_is_told() {
    let told = |toml: &str, against: Option<&str>, log: &str| {
        let replay = played(toml, against, Span::AsWritten, "a.log", log.into());
        report(&replay, &about(toml, against))
            .to_terminal()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    let fleet = "[[limit]]\nname = \"a\"\nquota = \"4/hour\"\nscope = \"fleet\"\n";
    let local = "[[limit]]\nname = \"a\"\nquota = \"4/hour\"\nscope = \"gate\"\n# defence";
    let text = "Limits of a fleet were played with their whole quota at one gate, as if their store answered at once.";
    let sample = String::from_utf8_lossy(SAMPLE);
    assert!(told(fleet, None, &sample).contains(text));
    assert!(told(local, Some(fleet), &sample).contains(text));
    assert!(!told(local, None, &sample).contains("Limits of a fleet"));

    let noticed = "What the defence noticed, by ";
    let both = told(local, Some(FLOOD), &sample);
    assert!(both.contains(&format!("{noticed}other.toml")));
    assert!(!both.contains(&format!("{noticed}one.toml")), "it has none: {both}");
    assert!(
        both.contains("after 1 hour each hour; and of a pause longer than 31 days only the end.")
    );

    let json = r#"{"ip":"192.0.2.1","ts":1431857103,"uri":"/","status":200,"duration":250}"#;
    let flight = "Requests were in flight for as long as the log says, ";
    let seconds = " A number under a name that says no unit was taken as seconds.";
    let json = told("", None, json);
    assert!(json.contains(&format!("{flight}250s at most.{seconds}")), "{json}");
    let nginx =
        r#"192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "-" 0.250"#;
    let nginx = told("", None, nginx);
    assert!(nginx.contains(&format!("{flight}250ms at most.")) && !nginx.contains(seconds));
}

#[test]
fn what_a_full_table_does_not_know_is_not_told() {
    let mut replay = played(WEBSITE, None, Span::AsWritten, "access.log", SAMPLE.to_vec());
    let told = |replay: &Replay| report(replay, &about(WEBSITE, None)).to_terminal();
    assert!(told(&replay).contains("Clients that were refused something: 1, everything: 1."));
    let clients = &mut replay.sides.0.tally.clients;
    for number in 0..=1 << 17 {
        clients.note(std::net::Ipv4Addr::from_bits(number).into(), None);
    }
    let told = told(&replay);
    assert!(told.contains("of more than 131,072 clients"), "{told}");
    assert!(told.contains("Clients that were refused something: 1 or more. Bans"), "{told}");
    assert!(told.contains("passed before they were forgotten is not counted"), "{told}");
}

/// Fourteen clients of a tool for floods, with a number behind each question mark.
#[test]
fn a_real_flood_of_distinct_queries_bans_those_that_its_publisher_flags() {
    let Some(log) = real("access-crowdsec-http-dos-bypass-cache.log.gz") else { return };
    let toml = r#"
        [[limit]]
        name = "distinct queries"
        distinct = 'query'
        quota = "60/min burst 30"
        then = { ban = "1h" }
    "#;
    let replay = played(toml, Some(WEBSITE), Span::AsWritten, "flood.log", log);
    let (side, other) = &replay.sides;
    assert_eq!((replay.requests(), replay.malformed, side.tally.clients.len()), (356, 0, 14));
    let mut flagged: Vec<_> =
        side.tally.clients.top(99).iter().map(|(ip, _)| ip.to_string()).collect();
    flagged.sort();
    assert_eq!(flagged, ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"]);
    // 127.0.0.1 is this machine itself, which no gate bans.
    assert_eq!(side.tally.bans(), 3);
    // 69 requests in two seconds, of 60 at once and two a second.
    assert_eq!(other.as_ref().map(|other| other.tally.all_refused()), Some(6));
}

/// Seventy-seven things that are not there, within a second.
#[test]
fn a_real_scanner_is_banned_by_what_it_does_not_find() {
    let Some(log) = real("access-crowdsec-apache-http-probing.log.gz") else { return };
    let replay = played(SCANNERS, Some(WEBSITE), Span::AsWritten, "scanner.log", log);
    let (side, other) = &replay.sides;
    let told: Vec<_> = side
        .tally
        .by
        .all()
        .iter()
        .map(|rule| (rule.name.as_str(), rule.count, rule.bans))
        .collect();
    assert_eq!(told, [("not found", 1, 1), ("bans", 66, 0)]);
    assert_eq!(side.tally.all_passed(), 10);
    assert_eq!(side.tally.served_and_refused(), 0);
    assert_eq!(other.as_ref().map(|other| other.tally.all_refused()), Some(16));
    assert_eq!((replay.changes.both_refuse, replay.changes.both_pass), (16, 10));
}

/// Ten requests a second of everyday, and after twelve minutes a minute of three hundred more from one network.
fn flooded() -> Vec<u8> {
    let mut log = String::new();
    let mut line = |second: u64, client: String, target: String| {
        let (minute, second) = (second / 60, second % 60);
        log.push_str(&format!(
            "{client} - - [17/May/2015:10:{minute:02}:{second:02} +0000] \"GET {target} HTTP/1.1\" 200 512 \"-\" \"x\"\n"
        ));
    };
    for second in 0..900_u64 {
        for count in 0..10 {
            let who = (second * 7 + count * 13) % 97;
            line(second, format!("192.0.2.{who}"), format!("/page/{}", (second + count) % 50));
        }
        if (720..780).contains(&second) {
            for count in 0..300 {
                line(
                    second,
                    format!("203.0.113.{}", count % 250),
                    format!("/search?q={second}{count}"),
                );
            }
        }
    }
    log.into()
}

#[test]
fn a_flood_is_told_as_the_defence_has_seen_it() {
    let replay = played(FLOOD, None, Span::AsWritten, "flood.log", flooded());
    let tally = &replay.sides.0.tally;
    assert!(tally.story.highest >= portcullis::Posture::Defend, "{:?}", tally.story.events);
    assert!(tally.all_refused() > 10_000, "{:?}", tally.by.all());
    let about = about(FLOOD, None);
    let text = report(&replay, &about).to_terminal();
    assert!(text.contains("The highest posture was defend."), "{text}");
    assert!(text.contains("203.0.113.0/24"), "{text}");
    let svg = picture::draw(&replay, &about).unwrap();
    assert!(
        svg.contains("lockdown") && svg.contains("<polygon"),
        "a legend of postures, and a mark: {svg}"
    );
}

/// What detection looks at is left to chance, and chance follows from the seed.
#[test]
fn what_a_defence_does_is_the_same_each_time() {
    let once = || {
        let replay = played(FLOOD, Some(GATE), Span::AsWritten, "flood.log", flooded());
        report(&replay, &about(FLOOD, Some(GATE))).to_markdown()
    };
    let first = once();
    assert_eq!(once(), first);
    assert!(first.contains("The highest posture was defend"), "{first}");
}

/// What a limit refuses of a real log is what a model of one token bucket for each client refuses, which knows nothing
/// of gates. A unit may come back up to 1/64 of its interval early, so there is a model for each end of that.
#[test]
fn a_limit_refuses_of_a_real_log_what_a_model_does() {
    let (name, log) = match real("access-semicomplete-2015.log.gz") {
        Some(log) => ("real", log),
        None => ("sample", SAMPLE.repeat(30)),
    };
    let toml = "[[limit]]\nname = \"per client\"\nquota = \"30/min burst 20\"\n";
    let replay = played(toml, None, Span::AsWritten, name, log.clone());
    let refused = replay.sides.0.tally.all_refused();
    assert!(refused > 10, "there is something to compare: {refused}");

    let (mut lines, mut spread) =
        (Lines::new(unpacked(Cursor::new(log)).unwrap()), Spread::new(Span::AsWritten));
    let mut models =
        [(2_000_000_000_u64 / 64 * 63, HashMap::new(), 0), (2_000_000_000, HashMap::new(), 0)];
    let mut judge = |_: &Batch, record: &Record, now: Timestamp| {
        for (interval, owed_until, refused) in &mut models {
            let now = now.as_nanos();
            let until = owed_until.entry(record.client).or_insert(0_u64);
            if (*until).max(now) - now > 19 * *interval {
                *refused += 1;
            } else {
                *until = (*until).max(now) + *interval;
            }
        }
    };
    let mut next = Batch::default();
    while let Some(line) = lines.next_line().unwrap() {
        if common::parse(line.bytes, &mut next).is_ok() {
            spread.take(&mut next, &mut judge);
        }
    }
    spread.flush(&mut judge);
    let [(.., least), (.., most)] = models;
    assert!((least..=most).contains(&refused), "{least} <= {refused} <= {most}");
}

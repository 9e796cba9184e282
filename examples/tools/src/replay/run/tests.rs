use std::io::Cursor;

use super::{Format, Replay, Side, Span};

const LIMIT: &str = "[[limit]]\nname = \"per client\"\nquota = \"2/hour\"\n";

fn replay(toml: &str, against: Option<&str>, format: Option<Format>, log: &[u8]) -> Replay {
    let side = |text| Side::from_toml(text, 1).unwrap();
    let mut replay = Replay::new(side(toml), against.map(side), Span::AsWritten);
    replay.read("log", format, Cursor::new(log.to_vec()), &mut || {});
    replay.end();
    replay
}

fn line(client: u8, second: u8, target: &str) -> String {
    format!(
        "192.0.2.{client} - - [17/May/2015:10:05:{second:02} +0000] \"GET {target} HTTP/1.1\" 200 5\n"
    )
}

#[test]
fn the_format_is_that_of_the_first_line_that_can_be_read() {
    let json = "{\"ip\":\"192.0.2.1\",\"ts\":1431857103,\"uri\":\"/\"}\n";
    let both = format!("nonsense\n{{\"x\":1}}\n{}{json}{}", line(1, 3, "/"), line(1, 4, "/"));
    let read = replay("", None, None, both.as_bytes());
    assert_eq!(
        (read.logs[0].format, read.requests(), read.malformed),
        (Some(Format::Common), 2, 3)
    );
    let read = replay("", None, Some(Format::Json), both.as_bytes());
    assert_eq!((read.requests(), read.malformed), (1, 4));
    let json = format!("{json}{}{json}", line(1, 3, "/"));
    let read = replay("", None, None, json.as_bytes());
    assert_eq!((read.logs[0].format, read.requests(), read.malformed), (Some(Format::Json), 2, 1));
}

#[test]
fn every_line_is_one_of_four_things() {
    let mut log = b"\n  \r\n\xFF\xFE\n".to_vec();
    log.extend(line(1, 3, "/").bytes());
    log.extend(b"192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"-\" 408 0\n");
    log.extend(std::iter::repeat_n(b'x', 100_000));
    let read = replay("", None, None, &log);
    assert_eq!((read.lines(), read.requests()), (6, 1));
    assert_eq!((read.malformed, read.no_request, read.empty), (2, 1, 2));
    let shown: Vec<_> = read.shown.iter().map(|it| (it.line, it.reason, it.text.len())).collect();
    assert_eq!(shown[0].0, 3);
    assert_eq!(shown[1], (6, "longer than 64 KiB", 100));
}

#[test]
fn two_gates_see_the_same_and_their_differences_are_told() {
    let other = r#"
        [[rule]]
        name = "closed"
        when = 'path eq "/closed"'
        then = "deny"
    "#;
    let log: String = [
        line(1, 1, "/a"),
        line(1, 2, "/closed"),
        line(1, 3, "/b"),
        line(1, 4, "/closed"),
        line(2, 5, "/closed"),
        line(3, 5, "/c"),
    ]
    .concat();
    let read = replay(LIMIT, Some(other), None, log.as_bytes());
    let changes = &read.changes;
    assert_eq!((changes.both_pass, changes.both_refuse), (2, 1));
    let told = |rules: &super::Rules| -> Vec<_> {
        rules.all().iter().map(|rule| (rule.name.clone(), rule.count, rule.clients)).collect()
    };
    assert_eq!(told(&changes.refused), [("closed".to_string(), 2, 2)]);
    assert_eq!(told(&changes.admitted), [("per client".to_string(), 1, 1)]);
    let other = read.sides.1.as_ref().unwrap();
    assert_eq!((read.sides.0.tally.all_refused(), other.tally.all_refused()), (2, 3));
    assert_eq!(changes.refused_clients.len(), 2);
}

#[test]
fn a_log_that_breaks_off_is_played_as_far_as_it_goes() {
    struct Breaks(Cursor<Vec<u8>>);
    impl std::io::Read for Breaks {
        fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
            match self.0.read(room)? {
                0 => Err(std::io::Error::other("the disk is gone")),
                read => Ok(read),
            }
        }
    }
    let side = Side::from_toml(LIMIT, 1).unwrap();
    let mut replay = Replay::new(side, None, Span::AsWritten);
    replay.read("log", None, Breaks(Cursor::new(line(1, 1, "/").into())), &mut || {});
    replay.end();
    assert_eq!(replay.logs[0].broke_off.as_deref(), Some("the disk is gone"));
    assert_eq!(replay.sides.0.tally.all_passed(), 1);
    assert!(!replay.is_whole());
}

#[test]
fn a_replay_of_nothing_is_not_whole() {
    let log = line(1, 1, "/");
    assert!(replay("", None, None, log.as_bytes()).is_whole());
    for (format, log) in [(Some(Format::Json), &*log), (None, "nonsense\n"), (None, "")] {
        assert!(!replay("", None, format, log.as_bytes()).is_whole(), "{log:?}");
    }
}

#[test]
fn no_bytes_whatever_end_it() {
    // A stream of numbers that is the same each time, cut, repeated and mixed with real lines.
    let mut state = 7_u64;
    let mut random = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    let seeds = [
        line(1, 3, "/\\x16\\\"a?b"),
        r#"h:1 2001:db8::1 - [x] [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "a" "b" 0.1"#.into(),
        r#"{"client_ip":"192.0.2.1","ts":1431857103.5,"request":{"uri":"/","headers":{"User-Agent":["\u00e4"]}}}"#.into(),
    ];
    let pool = b"\"\\[]{}:,. \n\x00\xFF\xC3xX0123456789/-+";
    for _ in 0..1_000 {
        let mut text = seeds[random() % seeds.len()].clone().into_bytes();
        for _ in 0..random() % 9 {
            let at = random() % text.len().max(1);
            match random() % 4 {
                0 => text.truncate(at),
                1 => text.insert(at.min(text.len()), pool[random() % pool.len()]),
                2 => text
                    .iter_mut()
                    .skip(at)
                    .take(1)
                    .for_each(|it| *it = pool[random() % pool.len()]),
                _ => text.extend_from_within(at.min(text.len())..),
            }
        }
        let read = replay(LIMIT, None, None, &text);
        let told = read.requests() + read.malformed + read.no_request + read.empty;
        assert_eq!(told, read.lines(), "{}", text.escape_ascii());
        let tally = &read.sides.0.tally;
        assert_eq!(tally.all_passed() + tally.all_refused(), read.requests());
    }
}

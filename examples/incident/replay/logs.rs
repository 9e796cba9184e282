//! Access logs of real services: read, given times that can be, and played to a gate.
//!
//! The log that is used was published with all minutes of an hour squashed into one. The order of its lines, their
//! hours and all the rest are real; within each hour, the lines are spread evenly here.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use portcullis::{Posture, Request};

use super::{
    ask::{Nanos, SECOND},
    gatekeeper::Keeper,
};

/// A line of a log in the combined format, as far as a gate is interested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) client: IpAddr,
    /// Seconds after the start of the month.
    pub(crate) at: u64,
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) status: u16,
    pub(crate) size: u64,
    /// `None` if there was none.
    pub(crate) referer: Option<&'a str>,
    pub(crate) agent: Option<&'a str>,
}

impl<'a> Line<'a> {
    /// `client - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 123 "referer" "agent"`; `None` if it is
    /// something else. The last two may be missing.
    pub(crate) fn parse(line: &'a str) -> Option<Self> {
        let (client, rest) = line.split_once(' ')?;
        let (_, rest) = rest.split_once('[')?;
        let (time, rest) = rest.split_once("] \"")?;
        let (request, rest) = rest.split_once("\" ")?;
        let (method, target) = request.split_once(' ')?;
        let (target, _) = target.rsplit_once(" HTTP/")?;
        let mut rest = rest.splitn(3, ' ');
        let (status, size) = (rest.next()?.parse().ok()?, rest.next()?.parse().unwrap_or(0));
        let mut quoted = rest.next().unwrap_or_default().split('"').skip(1).step_by(2);
        let mut text = || quoted.next().filter(|text| !matches!(*text, "" | "-"));
        let (referer, agent) = (text(), text());
        let client = client.parse().ok()?;
        Some(Self { client, at: seconds(time)?, method, target, status, size, referer, agent })
    }
}

/// The seconds of `17/May/2015:10:05:03 +0000`, after the start of its month.
fn seconds(time: &str) -> Option<u64> {
    let (date, clock) = time.split_once(':')?;
    let day: u64 = date.split('/').next()?.parse().ok()?;
    let clock = clock.split(' ').next()?;
    clock.split(':').try_fold(day, |sum, part| {
        let part: u64 = part.parse().ok()?;
        Some(sum * if sum == day { 24 } else { 60 } + part)
    })
}

/// The lines of a log with the times they are played at, `speed` times as fast as they came: those of each hour
/// evenly spread over it.
pub(crate) fn spread<'a>(log: &'a str, speed: u64) -> Vec<(Nanos, Line<'a>)> {
    let lines: Vec<Line<'a>> = log.lines().filter_map(Line::parse).collect();
    let hour = |line: &Line<'_>| line.at / 3_600;
    let Some(first) = lines.iter().map(hour).min() else { return Vec::new() };
    let mut in_hour: BTreeMap<u64, u64> = BTreeMap::new();
    lines.iter().for_each(|line| *in_hour.entry(hour(line)).or_default() += 1);
    let mut seen: BTreeMap<u64, u64> = BTreeMap::new();
    let mut played: Vec<_> = lines
        .into_iter()
        .map(|line| {
            let (hour, before) = (hour(&line), seen.entry(hour(&line)).or_default());
            let share = (3_600 * SECOND / speed) / in_hour[&hour];
            let at = (hour - first) * (3_600 * SECOND / speed) + *before * share;
            *before += 1;
            (at, line)
        })
        .collect();
    // Two lines at the turn of an hour may have come in the other order.
    played.sort_by_key(|(at, _)| *at);
    played
}

/// What became of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Played {
    pub(crate) asked: usize,
    /// Or would have been, where the gate only observes.
    pub(crate) refused: usize,
    pub(crate) highest: Posture,
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, refused, highest } = self;
        write!(f, "{refused} of {asked} requests refused, highest posture {highest}")
    }
}

/// Plays a log to a new gate, which does not know any of it; each answer takes a little while.
pub(crate) fn play(log: &str, speed: u64, observes: bool) -> Result<Played, String> {
    let keeper = Keeper::new()?;
    if observes {
        keeper.observe();
    }
    let mut played = Played::default();
    for (at, line) in spread(log, speed) {
        let mut request =
            Request::new(line.client).method(line.method).host("logs.example").target(line.target);
        if let Some(agent) = line.agent {
            request = request.header("user-agent", agent);
        }
        if let Some(referer) = line.referer {
            request = request.header("referer", referer);
        }
        played.asked += 1;
        match keeper.check(&request, at) {
            Err(_) => played.refused += 1,
            Ok(admission) => {
                played.refused += usize::from(admission.shadow().next().is_some());
                keeper.finish(admission, line.status, SECOND / 50, at + SECOND / 50);
            }
        }
        played.highest = played.highest.max(keeper.posture());
    }
    Ok(played)
}

/// What stands in where there is no real log: made up, and much too short to prove anything.
pub(crate) fn sample() -> String {
    let mut log = String::new();
    for line in 0..240_u64 {
        let (hour, client, page) = (10 + line / 60, line * 7 % 31, line * 11 % 17);
        log.push_str(&format!(
            "192.0.2.{client} - - [17/May/2015:{hour}:05:{:02} +0000] \"GET /blog/{page} HTTP/1.1\" 200 5120 \
             \"http://example.org/\" \"Mozilla/5.0 (X11; Linux x86_64) Firefox/37.0\"\n",
            line % 60
        ));
    }
    log
}

#[cfg(test)]
mod tests {
    use super::{Line, SECOND, sample, seconds, spread};

    #[test]
    fn a_line_is_read_with_all_that_it_says() {
        let line = Line::parse(
            r#"192.0.2.1 - frank [17/May/2015:10:05:03 +0000] "GET /a b?c HTTP/1.1" 404 12 "-" "Mozilla/5.0 (X11)""#,
        )
        .unwrap();
        assert_eq!((line.method, line.target, line.status), ("GET", "/a b?c", 404));
        assert_eq!((line.referer, line.agent), (None, Some("Mozilla/5.0 (X11)")));
        assert_eq!(line.at, ((17 * 24 + 10) * 60 + 5) * 60 + 3);
    }

    #[test]
    fn what_is_no_request_is_left_out() {
        for line in [
            "",
            "192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"-\" 408 0",
            "host - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" 200 1",
            "192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.1\" ok 1",
        ] {
            assert_eq!(Line::parse(line), None, "{line}");
        }
        let common = "192.0.2.1 - - [17/May/2015:10:05:03 +0000] \"GET / HTTP/1.0\" 200 -";
        assert_eq!(Line::parse(common).map(|line| (line.size, line.agent)), Some((0, None)));
        assert_eq!(seconds("1/Jan/2020:00:00:59 +0000"), Some(24 * 3_600 + 59));
    }

    #[test]
    fn the_lines_of_an_hour_are_spread_over_it() {
        let log = sample();
        let played = spread(&log, 60);
        assert_eq!(played.len(), 240);
        assert!(played.windows(2).all(|pair| pair[1].0 - pair[0].0 == SECOND));
        assert_eq!(spread(&log, 1).last().map(|(at, _)| *at), Some((4 * 3_600 - 60) * SECOND));
    }
}

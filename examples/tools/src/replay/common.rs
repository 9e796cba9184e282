//! Lines in the common and the combined format, as Apache, nginx and many others write them.
//!
//! ```text
//! [vhost[:port]] client ident user [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 512 ["referer" "agent" [more]]
//! ```
//!
//! What stands after the agent is passed over, except for a duration: seconds with a fraction, as nginx's
//! `$request_time` (also as `rt=0.012` or `request_time=0.012`), or milliseconds as in `12ms`.
//!
//! A user name can hold blanks and brackets. So the time is the first one in brackets that a quoted request follows:
//! servers escape the quotes in what clients send, so that no client can write that.

use std::{net::IpAddr, time::Duration};

use portcullis::Timestamp;

use super::{
    Reject,
    record::{Batch, Part, Record},
    time,
};

/// The longest method that is taken for one.
const LONGEST_METHOD: usize = 32;

/// Reads one line.
///
/// # Errors
/// Why it is no request; nothing is kept of it then.
pub fn parse(line: &[u8], into: &mut Batch) -> Result<(), Reject> {
    into.add(|batch| read(line, batch))
}

fn read(line: &[u8], into: &mut Batch) -> Result<Record, Reject> {
    let (head, at, rest) =
        time_in(line).ok_or(Reject::Malformed("no time in brackets before a quoted request"))?;
    let (request, rest) = quoted(rest).ok_or(Reject::Malformed("the request has no end"))?;
    let (client, vhost) = client_in(head)?;

    let mut fields = rest.trim_ascii_start().splitn(3, |byte| *byte == b' ');
    let status = fields.next().unwrap_or_default();
    let status = match status {
        b"-" => 0,
        _ => number(status)
            .and_then(|status| u16::try_from(status).ok())
            .filter(|status| (100..1_000).contains(status))
            .ok_or(Reject::Malformed("no status after the request"))?,
    };
    let size = match fields.next().unwrap_or_default() {
        b"-" => None,
        size => Some(number(size).ok_or(Reject::Malformed("no size after the status"))?),
    };
    let mut rest = fields.next().unwrap_or_default().trim_ascii_start();
    let mut words = [None; 2];
    for word in &mut words {
        let Some(open) = rest.strip_prefix(b"\"") else { break };
        let (text, more) = quoted(open).ok_or(Reject::Malformed("a quoted field has no end"))?;
        *word = Some(text).filter(|text| !matches!(*text, b"" | b"-"));
        rest = more.trim_ascii_start();
    }
    let duration = duration_in(rest);

    let (method, target, host) = asked(request, into)?;
    let host = match vhost {
        Some(vhost) if host.is_none() => {
            let kept = into.keep(without_port(vhost));
            Some(into.made_text(kept))
        }
        _ => host,
    };
    let [referer, agent] = words.map(|word| word.map(|word| into.keep_escaped(word)));
    Ok(Record {
        client,
        at,
        is_fine: false,
        status,
        size,
        duration,
        method,
        target,
        host: host.unwrap_or_default(),
        referer,
        agent,
    })
}

/// What is before the time, the time, and what is behind the quote that opens the request.
fn time_in(line: &[u8]) -> Option<(&[u8], Timestamp, &[u8])> {
    for open in memchr::memchr_iter(b'[', line) {
        let from = open + 1;
        let rest = line.get(from + time::COMMON..)?;
        let Some(rest) = rest.strip_prefix(b"] \"") else { continue };
        let at = line.get(from..from + time::COMMON).and_then(time::of_common);
        if let (Some(at), Some(head)) = (at, line.get(..open)) {
            return Some((head, at, rest));
        }
    }
    None
}

/// The text up to the quote that closes it, and what is behind that.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', text.get(from..)?)?;
        if text.get(at) == Some(&b'"') {
            return Some((text.get(..at)?, text.get(at + 1..)?));
        }
        // Whatever is escaped does not close it.
        from = at + 2;
    }
}

/// The client, and the host that it asked, if the line begins with that.
fn client_in(head: &[u8]) -> Result<(IpAddr, Option<&[u8]>), Reject> {
    let mut words = head.splitn(3, |byte| *byte == b' ');
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if let Some(client) = address(first) {
        return Ok((client, None));
    }
    let client = address(second).ok_or(Reject::Malformed("the client is no address"))?;
    Ok((client, Some(first)))
}

/// An address, also with a port, in brackets, or with a zone.
pub(super) fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(ip.to_canonical());
    }
    let text = match text.strip_prefix('[') {
        Some(text) => text.split_once(']')?.0,
        None => match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => host,
            _ => text,
        },
    };
    let text = text.split('%').next().unwrap_or_default();
    text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// The method, the target and the host of `GET /a?b HTTP/1.1`.
pub(super) fn asked(
    request: &[u8],
    into: &mut Batch,
) -> Result<(Part, Part, Option<Part>), Reject> {
    let blank = memchr::memchr(b' ', request).ok_or(Reject::NoRequest)?;
    let (method, target) = request.split_at(blank);
    let is_method = (1..=LONGEST_METHOD).contains(&method.len())
        && method.iter().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_'));
    let target = target.trim_ascii_start();
    let target = match memchr::memrchr(b' ', target) {
        Some(at) if target.get(at + 1..).is_some_and(|it| it.starts_with(b"HTTP/")) => {
            target.get(..at).unwrap_or_default()
        }
        _ => target,
    };
    if !is_method || target.is_empty() {
        return Err(Reject::NoRequest);
    }
    let method = into.keep(method);
    let (host, target) = split_absolute(target);
    let host = host.map(|host| {
        let kept = into.keep_escaped(without_port(host));
        into.made_text(kept)
    });
    let target = into.keep_escaped(target);
    Ok((method, into.made_text(target), host))
}

/// The host and the rest of `http://host/rest`, as proxies are asked.
pub(super) fn split_absolute(target: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let rest = target.strip_prefix(b"http://").or(target.strip_prefix(b"https://"));
    let Some(rest) = rest else { return (None, target) };
    match rest.iter().position(|byte| matches!(byte, b'/' | b'?')) {
        Some(at) if rest.get(at) == Some(&b'/') => (rest.get(..at), rest.get(at..).unwrap_or(b"/")),
        Some(at) => (rest.get(..at), b"/"),
        None => (Some(rest), b"/"),
    }
}

/// `shop.example` of `shop.example:443`.
pub(super) fn without_port(host: &[u8]) -> &[u8] {
    match memchr::memrchr(b':', host) {
        Some(at) if host.get(at + 1..).is_some_and(|port| port.iter().all(u8::is_ascii_digit)) => {
            host.get(..at).unwrap_or_default()
        }
        _ => host,
    }
}

/// The first duration among the fields that a server has added.
fn duration_in(rest: &[u8]) -> Option<Duration> {
    let mut is_quoted = false;
    for word in rest.split(|byte| *byte == b' ') {
        let quotes = word.iter().filter(|byte| **byte == b'"').count();
        if quotes == 0 && !is_quoted {
            let found = duration(word);
            if found.is_some() {
                return found;
            }
        }
        is_quoted ^= quotes % 2 == 1;
    }
    None
}

fn duration(word: &[u8]) -> Option<Duration> {
    let word = std::str::from_utf8(word).ok()?;
    if let Some(millis) = word.strip_suffix("ms") {
        return millis.parse().ok().map(Duration::from_millis);
    }
    let word = word.strip_prefix("rt=").or(word.strip_prefix("request_time=")).unwrap_or(word);
    let (whole, fraction) = word.split_once('.')?;
    let is_number = [whole, fraction]
        .iter()
        .all(|part| (1..=9).contains(&part.len()) && part.bytes().all(|it| it.is_ascii_digit()));
    if !is_number {
        return None;
    }
    Duration::try_from_secs_f64(word.parse().ok()?).ok()
}

fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, time::Duration};

    use super::{Batch, Reject, address, parse};
    use crate::replay::time::written;

    /// What was read: client, host, method, target, status, size, referer, agent, milliseconds.
    type Read<'a> =
        (&'a str, &'a str, &'a str, &'a str, u16, Option<u64>, &'a str, &'a str, Option<u64>);

    fn check(line: &str, read: Read<'_>) {
        let mut batch = Batch::default();
        parse(line.as_bytes(), &mut batch).unwrap_or_else(|error| panic!("{error:?}: {line}"));
        let record = &batch.records()[0];
        let text = |part| String::from_utf8_lossy(batch.part(part));
        assert_eq!(written(record.at), "2015-05-17 10:05:03", "{line}");
        assert_eq!(record.client, read.0.parse::<IpAddr>().unwrap(), "{line}");
        assert_eq!(batch.text(record.host), read.1, "{line}");
        assert_eq!(
            (batch.text(record.method), batch.text(record.target)),
            (read.2, read.3),
            "{line}"
        );
        assert_eq!((record.status, record.size), (read.4, read.5), "{line}");
        let words = [record.referer, record.agent].map(|part| part.map_or("-".into(), text));
        assert_eq!(words, [read.6, read.7], "{line}");
        assert_eq!(record.duration, read.8.map(Duration::from_millis), "{line}");
    }

    #[test]
    fn lines_are_read_with_all_that_they_say() {
        let at = "[17/May/2015:10:05:03 +0000]";
        check(
            &format!(r#"192.0.2.1 - - {at} "GET / HTTP/1.0" 200 -"#),
            ("192.0.2.1", "", "GET", "/", 200, None, "-", "-", None),
        );
        check(
            &format!(
                r#"192.0.2.1 - frank {at} "GET /a b?c HTTP/1.1" 404 12 "-" "Mozilla/5.0 (X11)""#
            ),
            ("192.0.2.1", "", "GET", "/a b?c", 404, Some(12), "-", "Mozilla/5.0 (X11)", None),
        );
        check(
            &format!(
                r#"shop.example:443 2001:db8::7 - a [b] c {at} "POST /x" 200 1 "http://r/" "-""#
            ),
            ("2001:db8::7", "shop.example", "POST", "/x", 200, Some(1), "http://r/", "-", None),
        );
        check(
            &format!(
                r#"::ffff:192.0.2.1 - - {at} "GET http://h.example:80/p?q HTTP/1.1" - 0 "" """#
            ),
            ("192.0.2.1", "h.example", "GET", "/p?q", 0, Some(0), "-", "-", None),
        );
        check(
            &format!(
                r#"192.0.2.1 - - {at} "GET /\"\x41\\ HTTP/1.1" 200 1 "a\"b" "c\xff" "f, g" 0.250 0.1"#
            ),
            ("192.0.2.1", "", "GET", "/\"A\\", 200, Some(1), "a\"b", "c\u{FFFD}", Some(250)),
        );
        check(
            &format!(
                r#"192.0.2.1 - - {at} "GET /%FF\xff HTTP/1.1" 200 1 "-" "-" 7 "r" "http://b" 12ms"#
            ),
            ("192.0.2.1", "", "GET", "/%FF%FF", 200, Some(1), "-", "-", Some(12)),
        );
        check(
            &format!(r#"192.0.2.1 - - {at} "GET / HTTP/1.1" 200 1 "-" "-" "9.9 ms" rt=0.012 1.0"#),
            ("192.0.2.1", "", "GET", "/", 200, Some(1), "-", "-", Some(12)),
        );
    }

    #[test]
    fn what_is_no_line_is_refused_with_a_reason() {
        let at = "[17/May/2015:10:05:03 +0000]";
        let table = [
            (String::new(), Some("no time")),
            (format!("192.0.2.1 - - {at}"), Some("no time")),
            (format!("192.0.2.1 - - {at} GET / 200 1"), Some("no time")),
            (
                format!(r#"192.0.2.1 - - {at} "GET / HTTP/1.1 200 1"#),
                Some("the request has no end"),
            ),
            (
                format!(r#"192.0.2.1 - - {at} "GET / HTTP/1.1\" 200 1"#),
                Some("the request has no end"),
            ),
            (format!(r#"host - - {at} "GET / HTTP/1.1" 200 1"#), Some("the client is no address")),
            (format!(r#"192.0.2.1 - - {at} "GET / HTTP/1.1" ok 1"#), Some("no status")),
            (format!(r#"192.0.2.1 - - {at} "GET / HTTP/1.1" 99999 1"#), Some("no status")),
            (format!(r#"192.0.2.1 - - {at} "GET / HTTP/1.1" 200"#), Some("no size")),
            (format!(r#"192.0.2.1 - - {at} "GET / HTTP/1.1" 200 x"#), Some("no size")),
            (
                format!(r#"192.0.2.1 - - {at} "GET / HTTP/1.1" 200 1 "-" "Moz"#),
                Some("a quoted field"),
            ),
            (format!(r#"192.0.2.1 - - {at} "-" 408 0"#), None),
            (format!(r#"192.0.2.1 - - {at} "" 400 0"#), None),
            (format!(r#"192.0.2.1 - - {at} "\x16\x03\x01 \x00" 400 0"#), None),
        ];
        for (line, reason) in table {
            let mut batch = Batch::default();
            let reject = parse(line.as_bytes(), &mut batch).unwrap_err();
            match (reject, reason) {
                (Reject::NoRequest, None) => {}
                (Reject::Malformed(told), Some(reason)) => {
                    assert!(told.starts_with(reason), "{line}: {told}")
                }
                other => panic!("{line}: {other:?}"),
            }
            assert_eq!((batch.len(), batch.bytes()), (0, 0), "nothing is left: {line}");
        }
    }

    #[test]
    fn a_user_name_forges_no_line() {
        let line = br#"192.0.2.1 - x [01/Jan/2015:00:00:00 +0000] \"GET /forged HTTP/1.1\" 200 1 [17/May/2015:10:05:03 +0000] "GET /real HTTP/1.1" 200 1"#;
        let mut batch = Batch::default();
        parse(line, &mut batch).unwrap();
        assert_eq!(batch.text(batch.records()[0].target), "/real");
    }

    #[test]
    fn addresses_are_read_in_the_spellings_of_logs() {
        let table = [
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1:4711", Some("192.0.2.1")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("fe80::1%eth0", Some("fe80::1")),
            ("unix:", None),
            ("-", None),
            ("", None),
            ("[", None),
            ("host.example", None),
        ];
        for (text, ip) in table {
            assert_eq!(address(text.as_bytes()), ip.map(|ip| ip.parse().unwrap()), "{text}");
        }
    }
}

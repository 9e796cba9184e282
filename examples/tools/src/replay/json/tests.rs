use std::{net::IpAddr, time::Duration};

use super::{Batch, Reject, parse};
use crate::replay::{record::Record, time::written};

fn read(line: &str) -> (Batch, Record) {
    let mut batch = Batch::default();
    parse(line.as_bytes(), &mut batch).unwrap_or_else(|error| panic!("{error:?}: {line}"));
    let record = batch.records()[0].clone();
    (batch, record)
}

/// The same request, as three servers and a collector of logs write it.
const SAME: [&str; 5] = [
    r#"{"time_iso8601":"2015-05-17T10:05:03+00:00","remote_addr":"192.0.2.1","request":"GET /a?b HTTP/1.1",
        "status":"404","body_bytes_sent":"12","request_time":"0.250","http_referer":"-","http_user_agent":"curl/8.5",
        "http_host":"shop.example"}"#,
    r#"{"level":"info","ts":1431857103,"logger":"http.log.access","request":{"remote_ip":"198.51.100.9",
        "remote_port":"4711","client_ip":"192.0.2.1","proto":"HTTP/2.0","method":"GET","host":"shop.example:443",
        "uri":"/a?b","headers":{"User-Agent":["curl/8.5"],"Accept":["*/*"]},"tls":{"resumed":false}},
        "bytes_read":0,"duration":0.25,"size":12,"status":404,"resp_headers":{"Server":["x"]}}"#,
    r#"{"ClientAddr":"192.0.2.1:4711","ClientHost":"192.0.2.1","RequestMethod":"GET","RequestPath":"/a?b",
        "RequestHost":"shop.example","DownstreamStatus":404,"DownstreamContentSize":12,"Duration":250000000,
        "StartUTC":"2015-05-17T10:05:03Z","request_User-Agent":"curl/8.5"}"#,
    r#"{"@timestamp":"2015-05-17T12:05:03+02:00","source":{"ip":"192.0.2.1"},"http":{"request":{"method":"GET"},
        "response":{"status_code":404,"body":{"bytes":12}}},"url":{"path":"/a","query":"b","domain":"shop.example"},
        "event":{"duration":250000000},"user_agent":{"original":"curl/8.5"}}"#,
    r#"{"latency":"250ms","msec":"1431857103","ip":"::ffff:192.0.2.1","verb":"GET",
        "url":"https://shop.example/a?b","response":404,"bytes":12,"agent":"curl\/8.5"}"#,
];

#[test]
fn the_names_of_several_servers_say_the_same() {
    for line in SAME {
        let line = line.replace('\n', " ");
        let (batch, record) = read(&line);
        assert_eq!(record.client, "192.0.2.1".parse::<IpAddr>().unwrap(), "{line}");
        assert_eq!(written(record.at), "2015-05-17 10:05:03", "{line}");
        assert!(!record.is_fine, "{line}");
        assert_eq!(
            (batch.text(record.method), batch.text(record.target)),
            ("GET", "/a?b"),
            "{line}"
        );
        assert_eq!(batch.text(record.host), "shop.example", "{line}");
        assert_eq!((record.status, record.size), (404, Some(12)), "{line}");
        assert_eq!(record.duration, Some(Duration::from_millis(250)), "{line}");
        assert_eq!(record.agent.map(|part| batch.part(part)), Some(&b"curl/8.5"[..]), "{line}");
        assert_eq!(record.referer, None, "{line}");
    }
}

#[test]
fn the_client_behind_a_proxy_counts_before_the_proxy_in_any_order() {
    for line in [
        r#"{"remote_addr":"10.0.0.1","client_ip":"192.0.2.7","ts":1,"uri":"/"}"#,
        r#"{"client_ip":"192.0.2.7","remote_addr":"10.0.0.1","ts":1,"uri":"/"}"#,
    ] {
        let (batch, record) = read(line);
        assert_eq!(record.client, "192.0.2.7".parse::<IpAddr>().unwrap());
        assert_eq!((batch.text(record.method), record.status), ("GET", 0));
    }
}

#[test]
fn what_is_no_request_is_refused_with_a_reason() {
    let table = [
        ("", "no object"),
        ("[]", "no object"),
        ("7", "no object"),
        ("{\"ts\":1", "no object"),
        ("{} {}", "no object"),
        ("{}", "no client"),
        (r#"{"ip":{"ip":"192.0.2.1"}}"#, "no client"),
        (r#"{"ip":"somebody"}"#, "the client"),
        (r#"{"ip":"192.0.2.1"}"#, "no time"),
        (r#"{"ip":"192.0.2.1","ts":"soon"}"#, "the time"),
        (r#"{"ip":"192.0.2.1","ts":-5}"#, "the time"),
        (r#"{"ip":"192.0.2.1","ts":1}"#, "no request"),
        (r#"{"ip":"192.0.2.1","ts":1,"uri":"/","status":20000}"#, "the status"),
        (r#"{"ip":"192.0.2.1","ts":1,"uri":"/\xff"}"#, "no object"),
    ];
    for (line, reason) in table {
        let mut batch = Batch::default();
        match parse(line.as_bytes(), &mut batch) {
            Err(Reject::Malformed(told)) => assert!(told.starts_with(reason), "{line}: {told}"),
            other => panic!("{line}: {other:?}"),
        }
        assert_eq!(batch.bytes(), 0, "nothing is left: {line}");
    }
    let mut batch = Batch::default();
    let line = br#"{"ip":"192.0.2.1","ts":1,"request":"-","status":408}"#;
    assert_eq!(parse(line, &mut batch), Err(Reject::NoRequest));
}

#[test]
fn deep_and_long_lines_are_only_passed_over() {
    let deep = format!(
        r#"{{"ip":"192.0.2.1","ts":1,"uri":"/","x":{}1{}}}"#,
        "{\"a\":".repeat(100),
        "}".repeat(100)
    );
    assert_eq!(read(&deep).1.status, 0);
    // Deeper than the reader of JSON follows: malformed, not a panic.
    let deeper = format!(r#"{{"ip":"192.0.2.1","x":{}"#, "[".repeat(60_000));
    assert!(parse(deeper.as_bytes(), &mut Batch::default()).is_err());
}

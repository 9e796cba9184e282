//! curl itself, asked to send the same: what it sends is what was understood.
//!
//! Only to this machine, and only where there is a curl; else it is said that nothing was compared.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write, stderr},
    net::{Ipv4Addr, TcpListener},
    process::{Command, Stdio},
    thread,
};

use super::tests::of;

/// Method, target and headers, those of one name joined.
type Sent = (String, String, BTreeMap<String, String>);

/// What curl sends for these arguments, where `URL` stands for this machine.
fn sent(args: &[&str]) -> Sent {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(&stream);
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            lines.read_line(&mut line).unwrap();
            if line.trim_end().is_empty() {
                break;
            }
            head.push(line.trim_end().to_owned());
        }
        let length = head.iter().find_map(|line| line.strip_prefix("Content-Length: "));
        let length = length.map_or(0, |length| length.parse().unwrap());
        lines.take(length).read_to_end(&mut Vec::new()).unwrap();
        let _ = (&stream)
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        head
    });
    let args: Vec<String> = args.iter().map(|arg| arg.replace("URL", &address)).collect();
    // -q first: no file of somebody's settings. And whoever has a proxy does not need it for this.
    let mut curl = Command::new("curl");
    curl.args(["-q", "--noproxy", "*", "--path-as-is", "--max-time", "20"]).args(&args);
    let done = curl.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(done.success(), "{args:?}: {done}");
    let head = server.join().unwrap();
    let mut words = head[0].split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let lines = head[1..].iter().map(|line| line.split_once(':').unwrap());
    let host = address.clone();
    let lines =
        lines.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().replace(&host, "URL")));
    (method, target, joined(lines))
}

fn joined(lines: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in lines {
        // Which version it is, what it can unpack, and what it has made up are its own matter.
        let value = match name.as_str() {
            "user-agent" if value.starts_with("curl/") => "curl".to_owned(),
            "accept-encoding" => "some".to_owned(),
            // Versions differ in whether a blank follows.
            "cookie" => value.replace("; ", ";"),
            "content-type" if value.starts_with("multipart/") => "multipart".to_owned(),
            _ => value,
        };
        let all = joined.entry(name).or_default();
        all.push_str(&value);
        all.push('\n');
    }
    joined
}

#[test]
fn curl_itself_sends_what_is_understood() {
    let version = Command::new("curl").arg("--version").stdout(Stdio::null()).status();
    if !version.is_ok_and(|status| status.success()) {
        let _ = writeln!(stderr(), "\n!! NOT TESTED: there is no curl to compare with");
        return;
    }
    for args in [
        &["URL"][..],
        &["http://URL"],
        &["http://URL/a/../.env?x=%2F#top"],
        &["http://URL?q=1"],
        &["-X", "DELETE", "URL/x"],
        &["-I", "URL"],
        &["-d", "a=1", "-d", "b=2", "URL"],
        &["-d", "a=1", "-X", "PUT", "URL"],
        &["-G", "-d", "a=1", "-d", "b", "URL/x?y"],
        &["-G", "-d", "a=1", "URL/x"],
        &["--data-raw", "@x", "URL"],
        &["--data-binary", "a\nb", "URL"],
        &["-d", "", "URL"],
        &[
            "--data-urlencode",
            "a=b c/\u{fc}",
            "--data-urlencode",
            "=x y",
            "--data-urlencode",
            "p q",
            "URL",
        ],
        &["-H", "X-A:  b c ", "-H", "x-a: d", "-H", "X-Empty;", "URL"],
        &["-H", "User-Agent:", "-H", "Accept: text/html", "URL"],
        &["-H", "Host: other.example", "URL"],
        &["-A", "", "URL"],
        &["-A", "me", "-e", "http://r/", "URL"],
        &["-A", "me", "-H", "user-agent: it", "URL"],
        &["-b", "a=1", "-b", "b=2; c=3", "URL"],
        &["-u", "Aladdin:open sesame", "URL"],
        &["http://a:b%40@URL/"],
        &["--oauth2-bearer", "t", "URL"],
        &["-r", "0-9", "URL"],
        &["-G", "--data-urlencode", "a=b c", "URL/x"],
        &["--json", "{}", "--json", "[]", "URL"],
        &["-F", "a=b", "-H", "content-length:", "URL"],
        &["--compressed", "URL"],
        &["-d", "x", "-H", "Content-Type: text/plain", "URL"],
        &["-sSkLvi", "-o", "-", "-w", "%{http_code}", "URL"],
        &["--http1.1", "URL"],
        &["--url", "URL/x"],
    ] {
        let curl = of(args);
        let understood = (curl.method, curl.target, joined(curl.headers.into_iter()));
        assert_eq!(understood, sent(args), "understood and sent, of {args:?}");
    }
}

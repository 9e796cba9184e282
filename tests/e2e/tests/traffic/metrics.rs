//! What a gate tells is understood by others as it was meant: the strict parser of Prometheus' client for
//! Python, and a Prometheus that scrapes it and answers everything that the dashboard asks.
//!
//! They are programs of the distribution (Debian: python3-prometheus-client, prometheus). Where they are not
//! there, it is said loudly that nothing is tested; with `PORTCULLIS_REQUIRE_PROMETHEUS=1` that is a failure.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use portcullis::{
    CidrSet, Defence, Gate, LimitRule, Outcome, Posture, Quota, Request, Timestamp,
    gate::OPEN_METRICS_TYPE,
    limit::remote::{FleetSettings, OnFailure},
    rule::{Action, Rule, RuleMode, Scheme},
};
use serde_json::Value;

const NOW: Timestamp = Timestamp::from_secs(1);

/// Reads the text, and writes what it has understood as JSON: of each family its type, unit and samples.
const PARSER: &str = "
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
print(json.dumps([
    [f.name, f.type, f.unit, [[s.name, s.labels, s.value] for s in f.samples]]
    for f in parse(sys.stdin.read())
]))
";

/// Names that would end a label, a line or the text, if nobody minded them.
const NAMES: [&str; 4] = ["} 1 # {a=b},c", "# EOF", "# TYPE x counter", "'$x'; {{x}} <b>"];
/// A list's name is the service's own, and can be anything.
const LIST: &str = "a\"b\\c\nd\\n, \u{fc}";

/// One of everything.
fn gate() -> Gate {
    let [deny, shadow, per_client, shared] = NAMES;
    let rule = |name: &str, path: &str| {
        let when = Scheme::new().parse(&format!("path eq \"{path}\"")).unwrap();
        Rule::new(name, when).then(Action::Deny { status: 403 })
    };
    let gate = Gate::builder()
        .exempt("192.0.2.1".parse().unwrap())
        .deny("198.51.100.0/24".parse().unwrap())
        .allow("198.51.100.7".parse().unwrap())
        .list(LIST, "203.0.113.0/24".parse::<CidrSet>().unwrap())
        .rule(rule(deny, "/.env"))
        .rule(rule(shadow, "/watched").mode(RuleMode::Shadow))
        .limit(per_client, Quota::per_hour(3))
        .limit_rule(LimitRule::in_flight("all places", 500).by([]))
        .limit_rule(LimitRule::new(shared, Quota::per_minute(100)).fleet(OnFailure::Local))
        .fleet(FleetSettings::new())
        .defence(Defence::up_to(Posture::Elevated))
        .build()
        .unwrap();
    gate.set_candidate([rule("candidate", "/watched")]).unwrap();
    gate
}

/// So many clients, each with a request of every kind, and what only a client could have written.
fn ask_everything(gate: &Gate, clients: u32) {
    let unknown = Request::new(None).method("GET").target("/");
    let _ = gate.check(&unknown, NOW).into_result();
    for client in 0..clients {
        let [_, a, b, c] = client.wrapping_mul(7_919).to_be_bytes();
        let own = format!("/{client}\"}} 1\n# EOF");
        let agent = format!("agent-{client}");
        for (first, target) in
            [(10, "/"), (10, "/"), (10, &*own), (10, "/watched"), (10, "/.env"), (198, "/")]
        {
            let ip = if first == 198 { [198, 51, 100, c] } else { [first, a, b, c] };
            let request = Request::new(IpAddr::V4(Ipv4Addr::from(ip)))
                .method("GET")
                .target(target)
                .header("user-agent", &agent);
            if let Ok(admission) = gate.check(&request, NOW).into_result() {
                gate.finish(admission, Outcome::status(200), NOW);
            }
        }
    }
    let exempt = Request::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))).method("GET").target("/");
    let _ = gate.check(&exempt, NOW).into_result();
}

/// A sample's name and its labels.
type Series = (String, BTreeMap<String, String>);

/// What the parser has understood.
#[derive(Debug)]
struct Understood {
    /// Of each family its type and its unit.
    families: BTreeMap<String, (String, String)>,
    samples: BTreeMap<Series, f64>,
}

impl Understood {
    fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let labels = labels.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        let series = (name.to_owned(), labels.collect());
        let value = self.samples.get(&series).unwrap_or_else(|| panic!("no {series:?}"));
        assert!(value.fract() == 0.0 && (0.0..1e15).contains(value), "{series:?} is {value}");
        *value as u64
    }
}

/// The text through the strict parser; `None` where there is none.
fn understood(text: &str) -> Option<Understood> {
    // The distribution's own knows the packages of the distribution, whatever else is called so.
    let has_it = |python: &&str| {
        let found = Command::new(python)
            .args(["-c", "import prometheus_client.openmetrics.parser"])
            .stderr(Stdio::null())
            .status();
        found.is_ok_and(|status| status.success())
    };
    let Some(python) = ["python3", "/usr/bin/python3"].into_iter().find(has_it) else {
        not_tested("there is no python3 with prometheus_client");
        return None;
    };
    let mut child = Command::new(python)
        .args(["-c", PARSER])
        .env("PYTHONIOENCODING", "utf-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "it is not understood:\n{text}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut understood = Understood { families: BTreeMap::new(), samples: BTreeMap::new() };
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    for family in told.as_array().unwrap() {
        let kind = (word(&family[1]), word(&family[2]));
        assert_eq!(understood.families.insert(word(&family[0]), kind), None, "told as a whole");
        for sample in family[3].as_array().unwrap() {
            let labels = sample[1].as_object().unwrap().iter();
            let labels = labels.map(|(name, value)| (name.clone(), word(value))).collect();
            let value = sample[2].as_f64().unwrap();
            let before = understood.samples.insert((word(&sample[0]), labels), value);
            assert_eq!(before, None, "each series is told once");
        }
    }
    Some(understood)
}

#[test]
fn a_strict_parser_understands_what_was_counted() {
    let gate = gate();
    ask_everything(&gate, 50);
    let Some(told) = understood(&gate.open_metrics(NOW)) else { return };
    let stats = gate.stats();
    let requests = |outcome| told.count("portcullis_requests_total", &[("outcome", outcome)]);
    assert_eq!((requests("admitted"), requests("denied")), (stats.admitted(), stats.denied()));
    assert!(stats.admitted() > 100 && stats.denied() > 100, "{stats:?}");
    for (name, count) in [
        ("portcullis_exempted_requests_total", stats.exempted()),
        ("portcullis_allowed_requests_total", stats.allowed()),
        ("portcullis_missing_peer_requests_total", stats.missing_peer()),
        ("portcullis_saturated_requests_total", stats.saturated()),
    ] {
        assert_eq!(told.count(name, &[]), count, "{name}");
    }
    for (class, name) in [(1, "1xx"), (2, "2xx"), (3, "3xx"), (4, "4xx"), (5, "5xx")] {
        let count = told.count("portcullis_finished_requests_total", &[("class", name)]);
        assert_eq!(count, stats.finished_with_class(class), "{name}");
    }
    // Their names come back as they are, whatever is in them.
    let names: Vec<&str> = stats.rules().iter().map(|rule| rule.name()).collect();
    assert!(NAMES.iter().all(|name| names.contains(name)), "{names:?}");
    for rule in stats.rules() {
        let labels = [("rule", rule.name()), ("kind", rule.kind().name())];
        let count = |name| told.count(name, &labels);
        assert_eq!(count("portcullis_rule_matches_total"), rule.matched(), "{rule:?}");
        assert_eq!(count("portcullis_rule_shadow_matches_total"), rule.would_have(), "{rule:?}");
        for (effect, count) in [("enforced", rule.denied()), ("shadow", rule.would_deny())] {
            let more = [("stage", rule.stage().name()), ("effect", effect)];
            let labels = [&labels[..], &more].concat();
            assert_eq!(told.count("portcullis_denials_total", &labels), count, "{rule:?}");
        }
    }
    assert_eq!(told.count("portcullis_list_entries", &[("list", LIST)]), 1);
    assert_eq!(told.count("portcullis_memory_bytes", &[]), gate.memory_bytes() as u64);

    let kind = |name: &str| told.families.get(name).map(|(kind, unit)| (&**kind, &**unit));
    assert_eq!(kind("portcullis_requests"), Some(("counter", "")));
    assert_eq!(kind("portcullis_posture"), Some(("stateset", "")));
    assert_eq!(kind("portcullis_memory_bytes"), Some(("gauge", "bytes")));
    assert_eq!(kind("portcullis_load_ratio"), Some(("gauge", "ratio")));
    let others = told.families.keys().filter(|name| !name.starts_with("portcullis_"));
    assert_eq!(others.count(), 0);
}

/// Whoever stores this pays for each series, so nobody outside may make one.
#[test]
fn there_are_as_many_series_whoever_comes() {
    let (quiet, busy) = (gate(), gate());
    ask_everything(&quiet, 1);
    ask_everything(&busy, 2_000);
    let Some(quiet) = understood(&quiet.open_metrics(NOW)) else { return };
    let Some(busy) = understood(&busy.open_metrics(NOW)) else { return };
    assert_eq!(quiet.families, busy.families);
    let series = |told: &Understood| told.samples.keys().cloned().collect::<BTreeSet<Series>>();
    assert_eq!(series(&quiet), series(&busy));
    assert_ne!(quiet.samples, busy.samples);
}

/// From the gate to the panel: Prometheus scrapes it, and answers whatever the dashboard asks.
#[test]
fn prometheus_scrapes_it_and_answers_the_dashboard() {
    let gate = gate();
    ask_everything(&gate, 20);
    let stats = gate.stats();
    let target = serve(gate.open_metrics(NOW));
    let Some(prometheus) = Prometheus::start(target) else { return };
    prometheus.wait_until_scraped();

    let one = |query: &str| -> f64 {
        let found = prometheus.ask(query);
        let [series] = found.as_slice() else { panic!("{query}: {found:?}") };
        series["value"][1].as_str().unwrap().parse().unwrap()
    };
    let admitted = one(r#"portcullis_requests_total{job="gate",outcome="admitted"}"#);
    assert_eq!(admitted, stats.admitted() as f64);
    for name in NAMES {
        let rule = stats.rule(name).unwrap();
        let denied = one(&format!(
            "portcullis_denials_total{{rule={},effect=\"enforced\"}}",
            serde_json::to_string(name).unwrap()
        ));
        assert_eq!(denied, rule.denied() as f64, "{name}");
    }
    assert_eq!(one(r#"portcullis_mode{portcullis_mode="enforce"}"#), 1.0);

    let dashboard = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/grafana.json");
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(dashboard).unwrap()).unwrap();
    let (mut asked, mut answered) = (0, 0);
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().unwrap();
            let query = query.replace("$job", "gate").replace("$instance", ".*");
            // Rates need two scrapes, and there may be only one; gauges are there.
            let found = prometheus.ask(&query.replace("$__rate_interval", "1m"));
            let is_gauge = !query.contains("_total");
            assert!(!is_gauge || !found.is_empty(), "{}: {query}", panel["title"]);
            asked += 1;
            answered += usize::from(!found.is_empty());
        }
    }
    assert!(asked > 40 && answered > 15, "{answered} of {asked}");
}

/// Serves one text to whoever asks, for as long as the test goes on.
fn serve(text: String) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut lines = BufReader::new(&stream).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let length = text.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: {OPEN_METRICS_TYPE}\r\ncontent-length: {length}\r\n\
                 connection: close\r\n\r\n{text}"
            );
        }
    });
    address
}

/// A server that is killed at the end, with its folder.
struct Prometheus {
    child: Child,
    address: SocketAddr,
    folder: std::path::PathBuf,
}

impl Prometheus {
    /// `None` where there is none.
    fn start(target: SocketAddr) -> Option<Self> {
        let mut version = Command::new("prometheus");
        version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        if !version.status().is_ok_and(|status| status.success()) {
            not_tested("there is no prometheus");
            return None;
        }
        let folder = env::temp_dir().join(format!("portcullis-prometheus-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let config = folder.join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n\
             - job_name: gate\n  static_configs: [{{targets: ['{target}']}}]\n"
        );
        fs::write(&config, text).unwrap();
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=error")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Some(Self { child, address, folder })
    }

    fn wait_until_scraped(&self) {
        let start = Instant::now();
        loop {
            let up = self.get("/api/v1/query?query=up");
            if up.as_ref().is_some_and(|up| up["data"]["result"][0]["value"][1] == "1") {
                return;
            }
            if start.elapsed() > Duration::from_secs(60) {
                let targets = self.get("/api/v1/targets");
                panic!("it was not scraped: {up:?}, {targets:?}");
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// What an instant query finds.
    fn ask(&self, query: &str) -> Vec<Value> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let told = self.get(&format!("/api/v1/query?query={encoded}")).unwrap();
        assert_eq!(told["status"], "success", "{query}: {told}");
        told["data"]["result"].as_array().unwrap().clone()
    }

    /// `None` while it does not answer with JSON.
    fn get(&self, target: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
        write!(stream, "GET {target} HTTP/1.0\r\nhost: localhost\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn not_tested(why: &str) {
    let is_required =
        env::var_os("PORTCULLIS_REQUIRE_PROMETHEUS").is_some_and(|value| value == "1");
    assert!(!is_required, "PORTCULLIS_REQUIRE_PROMETHEUS is set, and {why}");
    // Past the harness, which keeps to itself what a test that passes prints.
    let _ = writeln!(io::stderr(), "\n!! NOT TESTED: {why}");
}

//! The status page, asked over real connections: who is let in, what comes, and what is done.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::{Router, routing::get};
use http::request::Parts;
use portcullis::{Defence, Gate, GateLayer, Mode, Posture, Quota, SystemClock, axum::StatusPage};
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::oneshot,
    time::{Instant, timeout},
};

use super::{
    client,
    wire::{Answer, Connection},
};

const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const PATIENCE: Duration = Duration::from_secs(60);

fn everybody(_: &Parts) -> bool {
    true
}

/// Who knows the word.
fn knows(request: &Parts) -> bool {
    request.headers.get("authorization").is_some_and(|word| word == "Bearer sesame")
}

const SESAME: &str = "authorization: Bearer sesame\r\n";

fn gate() -> Gate {
    let gate = Gate::builder().limit("per client", Quota::per_hour(50));
    gate.defence(Defence::up_to(Posture::Defend)).build().unwrap()
}

/// A service that says hello behind the gate, and has the page beside it.
async fn serve(gate: &Gate, page: &StatusPage) -> SocketAddr {
    serve_until(gate, page, std::future::pending()).await.0
}

async fn serve_until(
    gate: &Gate,
    page: &StatusPage,
    stop: impl Future<Output = ()> + Send + 'static,
) -> (SocketAddr, oneshot::Receiver<()>) {
    let app = Router::new()
        .route("/", get(|| async { "hello" }))
        .layer(GateLayer::new(gate))
        .nest("/status", page.router());
    let listener = TcpListener::bind((HERE, 0)).await.unwrap();
    let server = listener.local_addr().unwrap();
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let (ended, end) = oneshot::channel();
    tokio::spawn(async move {
        axum::serve(listener, service).with_graceful_shutdown(stop).await.unwrap();
        let _ = ended.send(());
    });
    (server, end)
}

async fn ask(server: SocketAddr, method: &str, path: &str, lines: &str, body: &str) -> Answer {
    let mut connection = Connection::open(HERE, server).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {server}\r\ncontent-length: {length}\r\n{lines}\r\n{body}"
    );
    connection.send(request.as_bytes()).await.unwrap();
    match method {
        "HEAD" => connection.head().await.unwrap(),
        _ => connection.answer_or_empty().await.unwrap(),
    }
}

async fn look(server: SocketAddr, path: &str, lines: &str) -> u16 {
    ask(server, "GET", path, lines, "").await.status
}

/// An action as the page sends it, besides these lines.
async fn act(server: SocketAddr, lines: &str, body: &str) -> (u16, Value) {
    let lines = format!(
        "content-type: application/json\r\nx-portcullis-act: 1\r\norigin: http://{server}\r\n\
         sec-fetch-site: same-origin\r\n{lines}"
    );
    let answer = ask(server, "POST", "/status/act", &lines, body).await;
    let told: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(told["done"], json!(answer.status == 200), "{answer:?}");
    assert!(told["text"].as_str().is_some_and(|text| !text.is_empty()), "{answer:?}");
    (answer.status, told)
}

/// Somebody who looks.
struct Looking {
    connection: Connection,
}

impl Looking {
    async fn open(server: SocketAddr, lines: &str) -> Self {
        let mut looking = Self::ask(server, lines).await;
        looking.connection.until("\r\n\r\n").await.unwrap();
        looking
    }

    async fn ask(server: SocketAddr, lines: &str) -> Self {
        let mut connection = Connection::open(HERE, server).await.unwrap();
        let request = format!(
            "GET /status/stream HTTP/1.1\r\nhost: {server}\r\naccept: text/event-stream\r\n{lines}\r\n"
        );
        connection.send(request.as_bytes()).await.unwrap();
        Self { connection }
    }

    /// The data of the next event, which has this name.
    async fn next(&mut self, name: &str) -> Value {
        self.connection.until(&format!("event: {name}\ndata: ")).await.unwrap();
        let data = self.connection.line().await.unwrap();
        serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}"))
    }
}

#[tokio::test]
async fn hello_comes_first_and_then_what_the_gate_does() {
    let gate = gate();
    let page = StatusPage::new(&gate).title("shop </script>").allow_actions(knows);
    let server = serve(&gate, &page).await;
    let mut one = Looking::open(server, "").await;
    let hello = one.next("hello").await;
    assert_eq!((&hello["title"], &hello["can_act"]), (&json!("shop </script>"), &json!(false)));
    assert!(hello["version"].as_str().is_some_and(|version| version.split('.').count() == 3));
    assert!(hello["refuses"].as_str().is_some_and(|why| why.contains("does not let you act")));
    let before = one.next("status").await;
    assert_eq!(before["counts"]["checked"], 0);
    assert_eq!(before["limits"][0]["name"], "per client");
    assert_eq!(before["defence"]["posture"], "normal");

    // Another one, who may act.
    let mut other = Looking::open(server, SESAME).await;
    let hello = other.next("hello").await;
    assert_eq!((&hello["can_act"], &hello["refuses"]), (&json!(true), &json!("")));
    other.next("status").await;
    for _ in 0..3 {
        assert_eq!(client::get(server).await.unwrap().status, 200);
    }
    for looking in [&mut one, &mut other] {
        let until = Instant::now() + PATIENCE;
        let mut seconds = 0.0;
        loop {
            let status = looking.next("status").await;
            assert!(status["seconds"].as_f64().unwrap() > seconds, "time goes on");
            seconds = status["seconds"].as_f64().unwrap();
            if status["counts"]["admitted"] == 3 {
                break;
            }
            assert!(Instant::now() < until, "{status}");
        }
    }
}

#[tokio::test]
async fn the_17th_is_told_to_come_back_and_gets_the_place_of_who_goes() {
    let gate = gate();
    let server = serve(&gate, &StatusPage::new(&gate)).await;
    let mut looking = Vec::new();
    for _ in 0..16 {
        let mut one = Looking::open(server, "").await;
        one.next("hello").await;
        looking.push(one);
    }
    let refused = ask(server, "GET", "/status/stream", "", "").await;
    assert_eq!((refused.status, refused.line("retry-after")), (503, Some("5")));
    // Others are still shown a page, and a status.
    assert_eq!(
        [look(server, "/status", "").await, look(server, "/status/now", "").await],
        [200; 2]
    );
    looking.pop();
    // The server notices at the next event at the latest.
    let until = Instant::now() + PATIENCE;
    loop {
        let mut again = Looking::ask(server, "").await;
        if again.connection.line().await.unwrap().contains("200") {
            again.next("hello").await;
            break;
        }
        assert!(Instant::now() < until, "no place");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A few events fit into the buffers of the system: so this says that others are served, and not what a full one does.
#[tokio::test]
async fn others_are_served_while_somebody_does_not_read() {
    let gate = gate();
    let server = serve(&gate, &StatusPage::new(&gate)).await;
    let _unread = Looking::ask(server, "").await;
    let mut other = Looking::open(server, "").await;
    other.next("hello").await;
    for _ in 0..3 {
        other.next("status").await;
    }
}

#[tokio::test]
async fn only_the_machine_itself_looks_unless_the_service_says_otherwise() {
    let gate = gate();
    let server = serve(&gate, &StatusPage::new(&gate)).await;
    for path in ["/status", "/status/now"] {
        assert_eq!(look(server, path, "").await, 200, "{path}");
    }
    for path in ["/status", "/status/now", "/status/stream"] {
        for line in
            ["x-forwarded-for: 127.0.0.1", "forwarded: for=_a", "x-real-ip: ::1", "via: 1.1 a"]
        {
            let refused = ask(server, "GET", path, &format!("{line}\r\n"), "").await;
            assert_eq!(refused.status, 403, "{path} {line}");
            assert!(refused.body.contains("StatusPage::allow_viewing"), "{}", refused.body);
        }
    }
    // Through a name that a site has let lead here.
    let mut rebound = Connection::open(HERE, server).await.unwrap();
    assert_eq!(rebound.get("/status", "").await.unwrap().status, 403, "host: e2e.test");

    let words = serve(&gate, &StatusPage::new(&gate).allow_viewing(knows)).await;
    assert_eq!(look(words, "/status", "").await, 403);
    let proxied = format!("{SESAME}x-forwarded-for: 192.0.2.1\r\n");
    assert_eq!(look(words, "/status", &proxied).await, 200);
}

#[tokio::test]
async fn without_connect_info_the_refusal_names_it() {
    let gate = gate();
    let app: Router = Router::new().nest("/status", StatusPage::new(&gate).router());
    let listener = TcpListener::bind((HERE, 0)).await.unwrap();
    let server = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    let refused = ask(server, "GET", "/status", "", "").await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("into_make_service_with_connect_info"), "{}", refused.body);
}

#[tokio::test]
async fn the_page_is_one_file_that_talks_to_nobody_else() {
    let gate = gate();
    let server = serve(&gate, &StatusPage::new(&gate)).await;
    let page = ask(server, "GET", "/status", "", "").await;
    assert_eq!(page.status, 200);
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
    ] {
        assert_eq!(page.line(name), Some(value));
    }
    let policy = page.line("content-security-policy").unwrap();
    let nonce = policy.split('\'').find_map(|word| word.strip_prefix("nonce-")).unwrap();
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.body.matches(&format!("nonce=\"{nonce}\"")).count(), 2);
    assert!(!page.body.contains("{{nonce}}"));
    let head = ask(server, "HEAD", "/status", "", "").await;
    assert_eq!((head.status, head.line("content-type")), (200, page.line("content-type")));
    assert_eq!(head.line("content-length"), Some(&*page.body.len().to_string()));
    for (method, path) in [("POST", "/status"), ("PUT", "/status/now"), ("GET", "/status/act")] {
        assert_eq!(ask(server, method, path, "", "").await.status, 405, "{method} {path}");
    }
}

#[tokio::test]
async fn nobody_acts_unless_the_service_says_so() {
    let gate = gate();
    let off = r#"{"act":"mode","mode":"off"}"#;
    let server = serve(&gate, &StatusPage::new(&gate)).await;
    let (status, told) = act(server, SESAME, off).await;
    assert_eq!(status, 403);
    assert!(told["text"].as_str().unwrap().contains("StatusPage::allow_actions"), "{told}");

    let server = serve(&gate, &StatusPage::new(&gate).allow_actions(knows)).await;
    assert_eq!(act(server, "", off).await.0, 403);
    assert_eq!(act(server, "authorization: Bearer guess\r\n", off).await.0, 403);
    // The other guard is asked as well.
    let proxied = format!("{SESAME}x-forwarded-for: 192.0.2.1\r\n");
    assert_eq!(act(server, &proxied, off).await.0, 403);
    assert_eq!(gate.mode(), Mode::Enforce);
    assert_eq!(act(server, SESAME, off).await.0, 200);
    assert_eq!(gate.mode(), Mode::Off);
}

/// What a form, or a script of another site, in the browser of who may act could send.
#[tokio::test]
async fn other_sites_do_not_act() {
    let gate = gate();
    let page = StatusPage::new(&gate).allow_viewing(everybody).allow_actions(everybody);
    let server = serve(&gate, &page).await;
    let body = r#"{"act":"mode","mode":"off"}"#;
    let (json, mark) = ("content-type: application/json\r\n", "x-portcullis-act: 1\r\n");
    for (lines, expected) in [
        ("content-type: text/plain\r\norigin: https://evil.example\r\n".to_owned(), 403),
        (format!("{json}{mark}origin: https://evil.example\r\n"), 403),
        (format!("{json}{mark}origin: null\r\n"), 403),
        (format!("{json}{mark}origin: http://{}:1\r\n", server.ip()), 403),
        (format!("{json}{mark}sec-fetch-site: cross-site\r\n"), 403),
        (format!("{json}{mark}sec-fetch-site: same-site\r\n"), 403),
        (json.to_owned(), 403),
        (mark.to_owned(), 415),
        (format!("{mark}content-type: text/plain\r\n"), 415),
    ] {
        let answer = ask(server, "POST", "/status/act", &lines, body).await;
        assert_eq!(answer.status, expected, "{lines}");
        assert!(answer.body.starts_with(r#"{"done":false,"#), "{}", answer.body);
    }
    // A preflight is not answered with anything that would let the script go on.
    let preflight =
        ask(server, "OPTIONS", "/status/act", "origin: https://evil.example\r\n", "").await;
    assert_eq!((preflight.status, preflight.line("access-control-allow-origin")), (405, None));
    for path in ["/status/stream", "/status/now"] {
        assert_eq!(look(server, path, "sec-fetch-site: cross-site\r\n").await, 403, "{path}");
    }
    assert_eq!(gate.mode(), Mode::Enforce);
    // A program says nothing of sites.
    let answer = ask(server, "POST", "/status/act", &format!("{json}{mark}"), body).await;
    assert_eq!((answer.status, gate.mode()), (200, Mode::Off));
}

#[tokio::test]
async fn who_is_unbanned_is_served_and_the_page_shows_it_at_once() {
    let gate = gate();
    let server = serve(&gate, &StatusPage::new(&gate).allow_actions(everybody)).await;
    // Not by the page, which bans no loopback addresses.
    let ban = r#"{"act":"ban","net":"127.0.0.0/8","seconds":900}"#;
    assert_eq!(act(server, "", ban).await.0, 400);
    let (net, time) = ("127.0.0.0/8".parse().unwrap(), Duration::from_secs(900));
    gate.bans().add(net, time, "<b>too much</b>", SystemClock::now());
    assert_eq!(client::get(server).await.unwrap().status, 429);
    let mut looking = Looking::open(server, "").await;
    let status = looking.next("status").await;
    assert_eq!(status["bans"][0]["net"], "127.0.0.0/8");
    assert_eq!(status["bans"][0]["reason"], "<b>too much</b>");
    let raw = ask(server, "GET", "/status/now", "", "").await;
    assert!(raw.body.contains(r"\u003cb\u003etoo much") && !raw.body.contains('<'), "{}", raw.body);

    let unban = r#"{"act":"unban","net":"127.0.0.0/8"}"#;
    assert_eq!(act(server, "", unban).await.0, 200);
    let now = ask(server, "GET", "/status/now", "", "").await;
    let now: Value = serde_json::from_str(&now.body).unwrap();
    assert_eq!(now["bans"], json!([]), "what an action has changed is shown next");
    // One that still tells of the ban may have been sent before.
    let until = Instant::now() + PATIENCE;
    while looking.next("status").await["bans"] != json!([]) {
        assert!(Instant::now() < until, "the ban is still shown");
    }
    assert_eq!(client::get(server).await.unwrap().status, 200);
    assert_eq!(act(server, "", unban).await.0, 404);
}

#[tokio::test]
async fn all_actions_do_what_they_say() {
    let gate = gate();
    let server = serve(&gate, &StatusPage::new(&gate).allow_actions(everybody)).await;
    let act = async |body| act(server, "", body).await.0;
    assert_eq!(act(r#"{"act":"mode","mode":"observe"}"#).await, 200);
    assert_eq!(gate.mode(), Mode::Observe);
    assert_eq!(act(r#"{"act":"mode","mode":"enforce"}"#).await, 200);
    assert_eq!(gate.mode(), Mode::Enforce);
    assert_eq!(act(r#"{"act":"drill","seconds":60}"#).await, 200);
    assert_eq!(gate.posture(), Posture::Elevated);
    assert_eq!(act(r#"{"act":"drill","seconds":60}"#).await, 409);
    assert_eq!(act(r#"{"act":"force","posture":"defend","seconds":600}"#).await, 200);
    assert_eq!(gate.posture(), Posture::Defend);
    assert_eq!(act(r#"{"act":"release"}"#).await, 200);
    assert_eq!(gate.posture(), Posture::Normal);
    assert_eq!(act(r#"{"act":"pin","name":"auto-3"}"#).await, 404);
    assert_eq!(act(r#"{"act":"remove","name":"auto-3"}"#).await, 404);
    assert_eq!(act(r#"{"act":"ban","net":"192.0.2.7","seconds":1,"reason":""}"#).await, 200);
    let net = gate.bans().list(SystemClock::now())[0].net().unwrap();
    assert_eq!(net.addr(), "192.0.2.7".parse::<IpAddr>().unwrap());
    assert_eq!(act(r#"{"act":"ban","net":"0.0.0.0/0","seconds":1}"#).await, 400);
}

#[tokio::test]
async fn garbage_is_the_senders_fault() {
    let gate = gate();
    let server = serve(&gate, &StatusPage::new(&gate).allow_actions(everybody)).await;
    let long = "x".repeat(8 * 1_024 + 1);
    let deep = format!(r#"{{"act":{}"#, "[".repeat(8_000));
    for (body, expected) in [
        ("", 400),
        ("{}", 400),
        ("null", 400),
        ("\u{0}\u{1}", 400),
        (r#"["release"]"#, 400),
        (r#"{"act":"release","more":1}"#, 400),
        (r#"{"act":"ban","net":"192.0.2.0/24","seconds":-1}"#, 400),
        (r#"{"act":"mode","mode":"<script>"}"#, 400),
        (&deep, 400),
        (&long, 413),
    ] {
        assert_eq!(act(server, "", body).await.0, expected, "{:.40}", body);
    }
    assert_eq!((gate.mode(), gate.posture()), (Mode::Enforce, Posture::Normal));
    assert!(gate.bans().list(SystemClock::now()).is_empty());
}

/// Somebody has the page open, and the service ends all the same.
#[tokio::test]
async fn a_service_that_closes_its_page_ends() {
    let gate = gate();
    let page = StatusPage::new(&gate);
    let (stop, stopped) = oneshot::channel::<()>();
    let closes = page.clone();
    let until = async move {
        let _ = stopped.await;
        closes.close();
    };
    let (server, end) = serve_until(&gate, &page, until).await;
    let mut looking = Looking::open(server, "").await;
    looking.next("status").await;
    stop.send(()).unwrap();
    timeout(PATIENCE, end).await.expect("it ends").unwrap();
}

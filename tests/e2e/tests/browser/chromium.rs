//! A browser of a test's own, and the protocol that it speaks: JSON, each message with a zero byte at its end.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio, id},
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, channel},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

/// How long anything may take: a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

const PROGRAMS: [&str; 4] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// A browser that ends with the test, however that ends.
pub(crate) struct Chromium {
    process: Child,
    profile: PathBuf,
    /// The browser ends by itself when this is closed, so also when the test is killed.
    orders: Option<ChildStdin>,
    replies: Receiver<Value>,
    last: u64,
    events: Vec<Value>,
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Told first: a kill would reach only the first of its processes, and not those that it has started.
        self.orders = None;
        while self.replies.recv_timeout(PATIENCE / 6).is_ok() {}
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.profile);
    }
}

impl Chromium {
    /// The one that there is here; `None`, and it is said, if there is none.
    pub(crate) fn start() -> Option<Self> {
        let Some(program) = PROGRAMS.into_iter().find(|program| runs(program)) else {
            assert!(
                env::var_os("PORTCULLIS_REQUIRE_BROWSER").is_none(),
                "PORTCULLIS_REQUIRE_BROWSER is set, and there is no Chromium"
            );
            let skipped =
                "\n!! there is no Chromium here: the status page is not tested in a browser\n";
            // Past the harness, which keeps to itself what a test that passes prints.
            let _ = std::io::stderr().write_all(skipped.as_bytes());
            return None;
        };
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let profile = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("portcullis-browser-{}-{number}", id()));
        // The browser reads orders from its third file and writes replies to the fourth. Over pipes, not a port: nobody
        // else can speak to it, and there is no port to be found out.
        let mut process = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null"#, program])
            .args(["--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu"])
            // Containers often have little of it.
            .args(["--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars"])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a browser that starts");
        let orders = process.stdin.take();
        let mut output = BufReader::new(process.stdout.take().expect("a pipe"));
        let (sender, replies) = channel();
        thread::spawn(move || {
            let mut message = Vec::new();
            while output.read_until(0, &mut message).is_ok_and(|read| read > 0) {
                message.pop();
                let Ok(value) = serde_json::from_slice(&message) else { break };
                if sender.send(value).is_err() {
                    break;
                }
                message.clear();
            }
        });
        Some(Self { process, profile, orders, replies, last: 0, events: Vec::new() })
    }

    /// Gives an order, and waits for the reply to it; `session` is a tab's.
    #[track_caller]
    pub(crate) fn order(
        &mut self,
        session: Option<&str>,
        method: &str,
        parameters: Value,
    ) -> Value {
        self.last += 1;
        let mut order = json!({ "id": self.last, "method": method, "params": parameters });
        if let Some(session) = session {
            order["sessionId"] = session.into();
        }
        let mut text = order.to_string().into_bytes();
        text.push(0);
        let orders = self.orders.as_mut().expect("open");
        orders.write_all(&text).and_then(|()| orders.flush()).expect("a browser that listens");
        loop {
            // Longer than anything in the page waits, which then says what it has waited for.
            let reply = self.replies.recv_timeout(2 * PATIENCE);
            let mut reply = reply.unwrap_or_else(|_| panic!("no reply to {method}"));
            if reply["id"] == self.last {
                assert!(reply["error"].is_null(), "{method}: {}", reply["error"]);
                return reply["result"].take();
            }
            self.events.push(reply);
        }
    }

    /// What the browser has told by itself since this was asked before.
    pub(crate) fn events(&mut self) -> Vec<Value> {
        self.events.extend(self.replies.try_iter());
        std::mem::take(&mut self.events)
    }
}

fn runs(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

//! **Row 23: a client that writes into logs, and logs that tell of clients.**
//!
//! Identifiers: RUSTSEC-2025-0055 and CVE-2025-58160 (tracing-subscriber); CVE-2024-45808 (Envoy).
//!
//! The attack: a path or a user agent with escape sequences or line breaks, which the log of a refusal repeats: an operator's terminal is redrawn, and lines
//! appear that nobody has written. Or nothing of the kind, and addresses and tokens of users lie in logs for years.
//!
//! Ours: events carry nothing that a client has sent (`src/gate/trace/mod.rs` I1), sentences and reports are printable (`src/detect/sentence.rs` I1 I2,
//! `what_clients_write_is_no_markdown`), diagnostics can not redraw a terminal (`src/rule/render.rs` I2), and secrets are left out of `Debug`. This row has a hostile
//! client refused in each way, with a subscriber to everything, and reads all that the gate can be made to say.
//!
//! Shown to fail, tests counted from above:
//! - `src/limit/remote/settings.rs`, the secret in `Debug`: test 3;
//! - `src/gate/trace/teller.rs`, the client among the fields of a denial: test 4;
//! - `src/rule/render.rs`, `plain` lets everything through, or `src/request/mod.rs`, `Debug` shows the target as it
//!   came: test 1.

use portcullis::{Gate, Mode, Request, Timestamp, limit::remote::FleetSettings};

use crate::support::{client, gate, ip};

const NOW: Timestamp = Timestamp::from_secs(77);

/// In every part that a client writes.
const EVIL: &str = "mark\x1b[2J\r\nERROR forged\u{202e}\u{9b}";

fn hostile<'a>(from: &str) -> Request<'a> {
    Request::new(ip(from))
        .method(EVIL)
        .host(EVIL)
        .target("/mark\x1b[2J\r\nforged?mark")
        .header("user-agent", EVIL)
        .header("x-key", EVIL)
        .header("authorization", "Bearer mark")
}

const TEXT: &str = r#"
    deny = ["192.0.2.0/24"]
    [[rule]]
    name = "odd"
    when = 'arg["x"] eq "1" or header["x-odd"] eq "1"'
    then = "deny"
    [[rule]]
    name = "in shadow"
    when = 'path contains "forged"'
    then = "deny"
    mode = "shadow"
    [[limit]]
    name = "keys"
    by = 'header["x-key"]'
    quota = "3/h"
    then = { ban = "1h" }
    [[limit]]
    name = "each"
    quota = "1/h"
    then = { ban = "1h" }
"#;

/// Has a gate refuse in all ways, and says all that there is to be said to people about it.
fn refuse_and_tell(gate: &Gate) -> Vec<String> {
    let mut told = Vec::new();
    for mode in [Mode::Enforce, Mode::Observe] {
        gate.set_mode(mode);
        for from in [
            "192.0.2.1",
            "203.0.113.7",
            "2001:db8::7",
            "203.0.113.7",
            "203.0.113.8",
            "198.51.100.3",
        ] {
            let request =
                hostile(from).header("x-odd", if from == "203.0.113.8" { "1" } else { "" });
            told.push(gate.explain(&request, NOW).to_string());
            told.push(format!("{request:?}"));
            match gate.check(&request, NOW).into_result() {
                Ok(admission) => told.push(format!("{admission:?}").replace(from, "")),
                Err(denial) => {
                    told.extend([denial.to_string(), format!("{denial:?}").replace(from, "")])
                }
            }
        }
    }
    told.extend([
        format!("{gate:?}"),
        format!("{:?}", gate.stats()),
        gate.open_metrics(NOW).to_string(),
    ]);
    told.extend(gate.events().iter().map(|event| event.text.to_string()));
    told
}

fn is_printable(text: &str) -> bool {
    text.chars().all(|c| c == '\n' || !c.is_control() && !('\u{202a}'..='\u{202e}').contains(&c))
}

#[test]
fn nothing_that_is_said_to_people_can_redraw_a_terminal() {
    for text in refuse_and_tell(&gate(TEXT)) {
        assert!(is_printable(&text), "{text:?}");
    }
    // A text is somebody else's sometimes, too.
    for text in [
        format!("x = '''{EVIL}'''"),
        format!(
            "[[rule]]\nname = \"r\"\nwhen = '''path eq \"{EVIL}\" and pth'''\nthen = \"deny\"\n"
        ),
        EVIL.to_owned(),
        // As escapes, which a text may have; and as characters that only turn the direction of what follows.
        "\"ma\\u001b[2J\\nrk\\u202e\" = 1\n".to_owned(),
        "mode = \"\\u001b[2J\\u009b\"\n".to_owned(),
        "[lists]\n\"a\\u001b[2J\" = []\n".to_owned(),
        "[[rule]]\nname = \"r\"\nwhen = \"a\\u001b[2J eq 1 and $x\\u202e\"\nthen = \"deny\"\n"
            .to_owned(),
        "deny = [\"1.2.3.4\\u001b[2J\\u202e\"]\n".to_owned(),
        "mode = \"on\" # \u{202e}\u{2066}\n".to_owned(),
    ] {
        let mistakes = Gate::from_toml(&text).unwrap_err().to_string();
        assert!(is_printable(&mistakes), "{mistakes:?}");
    }
}

/// Numbers for machines name nobody, in labels least of all.
#[test]
fn metrics_and_statistics_name_no_client() {
    let gate = gate(TEXT);
    refuse_and_tell(&gate);
    let told = format!("{}{:?}{:?}", gate.open_metrics(NOW), gate.stats(), gate);
    for word in ["mark", "forged", "203.0.113", "2001:db8", "192.0.2", "198.51.100"] {
        assert!(!told.contains(word), "{word} in {told}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let secret = b"correct horse battery staple";
    let settings = FleetSettings::new().secret(secret).prefix("shop");
    let plain = format!("{:?}", FleetSettings::new().prefix("shop"));
    assert_eq!(format!("{settings:?}"), plain, "with and without a secret it looks alike");
    let gate = Gate::builder()
        .fleet(settings)
        .build_toml("[[limit]]\nname = \"a\"\nquota = \"1/h\"\nscope = \"fleet\"\n")
        .unwrap();
    let shown = format!("{gate:?}{:?}", gate.fleet());
    for part in ["correct", "secret", "hash", "seed"] {
        assert!(!shown.contains(part), "{shown}");
    }
}

#[cfg(feature = "tracing")]
mod events {
    use std::{
        fmt::Debug,
        sync::{Arc, Mutex, OnceLock},
    };

    use tracing::{
        Dispatch, Event, Metadata, Subscriber,
        field::{Field, Visit},
        span,
        subscriber::{Interest, with_default},
    };

    use super::{NOW, TEXT, client, gate, is_printable, refuse_and_tell};
    use crate::support::{get, ip, send};
    use portcullis::GateLayer;
    use tower_layer::Layer;

    /// Writes down all that it is told.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<String>>>);

    struct Fields(String);

    impl Visit for Fields {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            self.0 += &format!(" {field}={value:?}");
        }

        fn record_str(&mut self, field: &Field, value: &str) {
            self.0 += &format!(" {field}={value}");
        }
    }

    impl Subscriber for Log {
        fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
            Interest::sometimes()
        }

        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target().starts_with("portcullis")
        }

        fn event(&self, event: &Event<'_>) {
            let mut fields = Fields(event.metadata().target().to_owned());
            event.record(&mut fields);
            self.0.lock().unwrap().push(fields.0);
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    #[test]
    fn a_subscriber_to_everything_is_told_nothing_that_a_client_has_sent() {
        // While there is one subscriber alone, what another thread meets first is taken for what nobody wants.
        static OTHER: OnceLock<Dispatch> = OnceLock::new();
        OTHER.get_or_init(|| Dispatch::new(Log::default()));
        let log = Log::default();
        with_default(log.clone(), || {
            let gate = gate(TEXT);
            refuse_and_tell(&gate);
            gate.set_mode(portcullis::Mode::Enforce);
            let mut service = GateLayer::new(&gate).clock(|| NOW).layer(crate::support::Hello);
            for from in [ip("192.0.2.3"), client(1), client(1), client(1)] {
                send(&mut service, get(from, "/forged%1b%0a?mark"));
            }
            assert!(gate.reload("x = \"mark\"", NOW).is_err());
            gate.bans().add(
                "203.0.113.99/32".parse().unwrap(),
                std::time::Duration::from_secs(9),
                "why",
                NOW,
            );
        });
        let lines = log.0.lock().unwrap();
        assert!(lines.len() > 10, "{lines:?}");
        for line in lines.iter() {
            assert!(is_printable(line) && !line.contains('\n'), "{line:?}");
            for word in
                ["mark", "forged", "203.0.113", "2001:db8", "192.0.2", "198.51.100", "11.0.0"]
            {
                assert!(!line.contains(word), "{word} in {line}");
            }
        }
    }
}

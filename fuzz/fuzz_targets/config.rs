//! Any text is a gate that answers, or a refusal whose places are inside the text; and a gate at work takes
//! it or goes on as before.

#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use portcullis::{Gate, Outcome, Request, Timestamp, gate::config::GateConfig};

/// So that memory stays small, whatever a text asks for.
const MOST_CLIENTS: u32 = 100_000;

fuzz_target!(|text: &str| {
    let now = Timestamp::from_secs(1);
    match Gate::builder().check_toml(text) {
        Err(error) => {
            assert!(!error.is_empty());
            for mistake in &error {
                let span = mistake.span().expect("a place");
                assert!(text.get(span).is_some(), "{mistake}");
                assert!(mistake.line().is_some());
            }
            assert!(!error.to_string().is_empty());
            let gate = Gate::builder().build().expect("an empty gate");
            assert!(gate.reload(text, now).is_err());
        }
        Ok(warnings) => {
            let _ = warnings.to_string();
            let config = GateConfig::from_toml(text).expect("what was read is a configuration");
            let again = GateConfig::from_toml(&config.to_toml()).expect("its text is one, too");
            assert!(again == config || text.contains("nan"));
            if config.clients.is_some_and(|clients| clients > MOST_CLIENTS)
                || config.bans.is_some_and(|bans| bans > MOST_CLIENTS)
                || config.limit.len() > 4
            {
                return;
            }
            let Ok(gate) = Gate::builder().clients(1_000).build_toml(text) else { return };
            let peer = IpAddr::from([203, 0, 113, 9]);
            let request = Request::new(peer)
                .method("POST")
                .host("shop.example")
                .target("/login?next=/")
                .header("user-agent", "curl/8");
            if let Ok(admission) = gate.check(&request, now).into_result() {
                gate.finish(admission, Outcome::status(401), now);
            }
        }
    }
});

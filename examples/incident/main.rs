//! The incident: a flood against an axum service, without the gate and with it.
//!
//!     cargo run --release --features axum --example incident
//!
//! A shop's search page is served by axum in this process. Visitors and attackers are two more
//! processes (this program again), which make real HTTP connections, every client from a loopback
//! address of its own. All send the same request; nobody is on a list. The only difference that the
//! gate can see is how often a client asks.
//!
//! The run takes about three quarters of a minute, prints a table, draws `incident.svg`, and fails
//! when the gate did not keep the visitors served or when the flood did no harm without it.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a program that plays an outage has clocks, threads, sockets and something to say"
)]

mod crowd;
mod report;
mod scene;
mod service;
mod shop;
mod tally;
mod timeline;
mod wire;

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use axum::Router;
use indicatif::{ProgressBar, ProgressStyle};
use portcullis::{Gate, GateLayer, Quota};

use crate::{
    crowd::Crowd,
    scene::{Scene, Script},
    service::Service,
    shop::Catalogue,
};

const HELP: &str = "\
A flood against an axum service, without the gate and with it.

Usage: incident [--quick] [--svg PATH] [--pretend]

  --quick      half the time
  --svg PATH   where to draw the timeline (default: incident.svg)
  --pretend    name client addresses in a header, as where loopback has only one address

Exit status: 0 the gate kept the visitors served, 1 it did not (or the flood did no harm without
it), 2 the run was not possible.";

/// What rendering a page costs: enough that refusing one is nothing beside it.
const PAGE: Duration = Duration::from_millis(2);
const VISITORS: u32 = 80;
/// What the visitors ask for, all together, of what the service can do.
const VISITORS_SHARE: f64 = 0.12;
const ATTACKERS: u32 = 52;
/// What the attackers ask for. The run is void below five times the capacity.
const FLOOD: f64 = 6.5;
/// Connections of one client. All together this stays below the usual limit of 1024 open files.
const VISITOR_CONNECTIONS: usize = 2;
const ATTACKER_CONNECTIONS: usize = 8;
/// Visitors wait for a second; attackers, who do not want the page, hang up long before.
const VISITOR_PATIENCE_MS: u64 = tally::GOOD_MS;
const ATTACKER_PATIENCE_MS: u64 = 100;

struct Options {
    quick: bool,
    svg: PathBuf,
    pretend: bool,
}

/// Why there is no good news.
pub(crate) enum Trouble {
    /// It ran, and the promise did not hold.
    Verdict(String),
    /// It could not run.
    Setting(String),
}

impl From<String> for Trouble {
    fn from(text: String) -> Self {
        Self::Setting(text)
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|first| first == crowd::HIDDEN).is_some() {
        let ended = Crowd::from_arguments(arguments)
            .ok_or_else(|| "arguments that no crowd understands".to_owned())
            .and_then(Crowd::run);
        return match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(reason) => say_why(&reason, 2),
        };
    }
    match options(arguments).map(|options| options.map(|options| incident(&options))) {
        Ok(None) => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        Ok(Some(Ok(()))) => ExitCode::SUCCESS,
        Ok(Some(Err(Trouble::Verdict(reason)))) => say_why(&reason, 1),
        Ok(Some(Err(Trouble::Setting(reason)))) => say_why(&reason, 2),
        Err(reason) => say_why(&format!("{reason}\n\n{HELP}"), 2),
    }
}

fn say_why(reason: &str, code: u8) -> ExitCode {
    eprintln!("incident: {reason}");
    ExitCode::from(code)
}

/// `None` is a call for help.
fn options(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options { quick: false, svg: "incident.svg".into(), pretend: false };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--help" | "-h" => return Ok(None),
            "--quick" => options.quick = true,
            "--pretend" => options.pretend = true,
            "--svg" => options.svg = arguments.next().ok_or("--svg needs a path")?.into(),
            other => return Err(format!("unknown argument: {other}")),
        }
    }
    Ok(Some(options))
}

fn incident(options: &Options) -> Result<(), Trouble> {
    let script = match options.quick {
        true => Script { quiet: 2_500, flood: 5_000, after: 2_000 },
        false => Script { quiet: 5_000, flood: 10_000, after: 4_000 },
    };
    enough_files()?;
    // Found out now, and not when the run is over.
    timeline::write(&options.svg, "")?;

    // What the service can do decides everything else, so that the flood hurts on any machine.
    let shop = Arc::new(Catalogue::costing(PAGE));
    let measured = Service::start(Arc::clone(&shop), None, false)?.measure(3.5)?;
    let mut visitors = Crowd {
        service: ([127, 0, 0, 1], 0).into(),
        network: 1,
        clients: VISITORS,
        rate: VISITORS_SHARE * measured,
        patience_ms: VISITOR_PATIENCE_MS,
        connections: VISITOR_CONNECTIONS,
        from_ms: 0,
        until_ms: script.end(),
        pretend: options.pretend,
    };
    let mut attackers = Crowd {
        network: 2,
        clients: ATTACKERS,
        rate: FLOOD * measured,
        patience_ms: ATTACKER_PATIENCE_MS,
        connections: ATTACKER_CONNECTIONS,
        from_ms: script.quiet,
        until_ms: script.quiet + script.flood,
        ..visitors
    };
    let missing = missing_address(&[visitors, attackers]);
    let pretend = options.pretend || missing.is_some();
    (visitors.pretend, attackers.pretend) = (pretend, pretend);

    // Twice what a visitor needs, as anybody would set it who knows only the visitors.
    let per_visitor = 60.0 * visitors.rate / f64::from(VISITORS);
    let quota = Quota::per_minute((2.0 * per_visitor).ceil() as u32).burst(3);
    let gate = Gate::builder()
        .limit("per client", quota)
        .build()
        .map_err(|error| format!("the gate could not be built: {error}"))?;

    report::setting(&shop, measured, &visitors, &attackers, quota);
    if let Some(why) = missing {
        println!(
            "\nThis machine does not give every client an address of its own ({why}). Each client\n\
             names its address in a header instead, and the layer's `peer` closure reads it."
        );
    } else if pretend {
        println!(
            "\nClients name their addresses in a header, which the layer's `peer` closure reads."
        );
    }

    let bar = progress_bar(2 * script.end());
    let play = |title, gate, what: &str| {
        report::announce(&bar, what);
        let service = Service::start(Arc::clone(&shop), gate, pretend)?;
        let at = |crowd: Crowd| Crowd { service: service.address, ..crowd };
        Scene::play(title, script, at(visitors), at(attackers), &bar)
    };
    let without = play(
        "without the gate",
        None,
        "Scene 1, without the gate: quiet, the flood, and the queue that it leaves behind.",
    )?;
    let with = play(
        "with the gate",
        Some(&gate),
        "Scene 2, the service restarted with the gate: quiet, the same flood, and after.",
    )?;
    bar.finish_and_clear();

    report::table(&[&without, &with]);
    report::gate(&gate);
    let service = Service::start(shop, Some(&gate), pretend)?;
    let visitor = pretend.then(|| visitors.address(0));
    report::refusal(service::refusal(&service, visitor, 2 * quota.max_burst()).as_deref());
    timeline::draw(&options.svg, [&without, &with], measured)?;
    println!("Timeline: {}", options.svg.display());
    report::verdict(&without, &with, measured).map_err(Trouble::Verdict)
}

/// Puts the gate in front of a service. This is all that a service has to do for it.
fn gated(app: Router, gate: &Gate, pretended: bool) -> Router {
    let layer = GateLayer::new(gate);
    match pretended {
        // The peer is where the connection comes from, which axum has recorded.
        false => app.layer(layer),
        true => app.layer(
            layer.peer(|_, headers| headers.get(wire::PRETENDED)?.to_str().ok()?.parse().ok()),
        ),
    }
}

/// The reason why some client can not have its address, if there is one.
fn missing_address(crowds: &[Crowd]) -> Option<String> {
    crowds.iter().flat_map(|crowd| (0..crowd.clients).map(|client| crowd.address(client))).find_map(
        |address| {
            let tried = TcpListener::bind(SocketAddr::new(address, 0));
            tried.err().map(|error| format!("{address}: {error}"))
        },
    )
}

/// The service holds one end of every connection.
fn enough_files() -> Result<(), String> {
    let most =
        VISITORS as usize * VISITOR_CONNECTIONS + ATTACKERS as usize * ATTACKER_CONNECTIONS + 100;
    let open: Result<Vec<_>, _> = (0..most).map(|_| tokio::net::TcpSocket::new_v4()).collect();
    open.map(drop).map_err(|error| {
        format!("this run needs {most} sockets at once: {error} (`ulimit -n 1024` may help)")
    })
}

fn progress_bar(length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    let style = ProgressStyle::with_template("  {bar:30} {percent:>3}%  {msg}");
    style.map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style))
}

//! The outage: a flood against a real service over real connections, without the gate and with it.
//!
//! A shop's search page is served by axum in this process. Visitors and attackers are two more
//! processes (this program again), which make real HTTP connections, every client from a loopback
//! address of its own. All send the same request; nobody is on a list. The only difference that the
//! gate can see is how often a client asks, and what is usual.
//!
//! The gate has one limit per client, which holds from the first second, and a [defence](crate::defended) that
//! notices the flood, finds out what it has in common, and refuses that.
//!
//! The run takes about three quarters of a minute, prints a table, draws `incident.svg`, and fails
//! when the gate did not keep the visitors served or when the flood did no harm without it.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
    time::Duration,
};

use axum::Router;
use indicatif::{ProgressBar, ProgressStyle};
use portcullis::{GateLayer, Quota};

use crate::{
    Options, Trouble,
    crowd::Crowd,
    defended::Defended,
    report,
    scene::{Scene, Script},
    service::{self, Service},
    shop::Catalogue,
    tally, timeline, wire,
};

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
pub(crate) const VISITOR_PATIENCE_MS: u64 = tally::GOOD_MS;
pub(crate) const ATTACKER_PATIENCE_MS: u64 = 100;

pub(crate) fn play(options: &Options) -> Result<(), Trouble> {
    let script = match options.quick {
        true => Script { quiet: 2_500, flood: 5_000, after: 2_000 },
        false => Script { quiet: 5_000, flood: 10_000, after: 4_000 },
    };
    let svg = options.svg.as_deref().unwrap_or(Path::new("incident.svg"));
    enough_files()?;
    // Found out now, and not when the run is over.
    timeline::write(svg, "")?;

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
    let defended = Defended::learned(quota, &visitors)?;
    let with = play(
        "with the gate",
        Some(&defended),
        "Scene 2, the service restarted with the gate: quiet, the same flood, and after.",
    )?;
    bar.finish_and_clear();

    report::table(&[&without, &with]);
    report::gate(&defended.gate);
    let service = Service::start(shop, Some(&defended), pretend)?;
    let visitor = pretend.then(|| visitors.address(0));
    report::refusal(service::refusal(&service, visitor, 2 * quota.max_burst()).as_deref());
    timeline::draw(svg, [&without, &with], measured)?;
    println!("Timeline: {}", svg.display());
    drop(service);
    defended.afterwards(&visitors);
    defended.story(with.started.saturating_add(Duration::from_millis(script.quiet)));
    report::verdict(&without, &with, measured).map_err(Trouble::Verdict)
}

/// Puts the gate in front of a service. This is all that a service has to do for it (the clock is only needed
/// where the gate has lived in virtual time before).
pub(crate) fn gated(app: Router, defended: &Defended, pretended: bool) -> Router {
    let layer = GateLayer::new(&defended.gate).clock(defended.clock());
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

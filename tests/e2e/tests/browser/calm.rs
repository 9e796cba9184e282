//! A small gate without a defence, and a service that comes and goes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use portcullis::{Gate, Quota, SystemClock, axum::StatusPage};

use super::{
    alone,
    page::Page,
    pictures,
    service::{PATH, Service},
};

fn gate() -> Gate {
    Gate::builder().limit("per client", Quota::per_second(5)).build().unwrap()
}

#[test]
fn a_gate_without_a_defence_says_how_it_gets_one() {
    let _alone = alone();
    let Some(mut page) = Page::open() else { return };
    let gate = gate();
    let service = Service::start(&gate, &StatusPage::new(&gate));
    page.visit(service.address, PATH);
    page.until("text('#undefended').includes('auto = \"elevated\"') && !one('#undefended').hidden");
    for hidden in ["#posture", "#orders", "#talkers", "#mitigations", "#usual-legend"] {
        assert_eq!(page.ask(&format!("one('{hidden}').checkVisibility()")), false, "{hidden}");
    }
    page.until("text('#limits td').startsWith('per client') && text('#offered') === '0'");
    assert_eq!(page.text("#load"), "–");
    pictures::look(&mut page, "calm");
    page.has_no_problems();
}

#[test]
fn a_service_that_was_started_again_is_found_again() {
    let _alone = alone();
    let Some(mut page) = Page::open() else { return };
    let before = gate();
    let (net, time) = ("192.0.2.0/24".parse().unwrap(), Duration::from_secs(900));
    before.bans().add(net, time, "before", SystemClock::now());
    let status = StatusPage::new(&before).title("before");
    let service = Service::start(&before, &status);
    let address = service.address;
    page.visit(address, PATH);
    page.until("text('#title') === 'before' && text('#bans').includes('192.0.2.0/24')");
    page.has_no_problems();

    drop(service);
    page.until("/^stale since [0-9:]{8}, reconnecting$/.test(text('#link')) && one('body.stale')");
    let (after, may_look) = (gate(), Arc::new(AtomicBool::new(false)));
    let guard = Arc::clone(&may_look);
    let status = StatusPage::new(&after).title("after");
    let status = status.allow_viewing(move |_| guard.load(Ordering::Relaxed));
    let _service = Service::start_at(address, &after, &status);
    page.until("text('#refuses').includes('does not let you look')");
    may_look.store(true, Ordering::Relaxed);
    page.until("text('#link') === 'live' && !one('body.stale') && text('#title') === 'after'");
    page.until(
        "!text('#bans').includes('192.0.2.0/24') && text('#refuses').includes('Nobody may act')",
    );
    // Nothing but what a lost connection is, and a refusal.
    let problems = page.problems();
    assert!(
        problems.iter().all(|text| text.contains("net::ERR_") || text.contains("403")),
        "{problems:#?}"
    );
    page.has_no_problems();
}

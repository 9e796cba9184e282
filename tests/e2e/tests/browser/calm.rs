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
    page.until(
        "document.title === '(stale) before' && text('#at-when').startsWith('stale since ')",
    );
    let (after, may_look) = (gate(), Arc::new(AtomicBool::new(false)));
    let guard = Arc::clone(&may_look);
    let status = StatusPage::new(&after).title("after");
    let status = status.allow_viewing(move |_| guard.load(Ordering::Relaxed));
    let _service = Service::start_at(address, &after, &status);
    page.until("text('#refuses').includes('does not let you look')");
    may_look.store(true, Ordering::Relaxed);
    page.until("text('#link') === 'live' && !one('body.stale') && text('#title') === 'after'");
    page.until("document.title === 'after' && text('#at-when').startsWith('now')");
    page.until(
        "!text('#bans').includes('192.0.2.0/24') && text('#refuses').includes('Nobody may act')",
    );
    // Nothing but what a lost connection is, and a refusal.
    let problems = page.problems();
    assert!(
        problems.iter().all(|text| text.contains("net::ERR_") || Page::is_refusal(text)),
        "{problems:#?}"
    );
    page.has_no_problems();
}

/// Else a button that somebody is about to press with a key would be lost, or worse, another row's.
#[test]
fn a_row_that_goes_leaves_the_focus_where_it_is() {
    let _alone = alone();
    let Some(mut page) = Page::open() else { return };
    let gate = gate();
    for (net, seconds) in [("192.0.2.1/32", 900), ("192.0.2.2/32", 800), ("192.0.2.3/32", 700)] {
        let time = Duration::from_secs(seconds);
        gate.bans().add(net.parse().unwrap(), time, "", SystemClock::now());
    }
    let status = StatusPage::new(&gate).allow_actions(|_| true);
    let service = Service::start(&gate, &status);
    page.visit(service.address, PATH);
    page.until("all('#bans .unban').length === 3 && one('#refuses').hidden");
    let first =
        page.ask("(window.third = all('#bans .unban')[2], third.focus(), text('#bans td'))");
    gate.bans().remove(first.as_str().unwrap().parse().unwrap(), SystemClock::now());
    page.until("all('#bans .unban').length === 2");
    assert_eq!(page.ask("document.activeElement === third && third.isConnected"), true);
    page.press("Enter", 13);
    page.until("all('#bans .unban').length === 1");
    assert_eq!(gate.bans().list(SystemClock::now()).len(), 1);
    page.has_no_problems();
}

/// What has happened is told with its day, if that is another one maybe; and an answer that a proxy has given is told as such.
#[test]
fn old_times_have_a_date_and_foreign_answers_are_told() {
    let _alone = alone();
    let Some(mut page) = Page::open() else { return };
    let gate = gate();
    let status = StatusPage::new(&gate).allow_actions(|_| true);
    let service = Service::start(&gate, &status);
    page.visit(service.address, PATH);
    page.until("one('#refuses').hidden");
    assert_eq!(page.ask("/^[0-9:]{8}$/.test(timeOf(last().seconds - 60))"), true);
    assert_eq!(
        page.ask("/^[0-9]{1,2} [A-Z][a-z]+ [0-9:]{8}$/.test(timeOf(last().seconds - 86_400))"),
        true
    );

    page.ask("(window.fetch = async () => new Response('<h1>Log in</h1>', { status: 401, headers: { 'content-type': 'text/html' } }), 1)");
    page.ask("act({ act: 'release' })");
    assert_eq!(page.text("#result"), "Answered with 401, and not by this page.");
    page.ask("explain()");
    assert_eq!(page.text("#refuses"), "Answered with 401, and not by this page.");
    page.ask(
        "(window.fetch = async () => new Response('x'.repeat(999), { status: 403, headers: { 'content-type': 'text/plain' } }), 1)",
    );
    page.ask("explain()");
    assert_eq!(page.text("#refuses"), "x".repeat(300));
    page.has_no_problems();
}

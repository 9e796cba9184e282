//! An operator clicks through the page while the service is attacked.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use portcullis::{
    Gate, Outcome, Posture, Request, SystemClock, Timestamp,
    axum::StatusPage,
    gate::Mode,
    rule::{Action, Rule, Scheme},
};
use serde_json::json;

use super::{
    alone,
    chromium::PATIENCE,
    page::Page,
    pictures,
    service::{Crowd, PATH, Service, is_operator},
};

/// With texts in it that would do something, were they HTML.
const GATE: &str = r#"
    [client]
    trust  = ["127.0.0.1"]
    header = "x-forwarded-for"

    [lists]
    blocked = ["198.51.100.0/24", "2001:db8:bad::/48"]

    [[rule]]
    name = "blocked addresses"
    when = 'ip.src in $blocked'
    then = "deny"

    [[rule]]
    name = "<b onclick=hacked=1>scanners</b>"
    when = 'path contains "<img src=x onerror=hacked=1>" or path eq "/"'
    then = "deny"
    mode = "shadow"

    [[limit]]
    name  = "per client"
    by    = ["client"]
    quota = "5/s burst 10"

    [[limit]]
    name  = "searches"
    when  = 'path wildcard "/search*"'
    quota = "2/s burst 2"
    mode  = "shadow"

    [[limit]]
    name      = "at a time"
    by        = []
    in_flight = 200

    [defence]
    auto = "defend"

    [defence.parameters]
    cold_seconds = 60
"#;

/// Their target and what they call themselves end up in what the gate finds out about them.
const ATTACKERS: Crowd = Crowd {
    network: [203, 0, 113],
    clients: 40,
    pause: Duration::from_millis(100),
    target: "/search/%3Cimg%20src=x%20onerror=hacked=1%3E",
    agent: "<script>hacked=1</script>",
};

const VISITORS: Crowd = Crowd {
    network: [192, 0, 2],
    clients: 20,
    pause: Duration::from_secs(1),
    target: "/",
    agent: "visitor",
};

/// Somebody who asks for more than the limit of each client, and is no attack.
const BUSY: Crowd =
    Crowd { network: [192, 0, 77], clients: 1, pause: Duration::from_millis(50), ..VISITORS };

/// Seconds, in virtual time: enough to know what is usual.
const LEARNING: u64 = 120;

fn built() -> Gate {
    Gate::from_toml(GATE).unwrap_or_else(|problem| panic!("{problem}"))
}

/// A gate that has seen the visitors for a while.
fn learned() -> Gate {
    let gate = built();
    for second in 0..LEARNING {
        for client in 0..VISITORS.clients {
            let millis = second * 1_000 + u64::from(client) * 50;
            let now = Timestamp::from_millis(millis);
            let request = Request::new(IpAddr::from(VISITORS.address(client)))
                .method("GET")
                .target(VISITORS.target)
                .header("user-agent", VISITORS.agent);
            if let Ok(admission) = gate.check(&request, now).into_result() {
                gate.finish(admission, Outcome::status(200), now);
            }
        }
        gate.tick(Timestamp::from_secs(second + 1));
    }
    let saved = gate.snapshot(Timestamp::from_secs(LEARNING));
    let gate = built();
    gate.restore(&saved, SystemClock::now()).unwrap();
    gate
}

fn ban(gate: &Gate, net: &str, reason: &str) {
    gate.bans().add(net.parse().unwrap(), Duration::from_secs(900), reason, SystemClock::now());
}

fn is_banned(gate: &Gate, net: &str) -> bool {
    let net = Some(net.parse().unwrap());
    gate.bans().list(SystemClock::now()).iter().any(|ban| ban.net() == net)
}

#[test]
fn an_operator_clicks_through_a_flood() {
    let _alone = alone();
    let Some(mut page) = Page::open() else { return };
    let gate = learned();
    let stricter = Scheme::new().parse(r#"path contains "search""#).unwrap();
    gate.set_candidate([Rule::new("no searches", stricter).then(Action::Deny { status: 403 })])
        .unwrap();
    ban(&gate, "198.51.100.7/32", "</script><script>hacked=1</script>");
    let status = StatusPage::new(&gate).title("shop <i>1</i>").allow_actions(is_operator);
    let service = Service::start(&gate, &status);
    let _visitors = service.asked_by(VISITORS);

    page.visit(service.address, PATH);
    who_may_not_act_is_told(&mut page, &gate);
    let cookie =
        json!({ "name": "operator", "value": "yes", "url": format!("http://{}", service.address) });
    page.order("Network.setCookie", cookie);
    page.visit(service.address, PATH);
    page.until("one('#refuses').hidden && text('#title') === 'shop <i>1</i>'");
    page.until("text('#posture') === 'normal'");

    modes_are_switched(&mut page, &gate);
    a_drill_and_its_end(&mut page, &gate);
    bans_by_hand(&mut page, &gate);

    let busy = service.asked_by(BUSY);
    a_limit_is_near_exhaustion(&mut page);
    drop(busy);

    let attackers = service.asked_by(ATTACKERS);
    the_flood_shows(&mut page);
    the_chart_is_read_off(&mut page);
    a_talker_is_banned(&mut page, &gate);
    postures_are_forced(&mut page, &gate);
    pictures::look(&mut page, "flood");
    mitigations_are_kept_and_ended(&mut page, &gate);
    drop(attackers);
    page.has_no_problems();
}

fn who_may_not_act_is_told(page: &mut Page, gate: &Gate) {
    let why = page.text("#refuses");
    assert!(why.starts_with("You can look, and change nothing: "), "{why}");
    page.until(
        "text('#bans td') === '198.51.100.7/32' && one('#bans .unban').ariaDisabled === 'true'",
    );
    page.click("#bans .unban");
    page.until("text('#result').startsWith('Not allowed: ')");
    for button in ["[data-mode=off]", "#force", "#drill"] {
        page.click(button);
        assert_eq!(page.ask("one('#ask').open"), false, "{button}");
    }
    page.has_no_problems();

    // The buttons are for people. What counts is what the server says, whoever asks.
    let asked = page.ask(
        "fetch(location.pathname + '/act', {
            method: 'POST',
            headers: { 'content-type': 'application/json', 'x-portcullis-act': '1' },
            body: JSON.stringify({ act: 'unban', net: '198.51.100.7/32' }),
        }).then(async answer => [answer.status, (await answer.json()).done])",
    );
    assert_eq!(asked, json!([403, false]));
    let refused = page.problems();
    assert!(
        !refused.is_empty() && refused.iter().all(|text| Page::is_refusal(text)),
        "{refused:#?}"
    );
    assert!(is_banned(gate, "198.51.100.7/32"));
    assert_eq!((gate.mode(), gate.posture()), (Mode::Enforce, Posture::Normal));
}

fn modes_are_switched(page: &mut Page, gate: &Gate) {
    page.click("[data-mode=off]");
    page.until("one('#ask').open && text('#ask-title') === 'Switch the gate to off?'");
    page.press("Escape", 27);
    page.until("!one('#ask').open");
    page.click("[data-mode=observe]");
    page.click("#ask-yes");
    page.until("one('[data-mode=observe]').ariaPressed === 'true' && !one('#lax').hidden");
    assert_eq!(gate.mode(), Mode::Observe);
    page.click("[data-mode=enforce]");
    page.click("#ask-yes");
    page.until("one('[data-mode=enforce]').ariaPressed === 'true' && one('#lax').hidden");
    assert_eq!(gate.mode(), Mode::Enforce);
}

fn a_drill_and_its_end(page: &mut Page, gate: &Gate) {
    page.click("#drill");
    page.choose("#ask [name=seconds]", "900");
    page.click("#ask-yes");
    page.until("text('#posture').startsWith('elevated')");
    assert_eq!(gate.posture(), Posture::Elevated);
    page.click("#release");
    page.until("text('#posture').startsWith('normal')");
    page.until("text('#events').includes('drill')");
}

fn bans_by_hand(page: &mut Page, gate: &Gate) {
    // Hostile texts are texts.
    page.until(
        "all('#bans td').some(cell => cell.textContent === '</script><script>hacked=1</script>')",
    );
    page.until("all('#rules td').some(cell => cell.textContent.includes('<b onclick=hacked=1>scanners</b>'))");
    page.until("all('#rules code').some(code => code.textContent.includes('<img src=x onerror=hacked=1>'))");

    page.click("#bans .unban");
    page.until("!text('#bans').includes('198.51.100.7/32')");
    assert!(!is_banned(gate, "198.51.100.7/32"));

    page.write("#ban-form [name=net]", "198.51.100.128/25");
    page.write("#ban-form [name=reason]", "<img src=x onerror=hacked=1>");
    page.press("Enter", 13);
    page.until("all('#bans td').some(cell => cell.textContent === '198.51.100.128/25')");
    page.until("all('#bans td').some(cell => cell.textContent === '<img src=x onerror=hacked=1>')");
    assert!(is_banned(gate, "198.51.100.128/25"));

    // A slip of a digit would meet many.
    let wide = "198.51.0.0/16";
    page.write("#ban-form [name=net]", wide);
    page.press("Enter", 13);
    page.until("one('#ask').open && text('#ask-title') === 'Ban 198.51.0.0/16?'");
    page.press("Escape", 27);
    page.until("!one('#ask').open");
    assert!(!is_banned(gate, wide));
    page.click("#ban-form button");
    page.click("#ask-yes");
    page.until("all('#bans td').some(cell => cell.textContent === '198.51.0.0/16')");
    assert!(is_banned(gate, wide));
    for (net, expected) in [
        ("192.0.2.0/24", false),
        ("192.0.2.0/23", true),
        ("192.0.2.1", false),
        ("2001:db8::/48", false),
        ("2001:db8::/47", true),
        ("2001:db8::1", false),
        ("::ffff:192.0.2.0/120", false),
        ("::ffff:192.0.2.0/119", true),
    ] {
        assert_eq!(page.ask(&format!("isWide('{net}')")), expected, "{net}");
    }
    page.until("text('#shadow').includes('scanners') && text('#candidate').startsWith('The candidate agrees')");
}

fn a_limit_is_near_exhaustion(page: &mut Page) {
    page.until("all('#talkers tbody tr').some(row => row.textContent.includes('192.0.77.1/32'))");
    page.until(
        "text('#limits tbody tr.near').startsWith('per client nothing or little left for 1 of')",
    );
    page.until("all('#talkers .stand').some(stand => stand.textContent === 'per client: used up')");
}

fn the_flood_shows(page: &mut Page) {
    page.until(
        "text('#posture') === 'defend · incident' && document.title === '(defend) shop <i>1</i>'",
    );
    page.until("Number(text('#refused').replace(',', '')) > 20 && text('#at-refused') !== '–'");
    page.until("all('#talkers tbody tr').filter(row => row.textContent.includes('203.0.113.')).length >= 5");
    page.until("all('#talkers .stand').some(stand => stand.textContent.includes('per client: '))");
    page.until("one('#mitigations .end').checkVisibility()");
    page.until("all('#events li').length >= 3 && all('#chart path.mark').length >= 3");
    page.until("all('#chart rect.segment.defend').length >= 1 && all('#chart rect.segment.normal').length >= 1");
    // As much of the chart as was refused: and that is most of it.
    page.until(
        "all('#chart .area-refused').some(area => area.getBBox().height > 20) \
            && all('#chart .line-offered').some(line => line.points.length > 5)",
    );
    page.until("all('#rules tr').some(row => row.textContent.includes('the gate’s own'))");
    let first = page.text("#offered");
    page.until(&format!("text('#offered') !== '{first}'"));
}

/// By mouse and by keys.
fn the_chart_is_read_off(page: &mut Page) {
    page.click("#chart");
    page.until("/^[0-9:]{8}/.test(text('#at-when')) && one('#chart .cursor')");
    page.press("Escape", 27);
    page.until("text('#at-when').startsWith('now')");
    page.press("ArrowLeft", 37);
    page.until("/^[0-9:]{8}/.test(text('#at-when'))");
    page.press("Escape", 27);
}

fn a_talker_is_banned(page: &mut Page, gate: &Gate) {
    page.click("#talkers .ban");
    let title = page.until("one('#ask').open && text('#ask-title')");
    let net = title.as_str().unwrap().trim_start_matches("Ban ").trim_end_matches('?').to_owned();
    page.write("#ask [name=reason]", "far too much");
    page.click("#ask-yes");
    page.until(&format!(
        "all('#bans tbody tr').some(row => row.textContent.includes('{net}') && row.textContent.includes('far too much'))"
    ));
    assert!(is_banned(gate, &net), "{net}");
}

fn postures_are_forced(page: &mut Page, gate: &Gate) {
    page.click("#force");
    page.choose("#ask [name=posture]", "lockdown");
    page.choose("#ask [name=seconds]", "900");
    page.click("#ask-yes");
    page.until("text('#posture').startsWith('lockdown')");
    assert_eq!(gate.posture(), Posture::Lockdown);
    page.click("#release");
    page.until("!text('#posture').startsWith('lockdown')");
    assert_ne!(gate.posture(), Posture::Lockdown);
}

fn mitigations_are_kept_and_ended(page: &mut Page, gate: &Gate) {
    let name = a_mitigation_is_shown_as_it_is(page, gate);
    let named =
        format!("all('#mitigations tbody tr').find(row => row.cells[0].textContent === '{name}')");
    page.click("#mitigations .pin");
    page.until(&format!("{named}.textContent.includes('kept')"));
    let kept = gate.defence().mitigations(SystemClock::now());
    assert!(kept.iter().any(|one| one.name == name && one.is_pinned()), "{kept:#?}");

    page.click("#mitigations .end");
    page.until(&format!("text('#ask-title') === 'End {name}?'"));
    page.click("#ask-yes");
    page.until(&format!("!{named}"));
    let left = gate.defence().mitigations(SystemClock::now());
    assert!(left.iter().all(|one| one.name != name), "{left:#?}");
}

/// Its name. The page is up to a second behind the gate, which may change its mind meanwhile.
fn a_mitigation_is_shown_as_it_is(page: &mut Page, gate: &Gate) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        let shown = page.ask("['td', 'code'].map(part => text('#mitigations ' + part))");
        let found = gate.defence().mitigations(SystemClock::now());
        if let Some(one) = found.iter().find(|one| json!([one.name, one.condition]) == shown) {
            return one.name.clone();
        }
        assert!(Instant::now() < until, "{shown} is not among {found:#?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

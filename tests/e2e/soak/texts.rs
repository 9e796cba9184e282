//! The gate's texts: what stays in all of them, what comes and goes, and what has mistakes.

use crate::dice::Dice;

/// What no text changes. Clients of [`crate::client`] hold it to its word.
const KEPT: &str = r#"
exempt  = ["198.18.0.1"]
deny    = ["203.0.113.250", "127.0.9.0/24"]
clients = 20000
bans    = 2000

[client]
trust  = ["127.0.0.1"]
header = "x-forwarded-for"

[lists]
oracles = ["203.0.113.0/24"]
feed    = []
blocked = []
agents  = ["sqlmap", "nikto"]

[fleet]
nodes   = 1
prefix  = "soak"
timeout = "50ms"

[defence]
auto = "defend"

[defence.parameters]
cold_seconds = 60

[[rule]]
name = "feed"
when = 'ip.src in $feed'
then = "deny"

[[rule]]
name = "blocked"
when = 'ip.src in $blocked'
then = "deny"

[[rule]]
name  = "oracles"
when  = 'ip.src in $oracles'
allow = { bypass = ["shed"] }

[[limit]]
name  = "kept client"
when  = 'path eq "/kept/client"'
by    = ["client"]
quota = "10/s burst 20"

[[limit]]
name  = "kept header"
when  = 'path eq "/kept/header"'
by    = ['header["x-api-key"]']
quota = "25/s burst 50"

[[limit]]
name  = "kept path"
when  = 'path wildcard "/kept/path/*"'
by    = ["path"]
quota = "5/s burst 1"

[[limit]]
name     = "kept count"
when     = 'path wildcard "/kept/count/*"'
by       = ["client"]
quota    = "5/s burst 10"
count_if = 'status in {401 403}'

[[limit]]
name      = "kept places"
when      = 'path eq "/kept/places"'
by        = ["client"]
in_flight = 3

[[limit]]
name     = "kept distinct"
when     = 'path wildcard "/kept/distinct/*"'
by       = ["client"]
distinct = "path"
quota    = "5/h"

[[limit]]
name  = "kept fleet"
when  = 'path eq "/kept/fleet"'
by    = ['header["x-fleet-key"]']
quota = "20/s burst 40"
scope = "fleet"
fail  = "local"
"#;

/// What is there at rest.
const USUAL: &str = r#"
[[rule]]
name = "scanners"
when = 'path in {"/.env" "/.git/config"} or path wildcard "/wp-*"'
then = "deny"

[[rule]]
name = "agents"
when = 'header["user-agent"] in $agents'
then = "deny"

[[rule]]
name = "trap"
when = 'path eq "/trap"'
then = { ban = "2s", escalate = 2, max = "20s" }

[[limit]]
name  = "per client"
when  = 'not ip.src in $oracles'
by    = ["client"]
quota = "20/s burst 60"

[[limit]]
name     = "login failures"
when     = 'path eq "/login"'
by       = ["client"]
quota    = "1/s burst 5"
count_if = 'status in {401 403}'
then     = { ban = "1s", escalate = 3, max = "30s" }

[[limit]]
name      = "in flight"
when      = 'not ip.src in $oracles'
by        = []
in_flight = 200

[[limit]]
name     = "items"
when     = 'path wildcard "/item/*"'
by       = ["client"]
distinct = "path"
quota    = "30/min"

[[limit]]
name  = "per key"
when  = 'path eq "/api"'
by    = ['header["x-api-key"]']
quota = "50/s burst 100"
scope = "fleet"
"#;

/// The text at rest.
pub(crate) fn usual() -> String {
    [KEPT, USUAL].concat()
}

/// A text, and whether it has no mistakes. A `mutant` breaks a promise: it has another quota in a limit that is kept.
pub(crate) fn any(dice: &mut Dice, mutant: bool) -> (String, bool) {
    let kept = if mutant { KEPT.replace("10/s burst 20", "14/s burst 30") } else { KEPT.into() };
    let text = |usual: String| [kept.as_str(), &usual].concat();
    let extra = dice.below(1_000);
    let rule = format!(
        "[[rule]]\nname = \"extra {extra}\"\nwhen = 'path eq \"/extra/{extra}\"'\nthen = \"deny\"\n"
    );
    let limit = format!(
        "[[limit]]\nname = \"extra limit {extra}\"\nwhen = 'path eq \"/extra\"'\nquota = \"{}/min\"\n",
        extra + 1
    );
    match dice.below(14) {
        0 => (text(USUAL.into()), true),
        1 => (text(USUAL.replace("20/s burst 60", "15/s burst 30")), true),
        2 => (text(USUAL.replace("in_flight = 200", "in_flight = 150")), true),
        3 => (text([USUAL, &rule].concat()), true),
        4 => (text([USUAL, &limit].concat()), true),
        5 => (text(String::new()), true),
        6 => (text(USUAL.replace("\"scanners\"", &format!("\"scanners {extra}\""))), true),
        7 => {
            let rules: String =
                (0..150).map(|n| rule.replace("extra ", &format!("extra {n} "))).collect();
            (text([USUAL, &rules].concat()), true)
        }
        8 => (text(USUAL.replace("path eq", "path eqq")), false),
        9 => (kept.replace("20/s burst 40", "20 bananas"), false),
        10 => (text([USUAL, "[[limit"].concat()), false),
        11 => (text([USUAL, &rule, &rule].concat()), false),
        12 => (kept.replace("[fleet]", "[fleat]"), false),
        _ => (text(USUAL.replace("$agents", "$agent")), false),
    }
}

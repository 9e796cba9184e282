//! The dashboard `examples/grafana.json` asks for what a gate tells, and for all of it.
//!
//! A name that is misspelt there shows an empty panel, which looks like a quiet service; so every expression
//! is held against the OpenMetrics text of a gate that has everything.

use std::collections::{BTreeMap, BTreeSet};

use portcullis::{
    CidrSet, Defence, Gate, LimitRule, Posture, Quota, Timestamp,
    limit::remote::{FleetSettings, OnFailure},
    rule::{Action, Rule, Scheme},
};
use serde_json::Value;

const DASHBOARD: &str = include_str!("../../grafana.json");

/// What Prometheus adds to each sample by itself.
const TARGET: [&str; 2] = ["job", "instance"];

/// The values that each label has.
type Labels = BTreeMap<String, BTreeSet<String>>;

/// A gate that has one of everything.
fn gate() -> Gate {
    let rule = || {
        let when = Scheme::new().parse(r#"path eq "/.env""#).unwrap();
        Rule::new("scanners", when).then(Action::Deny { status: 403 })
    };
    let gate = Gate::builder()
        .list("blocked", "192.0.2.0/24".parse::<CidrSet>().unwrap())
        .rule(rule())
        .limit("per client", Quota::per_minute(100))
        .limit_rule(LimitRule::in_flight("all places", 500).by([]))
        .limit_rule(LimitRule::new("shared", Quota::per_minute(100)).fleet(OnFailure::Local))
        .fleet(FleetSettings::new())
        .defence(Defence::up_to(Posture::Defend))
        .build()
        .unwrap();
    gate.set_candidate([rule()]).unwrap();
    gate
}

/// Each sample's name, as Prometheus stores it, with its labels.
fn samples(text: &str) -> BTreeMap<String, Labels> {
    let mut samples: BTreeMap<String, Labels> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let known = samples.entry(name.to_owned()).or_default();
        // No name of this gate has a comma or an escape in it.
        for label in labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()) {
            let (label, value) = label.split_once('=').unwrap();
            known.entry(label.to_owned()).or_default().insert(value.trim_matches('"').to_owned());
        }
    }
    samples
}

fn dashboard() -> Value {
    serde_json::from_str(DASHBOARD).unwrap()
}

fn panels(dashboard: &Value) -> &[Value] {
    dashboard["panels"].as_array().unwrap()
}

/// All expressions, each with the title of what it belongs to, and its legend.
fn expressions(dashboard: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found = Vec::new();
    for panel in panels(dashboard) {
        for target in panel["targets"].as_array().into_iter().flatten() {
            found.push((
                text(&panel["title"]),
                text(&target["expr"]),
                text(&target["legendFormat"]),
            ));
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if variable["type"] == "query" {
            assert_eq!(variable["definition"], variable["query"]["query"]);
            found.push((text(&variable["name"]), text(&variable["definition"]), String::new()));
        }
    }
    for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
        if !annotation["expr"].is_null() {
            found.push((text(&annotation["name"]), text(&annotation["expr"]), String::new()));
        }
    }
    found
}

/// The metrics of an expression: what stands before each, its name, and its selector without braces.
fn metrics(expression: &str) -> Vec<(&str, &str, &str)> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = expression[from..].find("portcullis_").map(|at| from + at) {
        let rest = &expression[at..];
        let name = &rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())];
        let behind = &rest[name.len()..];
        let selector = behind.strip_prefix('{').map_or("", |it| &it[..it.find('}').unwrap()]);
        found.push((&expression[..at], name, selector));
        from = at + name.len() + selector.len();
    }
    found
}

#[test]
fn every_name_is_one_that_a_gate_tells_and_all_are_shown() {
    let known = samples(&gate().open_metrics(Timestamp::from_secs(1)));
    let dashboard = dashboard();
    let mut shown = BTreeSet::new();
    for (title, expression, _) in expressions(&dashboard) {
        assert!(!metrics(&expression).is_empty(), "{title}: {expression}");
        for (before, name, selector) in metrics(&expression) {
            let labels = known.get(name);
            let labels = labels.unwrap_or_else(|| panic!("{title}: no gate tells {name}"));
            shown.insert(name.to_owned());
            // A count says nothing by itself, and a gauge has no rate.
            let is_rated = ["rate(", "increase("].iter().any(|rate| before.ends_with(rate));
            let is_queried = before.ends_with("label_values(");
            assert!(is_queried || is_rated == name.ends_with("_total"), "{title}: {expression}");
            for part in selector.split(", ").filter(|part| !part.is_empty()) {
                let (label, value) = part.split_once('=').unwrap();
                match value.strip_prefix('~') {
                    Some(value) => {
                        assert!(TARGET.contains(&label), "{title}: {part}");
                        assert_eq!(value, format!("\"${label}\""), "{title}");
                    }
                    None => {
                        let values = labels.get(label);
                        let values =
                            values.unwrap_or_else(|| panic!("{title}: {name} has no {label}"));
                        assert!(values.contains(value.trim_matches('"')), "{title}: {part}");
                    }
                }
            }
            if !is_queried {
                assert!(selector.starts_with(r#"job=~"$job", instance=~"$instance""#), "{title}");
            }
        }
    }
    let missing: Vec<_> = known.keys().filter(|name| !shown.contains(*name)).collect();
    assert!(missing.is_empty(), "no panel shows {missing:?}");
}

#[test]
fn labels_that_are_grouped_by_are_there_and_legends_name_them() {
    let known = samples(&gate().open_metrics(Timestamp::from_secs(1)));
    for (title, expression, legend) in expressions(&dashboard()) {
        let mut grouped = BTreeSet::new();
        for by in expression.split("by (").skip(1) {
            grouped.extend(by[..by.find(')').unwrap()].split(", "));
        }
        let names = metrics(&expression).into_iter().map(|(_, name, _)| name);
        let has = |label: &str| names.clone().any(|name| known[name].contains_key(label));
        for label in &grouped {
            assert!(TARGET.contains(label) || has(label), "{title}: {label} in {expression}");
        }
        for named in legend.split("{{").skip(1) {
            let label = &named[..named.find("}}").unwrap()];
            assert!(grouped.contains(label), "{title}: {legend} of {expression}");
        }
        assert_eq!(
            expression.matches('(').count(),
            expression.matches(')').count(),
            "{expression}"
        );
    }
}

/// What the states of a set are drawn as is what they are.
#[test]
fn all_states_have_a_name_and_a_number() {
    let known = samples(&gate().open_metrics(Timestamp::from_secs(1)));
    let dashboard = dashboard();
    for (set, panel_title) in [("portcullis_posture", "Posture"), ("portcullis_mode", "Mode")] {
        let states = &known[set][set];
        let drawn = panels(&dashboard).iter().filter(|panel| panel["title"] == panel_title);
        let drawn: Vec<_> = drawn.collect();
        assert_eq!(drawn.len(), 2, "as a number and over time");
        for panel in drawn {
            let options =
                panel["fieldConfig"]["defaults"]["mappings"][0]["options"].as_object().unwrap();
            let texts = options.values().map(|it| it["text"].as_str().unwrap().to_owned());
            assert_eq!(texts.collect::<BTreeSet<_>>(), *states);
            let expression = panel["targets"][0]["expr"].as_str().unwrap();
            for (number, state) in options {
                let text = state["text"].as_str().unwrap();
                let selector = format!("{set}=\"{text}\"");
                let term = expression.split(" + ").find(|term| term.contains(&selector));
                let factor =
                    term.map(|term| match term.trim_start_matches("max(").split_once(" * ") {
                        Some((factor, _)) => factor,
                        None => "1",
                    });
                assert_eq!(factor.unwrap_or("0"), number, "{panel_title}: {text} in {expression}");
            }
        }
    }
}

#[test]
fn panels_have_their_own_numbers_and_places() {
    let dashboard = dashboard();
    let mut ids = BTreeSet::new();
    let mut taken: BTreeMap<(u64, u64), String> = BTreeMap::new();
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        let at = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        let (x, y, w, h) = (at("x"), at("y"), at("w"), at("h"));
        assert!(w > 0 && h > 0 && x + w <= 24, "{title}");
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            if let Some(other) = taken.insert(cell, title.to_owned()) {
                panic!("{title:?} and {other:?} overlap");
            }
        }
        if panel["type"] == "row" {
            continue;
        }
        assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{title}");
        let refs =
            panel["targets"].as_array().unwrap().iter().map(|it| it["refId"].as_str().unwrap());
        let refs: Vec<&str> = refs.collect();
        assert_eq!(refs.iter().collect::<BTreeSet<_>>().len(), refs.len(), "{title}");
    }
}

/// So that it is imported anywhere, without being edited.
#[test]
fn nothing_names_a_data_source_of_somebody() {
    fn each<'a>(value: &'a Value, visit: &mut dyn FnMut(&'a Value)) {
        match value {
            Value::Object(fields) => {
                fields.get("datasource").into_iter().for_each(&mut *visit);
                fields.values().for_each(|value| each(value, visit));
            }
            Value::Array(items) => items.iter().for_each(|value| each(value, visit)),
            _ => {}
        }
    }
    let dashboard = dashboard();
    let mut sources = 0;
    each(&dashboard, &mut |source| {
        sources += 1;
        let uid = source["uid"].as_str().unwrap();
        assert!(["${datasource}", "-- Grafana --"].contains(&uid), "{source}");
    });
    assert!(sources > 40);
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<_> = variables.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["datasource", "job", "instance"]);
    assert_eq!(variables[0]["type"], "datasource");
    assert!(dashboard["id"].is_null(), "a dashboard that is imported has no number yet");
}

#[test]
fn metrics_are_found_in_expressions() {
    let expression = r#"sum(rate(portcullis_a_total{x="1", y="2"}[1m])) / portcullis_b"#;
    assert_eq!(
        metrics(expression),
        [
            ("sum(rate(", "portcullis_a_total", r#"x="1", y="2""#),
            (r#"sum(rate(portcullis_a_total{x="1", y="2"}[1m])) / "#, "portcullis_b", ""),
        ]
    );
}

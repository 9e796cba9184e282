//! The same configuration in several formats, and the schema of them all.

use alloc::{format, string::String};

use serde_json::Value as Json;

use super::{EVERY_KEY, SAMPLE};
use crate::{
    Gate,
    gate::config::{GateConfig, face::plan_of},
};

#[test]
fn json_means_what_toml_means() {
    for text in [SAMPLE, EVERY_KEY, ""] {
        let config = GateConfig::from_toml(text).unwrap();
        let json = serde_json::to_string_pretty(&config).unwrap();
        let again: GateConfig = serde_json::from_str(&json).unwrap();
        assert_eq!(again, config);
        assert_eq!(
            GateConfig::from_toml(&config.to_toml()).unwrap(),
            config,
            "{}",
            config.to_toml()
        );
        let plans = [text, &again.to_toml()].map(|text| format!("{:?}", plan_of(text).unwrap()));
        assert_eq!(plans[0], plans[1]);
        assert!(Gate::builder().build_config(&again).is_ok());
    }
}

#[test]
fn mistakes_in_other_formats_are_told_too() {
    let wrong = serde_json::from_str::<GateConfig>(r#"{ "clients": 5, "lmit": [] }"#).unwrap_err();
    assert!(format!("{wrong}").contains("unknown field `lmit`"), "{wrong}");
    let wrong = serde_json::from_str::<GateConfig>(
        r#"{ "rule": [{ "name": "x", "when": "true", "then": "denied" }] }"#,
    );
    let wrong = format!("{}", wrong.unwrap_err());
    assert!(wrong.contains("\"deny\", \"allow\", \"count\" or \"log\""), "{wrong}");
    let config: GateConfig = serde_json::from_str(
        r#"{ "rule": [{ "name": "x", "when": "pth eq \"/\"", "then": "deny" }] }"#,
    )
    .unwrap();
    let error = Gate::builder().build_config(&config).unwrap_err();
    assert_eq!(error.len(), 1, "{error}");
    let found = error.iter().next().unwrap();
    assert_eq!((found.code().as_str(), found.place()), ("P0102", Some("rule \"x\", when")));
    let text = config.to_toml();
    assert_eq!(&text[found.span().unwrap()], "pth");
}

/// What the reader of texts knows, the types know, and the other way round.
#[cfg(feature = "schema")]
#[test]
fn the_schema_has_the_keys_of_the_file() {
    use crate::gate::config::{defence, fleet, limits, lists, read, rules, section::Keys, then};

    let schema = Json::from(GateConfig::schema());
    let same = |keys: &Keys, table: &Json| {
        let mut known: alloc::vec::Vec<_> = keys.known.to_vec();
        known.sort_unstable();
        let named: alloc::vec::Vec<_> = table["properties"].as_object().unwrap().keys().collect();
        assert_eq!(known, named, "{}", keys.what);
        assert_eq!(table["additionalProperties"], Json::Bool(false), "{}", keys.what);
    };
    same(&read::FILE, &schema);
    for (keys, name) in [
        (&read::CLIENT, "ClientConfig"),
        (&read::GROUP, "ClientGroup"),
        (&defence::DEFENCE, "DefenceConfig"),
        (&defence::PARAMETER, "ParametersConfig"),
        (&fleet::FLEET, "FleetConfig"),
        (&lists::LIST, "TypedList"),
        (&rules::RULE, "RuleConfig"),
        (&rules::THEN, "Actions"),
        (&rules::ALLOW, "AllowTable"),
        (&rules::DENY, "DenyTable"),
        (&then::BAN, "BanTable"),
        (&limits::LIMIT, "LimitConfig"),
        (&limits::THEN, "LimitBan"),
    ] {
        same(keys, &schema["$defs"][name]);
    }
}

#[cfg(feature = "schema")]
#[test]
fn the_schema_in_the_repository_is_current() {
    let schema = serde_json::to_string_pretty(&GateConfig::schema()).unwrap() + "\n";
    super::is_in_file("../gate.schema.json", &schema, include_str!("../gate.schema.json"));
}

/// The sample and its like follow the schema, and what has mistakes of form does not.
#[cfg(feature = "schema")]
#[test]
fn the_schema_takes_what_the_reader_takes() {
    let schema = Json::from(GateConfig::schema());
    let fits = |text: &str| {
        let json: Json = toml::from_str(text).unwrap();
        fit(&schema, &schema, &json)
    };
    fits(SAMPLE).unwrap();
    // Other spellings of a key are not completed by editors.
    let spelled = EVERY_KEY.replace("id = ", "name = ").replace("[defense", "[defence");
    fits(&spelled.replace("\"int\", values", "\"number\", values")).unwrap();
    for wrong in [
        "clinets = 1",
        "clients = \"1\"",
        "mode = \"shadow\"",
        "[[rule]]\nname = \"x\"\nthen = \"deny\"",
        "[[rule]]\nname = \"x\"\nwhen = \"true\"\nthen = \"denied\"",
        "[[limit]]\nname = \"x\"\nquota = 5",
        "[[limit]]\nname = \"x\"\nin_flight = \"5\"",
        "[[limit]]\nname = \"x\"",
        "[[limit]]\nname = \"x\"\nquota = \"5/s\"\nin_flight = 5",
        "[[limit]]\nname = \"x\"\nquota = \"5/s\"\nscope = \"all\"",
        "[[limit]]\nname = \"x\"\nquota = \"5/s\"\nscope = \"fleet\"\nfail = \"deny\"",
        "[[limit]]\nname = \"x\"\nquota = \"5/s\"\nfail = \"open\"",
        "[[limit]]\nname = \"x\"\nquota = \"5/s\"\nscope = \"gate\"\nfail = \"open\"",
        "[fleet]\nnodes = \"8\"",
        "[fleet]\nlease = 100",
        "[fleet]\nsecret = \"x\"",
        "[lists]\na = [true]",
        "[defence]\nauto = \"on\"",
        "[defence.parameters]\nhalflife = 3",
        "[defence.parameters]\nhalf_life = 3.5",
    ] {
        assert!(fits(wrong).is_err(), "{wrong}");
        assert!(plan_of(wrong).is_err(), "{wrong}");
    }
}

/// Whether a value follows a schema, as far as ours go.
#[cfg(feature = "schema")]
fn fit(root: &Json, schema: &Json, value: &Json) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        let definition = root.pointer(name.trim_start_matches('#')).unwrap();
        return fit(root, definition, value);
    }
    if schema.get("if").is_some_and(|schema| fit(root, schema, value).is_ok()) {
        fit(root, &schema["then"], value)?;
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(several) = schema[key].as_array() {
            let fitting = several.iter().filter(|schema| fit(root, schema, value).is_ok()).count();
            if fitting == 0 || (key == "oneOf" && fitting > 1) {
                return Err(format!("{value} is none of {schema}"));
            }
        }
    }
    let is = |kind: &Json| match kind.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other}"),
    };
    let fits = match &schema["type"] {
        Json::Null => true,
        Json::Array(kinds) => kinds.iter().any(is),
        kind => is(kind),
    };
    let listed = schema["enum"].as_array().is_none_or(|all| all.contains(value));
    let constant = schema.get("const").is_none_or(|it| it == value);
    if !(fits && listed && constant) {
        return Err(format!("{value} is not {schema}"));
    }
    if let (Some(items), Some(schema)) = (value.as_array(), schema.get("items")) {
        items.iter().try_for_each(|item| fit(root, schema, item))?;
    }
    if let Some(object) = value.as_object() {
        for (key, value) in object {
            match schema["properties"].get(key) {
                Some(schema) => fit(root, schema, value)?,
                None if schema["additionalProperties"] == Json::Bool(false) => {
                    return Err(format!("{key} is not there"));
                }
                None => {
                    if let Some(schema) = schema.get("additionalProperties") {
                        fit(root, schema, value)?;
                    }
                }
            }
        }
        for key in schema["required"].as_array().into_iter().flatten() {
            if !object.contains_key(key.as_str().unwrap()) {
                return Err(format!("{key} is missing"));
            }
        }
    }
    Ok(())
}

/// The parser does not say where that is.
#[test]
fn a_key_of_too_many_parts_is_told_where_it_stands() {
    let key = ["a"; 200].join(".");
    for text in [format!("mode = \"off\"\n{key} = 1\nbans = 2\n"), format!("[{key}]\nx = 1.5\n")] {
        let error = Gate::builder().check_toml(&text).unwrap_err();
        let told = error.iter().find(|it| it.message() == "a key has too many parts").unwrap();
        let span = told.span().unwrap();
        assert!(text[span].contains(&key), "{told}");
        assert!(error.iter().all(|it| it.span().is_some() && it.line().is_some()), "{error}");
    }
}

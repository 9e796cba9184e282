//! **Row 26: the troubles of others.**
//!
//! Identifiers: RUSTSEC-2022-0002 (dashmap); governor, which has `smallvec` only to avoid an advisory about it.
//!
//! The attack: on a crate that this one is built with, or by it: an advisory about a dependency of a dependency is one about every service that has it, and what
//! comes from a place of somebody's own is whatever they put there.
//!
//! Ours: two crates that are always there, everything else by features, named and without their defaults where those bring more; `deny.toml` for licences and
//! sources, the lock file committed, `unsafe` forbidden; `.ci/run` looks at the tree of the core, and `.ci/long` at all combinations of features and the
//! oldest compiler. This row reads the manifests.
//!
//! Shown to fail, tests counted from above:
//! - `Cargo.toml`, `config` among the default features: test 1;
//! - `src/lib.rs`, `unsafe` only denied: test 3.

use toml::{Table, Value};

fn manifest() -> Table {
    include_str!("../../Cargo.toml").parse().unwrap()
}

fn is_optional(dependency: &Value) -> bool {
    dependency.get("optional").and_then(Value::as_bool).unwrap_or(false)
}

#[test]
fn who_asks_for_nothing_gets_two_crates() {
    let manifest = manifest();
    let dependencies = manifest["dependencies"].as_table().unwrap();
    let always: Vec<&str> =
        dependencies.iter().filter(|(_, of)| !is_optional(of)).map(|(name, _)| &**name).collect();
    assert_eq!(always, ["ipnet", "thiserror"]);
    for name in always {
        assert_eq!(dependencies[name]["default-features"].as_bool(), Some(false), "{name}");
    }
    // The default is the standard library and what that needs: no framework, no runtime, no parser of texts.
    assert_eq!(manifest["features"]["default"].as_array().unwrap(), &[Value::from("std")]);
    let std: Vec<&str> =
        manifest["features"]["std"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for heavy in ["tokio", "axum", "actix-web", "redis", "toml", "tracing", "metrics", "http"] {
        assert!(!std.iter().any(|part| part.strip_prefix("dep:") == Some(heavy)), "{heavy}");
    }
}

#[test]
fn each_dependency_has_a_version_and_comes_from_a_registry() {
    let manifest = manifest();
    for (name, of) in manifest["dependencies"].as_table().unwrap() {
        let version = of
            .as_str()
            .or_else(|| of.get("version")?.as_str())
            .unwrap_or_else(|| panic!("{name} has no version"));
        assert!(version.starts_with(|first: char| first.is_ascii_digit()), "{name} = {version:?}");
        assert!(of.get("git").is_none() && of.get("path").is_none(), "{name}");
    }
    let lock: Table = include_str!("../../Cargo.lock").parse().unwrap();
    let (mut ours, mut theirs) = (0, 0);
    for package in lock["package"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        match package.get("source").and_then(Value::as_str) {
            // A workspace's own.
            None => {
                assert!(name.starts_with("portcullis"), "{name} comes from a folder");
                ours += 1;
            }
            Some(source) => {
                assert!(source.starts_with("registry+"), "{name} comes from {source}");
                assert!(package.get("checksum").is_some(), "{name} has no checksum");
                theirs += 1;
            }
        }
    }
    assert!(ours >= 2 && theirs > 50, "{ours} and {theirs}");
}

#[test]
fn what_guards_dependencies_is_there() {
    let deny: Table = include_str!("../../deny.toml").parse().unwrap();
    assert_eq!(deny["sources"]["unknown-git"].as_str(), Some("deny"));
    assert_eq!(deny["sources"]["unknown-registry"].as_str(), Some("deny"));
    assert_eq!(deny["bans"]["wildcards"].as_str(), Some("deny"));
    let licences = deny["licenses"]["allow"].as_array().unwrap();
    assert!(
        licences.iter().filter_map(Value::as_str).all(|name| !name.contains("GPL")),
        "{licences:?}"
    );
    assert!(include_str!("../../src/lib.rs").contains("#![forbid(unsafe_code)]"));
    assert_eq!(manifest()["workspace"]["package"]["rust-version"].as_str(), Some("1.85"));
}

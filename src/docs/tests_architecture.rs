//! The map of the house shows the house.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "reads the sources, and says what it skips"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    eprintln, format, fs,
    path::{Path, PathBuf},
    string::{String, ToString},
    vec::Vec,
};

const PAGE: &str = include_str!("architecture.md");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What stands between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The parts: folders and files right in `src`, without those that only tests need.
fn parts() -> BTreeSet<String> {
    let entries = fs::read_dir(root().join("src")).unwrap().flatten();
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    let names = names.map(|name| name.trim_end_matches(".rs").to_string());
    names.filter(|name| !["lib", "schedules", "test_support"].contains(&name.as_str())).collect()
}

/// What the table says that each part builds on; `None` where it is all that stands above.
fn told() -> BTreeMap<String, Option<BTreeSet<String>>> {
    let rows = PAGE.lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix("| `src/")?.split('|').collect();
        let [part, _, on, _] = cells[..] else { return None };
        let part = part.trim().trim_end_matches(['/', '`']).trim_end_matches(".rs");
        let names = (!on.contains("all of these")).then(|| quoted(on).map(String::from).collect());
        Some((part.trim_end_matches('/').to_string(), names))
    });
    rows.collect()
}

/// All sources of a part that are in a build.
fn sources(path: &Path, found: &mut Vec<PathBuf>) {
    const OTHERS: [&str; 6] = ["test", "reference", "_models", "samples", "published", "agreement"];
    let name = path.file_name().unwrap().to_str().unwrap();
    if OTHERS.iter().any(|other| name.contains(other)) {
        return;
    }
    match fs::read_dir(path) {
        Ok(entries) => entries.flatten().for_each(|entry| sources(&entry.path(), found)),
        Err(_) if name.ends_with(".rs") => found.push(path.to_path_buf()),
        Err(_) => {}
    }
}

/// The names that follow `crate::` in a source, before its tests.
fn named(source: &str) -> BTreeSet<String> {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code = code.split("#[cfg(all(test, not(loom)))]\nmod tests {").next().unwrap_or_default();
    let lines = code.lines().map(|line| line.split("//").next().unwrap_or_default());
    let code = lines.collect::<Vec<_>>().join("\n");
    let first = |text: &str| -> String {
        text.trim_start().chars().take_while(|is| is.is_ascii_lowercase() || *is == '_').collect()
    };
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.insert(first(rest));
            continue;
        };
        let (mut depth, mut start) = (0_u32, 0);
        for (at, is) in group.char_indices() {
            match is {
                '{' => depth += 1,
                ',' | '}' if depth == 0 => {
                    names.insert(first(&group[start..at]));
                    start = at + 1;
                    if is == '}' {
                        break;
                    }
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    names.remove("");
    names
}

/// Each part builds on what the table says, and on nothing else.
#[test]
fn parts_build_on_what_the_table_says() {
    if !root().join("src/docs/architecture.md").is_file() {
        return eprintln!(
            "SKIPPED: the sources are not there, so the map is not compared with them"
        );
    }
    let (parts, told) = (parts(), told());
    assert_eq!(told.keys().collect::<Vec<_>>(), parts.iter().collect::<Vec<_>>());
    let mut wrong = Vec::new();
    for part in parts.iter().filter(|part| *part != "docs") {
        let mut files = Vec::new();
        let folder = root().join("src").join(part);
        if folder.is_dir() {
            sources(&folder, &mut files);
        }
        files.extend(Some(folder.with_extension("rs")).filter(|file| file.is_file()));
        assert!(!files.is_empty(), "{part} has no sources");
        let read = |file: &PathBuf| named(&fs::read_to_string(file).unwrap());
        let mut used: BTreeSet<String> = files.iter().flat_map(read).collect();
        used.retain(|name| parts.contains(name) && name != part);
        match &told[part] {
            Some(told) if *told == used => {}
            None if used.is_disjoint(&["adapt".to_string(), "docs".to_string()].into()) => {}
            told => wrong.push(format!("{part} builds on {used:?}, and the table says {told:?}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Each path that the page names is there.
#[test]
fn paths_are_there() {
    if !root().join("src/docs/architecture.md").is_file() {
        return eprintln!("SKIPPED: the sources are not there, so paths are not looked up");
    }
    let has_tests = root().join("tests/README.md").is_file();
    let (mut found, mut missing) = (0, Vec::new());
    for path in quoted(PAGE).filter(|word| word.contains('/')) {
        found += 1;
        if !root().join(path).exists() && (has_tests || path.starts_with("src/")) {
            missing.push(path);
        }
    }
    assert!(found > 100, "only {found} paths are found");
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The look-up itself: it would find what is there.
#[test]
fn names_are_found() {
    let source = "use crate::{\n    a::{b, c},\n    d,\n    e::F,\n};\n// crate::g\nlet _ = crate::h::i;\n\
                  use crate::sync::J;\n#[cfg(test)]\nmod tests {\n    use crate::k;\n}\n";
    let names = named(source);
    assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>(), ["a", "d", "e", "h", "sync"]);
}

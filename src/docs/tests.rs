//! What the book says of the sources is so.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "reads the sources, and says what it skips"
)]

use std::{
    collections::BTreeMap,
    eprintln, format, fs,
    path::Path,
    string::{String, ToString},
    vec::Vec,
};

const GUARANTEES: &str = include_str!("guarantees.md");

/// A row of a table of promises: the file and the numbers that state it, and how it is tried.
struct Promise {
    line: usize,
    stated: (String, Vec<String>),
    tried: Vec<Tried>,
}

/// Tests of one file that are called by one word.
struct Tried {
    way: String,
    file: String,
    names: Vec<String>,
}

/// The rows that name a file in their second cell.
fn promises(page: &str) -> Vec<Promise> {
    let rows = page.lines().enumerate().filter_map(|(at, line)| {
        let cells: Vec<&str> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
        let [_, stated, tests] = cells[..] else { return None };
        let file = quoted(stated).next()?.to_string();
        let numbers = stated.split_whitespace().filter(|word| word.starts_with('I'));
        let stated = (file, numbers.map(String::from).collect());
        Some(Promise { line: at + 1, stated, tried: tried(tests, at + 1) })
    });
    rows.collect()
}

/// What a third cell names. A way or a file goes on until the next one.
fn tried(cell: &str, line: usize) -> Vec<Tried> {
    let mut all: Vec<Tried> = Vec::new();
    let mut way = String::new();
    for (at, piece) in cell.split('`').enumerate() {
        if at % 2 == 0 {
            let Some((before, _)) = piece.rsplit_once(':') else { continue };
            way = before.rsplit([' ', ';']).next().unwrap_or_default().to_string();
            if let Some(file) = all.last().map(|last| last.file.clone()) {
                all.push(Tried { way: way.clone(), file, names: Vec::new() });
            }
        } else if is_file(piece) {
            all.push(Tried { way: way.clone(), file: piece.to_string(), names: Vec::new() });
        } else if piece != "loom" {
            let last = all.last_mut();
            let last = last.unwrap_or_else(|| panic!("line {line}: {piece} is before any file"));
            last.names.push(piece.to_string());
        }
    }
    all
}

fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn is_file(word: &str) -> bool {
    word.ends_with(".rs") || word.ends_with(".sh")
}

/// The ways that the page itself explains.
fn ways(page: &str) -> Vec<&str> {
    page.lines().filter_map(|line| line.strip_prefix("| **")?.split("**").next()).collect()
}

/// A function of a source, from its name to the line that ends it, and where it starts.
fn function<'a>(source: &'a str, name: &str) -> Option<(usize, &'a str)> {
    let start = format!("fn {name}");
    let mut found = source.match_indices(&start).map(|(at, _)| at);
    let at = found.find(|at| source[at + start.len()..].starts_with(['(', '<']))?;
    let end = end_of_block(source, at);
    Some((at, &source[at..end]))
}

/// Where the block ends whose first line this place is on: by its indentation, as it is formatted.
fn end_of_block(source: &str, at: usize) -> usize {
    let line = &source[source[..at].rfind('\n').map_or(0, |end| end + 1)..];
    let indent = &line[..line.len() - line.trim_start_matches(' ').len()];
    source[at..].find(&format!("\n{indent}}}")).map_or(source.len(), |end| at + end)
}

/// Whether a test has the mark of what it is called, where that has one: proptest or seeds, and threads, started by itself
/// or by what it calls in its file.
fn is_what_it_is_called(way: &str, source: &str, name: &str) -> bool {
    let Some((at, text)) = function(source, name) else { return true };
    let starts_threads = |text: &str| text.contains("thread::") || text.contains("spawn(");
    match way {
        "property" => {
            let blocks = source[..at].match_indices("proptest! {").map(|(block, _)| block);
            text.contains("seed") || blocks.last().is_some_and(|it| end_of_block(source, it) > at)
        }
        "threads" => {
            let helpers = source.split("fn ").skip(1).filter_map(|it| it.split(['(', '<']).next());
            let called = helpers.filter(|it| *it != name && text.contains(&format!("{it}(")));
            let mut called = called.filter_map(|helper| function(source, helper));
            starts_threads(text) || called.any(|(_, text)| starts_threads(text))
        }
        _ => true,
    }
}

/// Each promise is stated under its numbers where the page says, and each test that it names exists, and is what it is called.
///
/// A package without the tests of the repository has only those in `src`.
#[test]
fn each_promise_is_stated_and_its_tests_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let has_tests = root.join("tests/guarantees/main.rs").is_file();
    if !root.join("src/docs/guarantees.md").is_file() {
        return eprintln!(
            "SKIPPED: the sources are not there, so what the book says of them is not looked up"
        );
    }
    let mut sources: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut source = |file: &str| {
        let read = || fs::read_to_string(root.join(file)).ok();
        sources.entry(file.to_string()).or_insert_with(read).clone()
    };
    let mut missing = Vec::new();
    let mut skipped = 0;
    let (all, ways) = (promises(GUARANTEES), ways(GUARANTEES));
    for Promise { line, stated: (file, numbers), tried } in &all {
        match source(file) {
            Some(text) => missing.extend(
                numbers
                    .iter()
                    .filter(|number| !text.contains(&format!("**{number}**")))
                    .map(|number| format!("line {line}: {file} states no {number}")),
            ),
            None => missing.push(format!("line {line}: there is no {file}")),
        }
        if numbers.is_empty() || tried.is_empty() {
            missing.push(format!("line {line}: a promise without a number, or without a test"));
        }
        for Tried { way, file, names } in tried {
            if !ways.contains(&way.as_str()) {
                missing.push(format!("line {line}: {way:?} is no way that the page explains"));
            }
            let Some(text) = source(file) else {
                match !file.starts_with("src/") && !has_tests {
                    true => skipped += 1,
                    false => missing.push(format!("line {line}: there is no {file}")),
                }
                continue;
            };
            for name in names {
                if function(&text, name).is_none() {
                    missing.push(format!("line {line}: {file} has no test {name}"));
                } else if !is_what_it_is_called(way, &text, name) {
                    missing.push(format!("line {line}: {name} is called {way}, and is not"));
                }
            }
        }
    }
    if skipped > 0 {
        eprintln!("SKIPPED: {skipped} tests of the repository, which this package does not have");
    }
    assert!(all.len() > 60, "only {} promises are found", all.len());
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The look-up itself: it would find what is not there.
#[test]
fn what_is_not_there_is_missed() {
    let page = "| a | `src/x.rs` I1 I2 | model: `src/y.rs` `one`, `two`; threads: `three`; `src/z.rs` |\n| no | row | of it |\n";
    let all = promises(page);
    let [Promise { line: 1, stated, tried }] = &all[..] else { panic!("{} rows", all.len()) };
    assert_eq!((stated.0.as_str(), stated.1.len()), ("src/x.rs", 2));
    let tried = tried.iter().map(|it| (&*it.way, &*it.file, &it.names[..]));
    let tried: Vec<(&str, &str, &[String])> = tried.collect();
    let [one, two, three] = ["one", "two", "three"].map(String::from);
    assert_eq!(
        tried,
        [
            ("model", "src/y.rs", &[one, two][..]),
            ("threads", "src/y.rs", &[three][..]),
            ("threads", "src/z.rs", &[][..]),
        ]
    );
    assert_eq!(
        ways("| way | it means |\n| **model** | equal |\n| **example** | x |"),
        ["model", "example"]
    );

    let source = "\
fn plain() {
    once();
}
proptest! {
    #[test]
    fn random(n in 0..5_u32) {
        twice();
    }
}
fn helper<F>(f: F) {
    thread::scope(f);
}
fn by_helper() {
    helper(|_| {});
}
fn by_seed() {
    for seed in 0..5 {}
}
";
    for (name, property, threads) in [
        ("plain", false, false),
        ("random", true, false),
        ("helper", false, true),
        ("by_helper", false, true),
        ("by_seed", true, false),
    ] {
        assert_eq!(is_what_it_is_called("property", source, name), property, "{name}");
        assert_eq!(is_what_it_is_called("threads", source, name), threads, "{name}");
        assert!(is_what_it_is_called("example", source, name));
    }
    assert!(function(source, "rando").is_none());
}

/// Each chapter begins with its question, and what is Rust in it is run, or at least compiled.
#[test]
fn every_snippet_is_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/docs");
    if !folder.is_dir() {
        return eprintln!("SKIPPED: the chapters are not there as files");
    }
    let files = |folder: &Path| {
        let all = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        all.filter(|path| path.extension().is_some_and(|is| is == "md")).collect::<Vec<_>>()
    };
    let (own, mut wrong) = (files(&folder), Vec::new());
    for path in own.iter().chain(&files(&folder.join("coming_from"))) {
        let page = fs::read_to_string(path).unwrap();
        let fences = page.lines().filter_map(|line| line.trim_start().strip_prefix("```"));
        for fence in fences.step_by(2) {
            let words: Vec<&str> =
                fence.split([',', ' ']).filter(|word| !word.is_empty()).collect();
            let is_other = words.iter().any(|word| OTHER_LANGUAGES.contains(word));
            if !is_other && !words.iter().all(|word| ["rust", "no_run"].contains(word)) {
                wrong.push(format!("{}: ```{fence}", path.display()));
            }
        }
        let question = page.lines().next().unwrap_or_default();
        if own.contains(path) && !(question.starts_with('*') && question.ends_with("?*")) {
            wrong.push(format!("{}: does not begin with a question", path.display()));
        }
    }
    assert!(own.len() >= 9, "{own:?}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What is not Rust, and says so.
const OTHER_LANGUAGES: [&str; 11] =
    ["conf", "console", "expr", "json", "markdown", "nginx", "ruby", "sh", "text", "toml", "yaml"];

/// The blocks of one language of a page.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find("```") {
        let block = &rest[at + 3..];
        let end = block.find("\n```").unwrap_or(block.len());
        let (first, body) = block[..end].split_once('\n').unwrap_or((&block[..end], ""));
        if first == language {
            found.push(body);
        }
        rest = block.get(end + 4..).unwrap_or_default();
    }
    found
}

/// What is Rust in the README is run by rustdoc, and the rest of it here: configurations are read, dependencies are
/// TOML, and what needs a framework that the library does not is a part of an example, which is built and asked.
#[test]
fn what_rustdoc_does_not_run_of_the_readme_is_so_too() {
    let readme = include_str!("../../README.md");
    let mut configurations = 0;
    for text in blocks(readme, "toml") {
        if text.contains("version = ") {
            toml::from_str::<toml::Table>(text).unwrap();
            continue;
        }
        crate::Gate::from_toml(text).unwrap_or_else(|error| panic!("{text}\n{error}"));
        configurations += 1;
    }
    assert!(configurations >= 3, "only {configurations} configurations are found");

    let ignored = blocks(readme, "rust,ignore");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/frameworks/tonic.rs");
    let Ok(example) = fs::read_to_string(path) else {
        return eprintln!("SKIPPED: the example for tonic is not there");
    };
    let plain = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    assert_eq!(ignored.len(), 1, "what else is ignored?");
    assert!(plain(&example).contains(&plain(ignored[0])), "{}", ignored[0]);
}

/// Every model of threads is in the list of them, under its file, and every row is one that exists.
#[test]
fn the_list_of_models_is_that_of_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Ok(page) = fs::read_to_string(root.join("tests/models.md")) else {
        return eprintln!("SKIPPED: a package has no list of models");
    };
    let mut listed = BTreeMap::new();
    let mut file = "";
    for (line, text) in page.lines().enumerate() {
        if let Some(heading) = text.strip_prefix("### ") {
            file = quoted(heading).next().unwrap_or_default();
        } else if let Some(model) = text.strip_prefix("| `").and_then(|rest| rest.split('`').next())
        {
            if is_model(model) {
                let again = listed.insert((file.to_string(), model.to_string()), line + 1);
                assert!(again.is_none(), "line {}: {model} is there twice", line + 1);
            }
        }
    }
    let mut there = Vec::new();
    let mut folders = std::vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|is| is == "rs") {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
                there.extend(
                    models_of(&fs::read_to_string(&path).unwrap()).map(|it| (name.clone(), it)),
                );
            }
        }
    }
    let unlisted: Vec<_> = there.iter().filter(|model| !listed.contains_key(model)).collect();
    let gone: Vec<_> = listed.iter().filter(|(model, _)| !there.contains(model)).collect();
    assert!(unlisted.is_empty() && gone.is_empty(), "not listed: {unlisted:#?}, gone: {gone:#?}");
    assert!(there.len() > 140, "only {} models are found", there.len());
}

fn is_model(name: &str) -> bool {
    name.starts_with("loom_") || name.starts_with("shuttle_")
}

/// The models that a source defines: functions without arguments, by the beginnings of their names.
fn models_of(source: &str) -> impl Iterator<Item = String> + '_ {
    let functions = source.lines().filter_map(|line| line.trim_start().strip_prefix("fn "));
    let names = functions.filter_map(|rest| rest.split_once("()")).map(|(name, _)| name);
    names.filter(|name| is_model(name)).map(String::from)
}

/// The look-up itself.
#[test]
fn models_are_found_in_sources() {
    let source =
        "#[test]\n    fn loom_a() {\n fn loom_b(n: u32) {}\nfn shuttle_c() {}\n// fn loom_d() {}\n";
    assert_eq!(models_of(source).collect::<Vec<_>>(), ["loom_a", "shuttle_c"]);
}

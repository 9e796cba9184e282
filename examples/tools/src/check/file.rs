//! A file, and all that is found in it.

use std::{fs, io::Read};

use portcullis::{
    Gate,
    gate::config::GateConfig,
    rule::{Diagnostic, Diagnostics, Severity},
};

use super::options::Program;

/// What was found in one file.
pub(super) struct Examined {
    /// As it was named, or `<stdin>`.
    pub(super) name: String,
    /// Why nothing else is known of it, if it is so.
    pub(super) unreadable: Option<Unreadable>,
    /// Mistakes, or else warnings and then what could not be built.
    pub(super) found: Vec<Diagnostics>,
    /// There is one unless there are mistakes.
    pub(super) gate: Option<Gate>,
    /// What the file says, as values; empty if there are mistakes.
    pub(super) config: GateConfig,
}

/// Why a file cannot be read as a text.
pub(super) struct Unreadable {
    pub(super) message: String,
    /// Line and column of what is no text, from 1.
    pub(super) at: Option<(usize, usize)>,
}

impl Examined {
    /// Reads a file, or the standard input if it is called `-`.
    pub(super) fn read(name: &str, program: &Program, stdin: &mut dyn Read) -> Self {
        let (name, bytes) = if name == "-" {
            let mut bytes = Vec::new();
            ("<stdin>", stdin.read_to_end(&mut bytes).map(|_| bytes))
        } else {
            (name, fs::read(name))
        };
        match bytes.map(String::from_utf8) {
            Ok(Ok(text)) => Self::of(name, &text, program),
            Ok(Err(error)) => {
                let good = error.utf8_error().valid_up_to();
                let good =
                    String::from_utf8_lossy(error.as_bytes().get(..good).unwrap_or_default());
                let line = good.matches('\n').count() + 1;
                let column = good.chars().rev().take_while(|c| *c != '\n').count() + 1;
                let message = "not a text in UTF-8".to_owned();
                Self::unreadable(name, Unreadable { message, at: Some((line, column)) })
            }
            Err(error) => {
                let message = format!("cannot be read: {error}");
                Self::unreadable(name, Unreadable { message, at: None })
            }
        }
    }

    fn unreadable(name: &str, why: Unreadable) -> Self {
        let name = name.to_owned();
        let config = GateConfig::default();
        Self { name, unreadable: Some(why), found: Vec::new(), gate: None, config }
    }

    /// What is found in a text of this name.
    pub(super) fn of(name: &str, text: &str, program: &Program) -> Self {
        let mut found = Vec::new();
        let mut gate = None;
        match program.filled().check_toml(text) {
            Err(mistakes) => found.push(mistakes),
            Ok(warnings) => {
                found.push(warnings);
                // Only now it is known whether there is the memory that it asks for.
                match program.builder().danger_seed(0).build_toml(text) {
                    Ok(built) => gate = Some(built),
                    Err(mistakes) => found.push(mistakes),
                }
            }
        }
        found.retain(|these| !these.is_empty());
        let found = found.into_iter().map(|these| these.with_origin(name)).collect();
        // The same text again as values; what it describes is known to be right.
        let config = gate.as_ref().and_then(|_| toml::from_str(text).ok()).unwrap_or_default();
        Self { name: name.to_owned(), unreadable: None, found, gate, config }
    }

    /// All that was found, in the order in which it is told.
    pub(super) fn each(&self) -> impl Iterator<Item = &Diagnostic> {
        self.found.iter().flatten()
    }

    pub(super) fn warnings(&self) -> usize {
        self.each().filter(|it| it.severity() == Severity::Warning).count()
    }

    pub(super) fn mistakes(&self) -> usize {
        let unreadable = usize::from(self.unreadable.is_some());
        self.each().filter(|it| it.severity() == Severity::Error).count() + unreadable
    }
}

//! Diagnostics as text: the line, and carets under exactly what is wrong.
//!
//! ```text
//! error[P0102]: unknown field `http.request.uri.pth`
//!   --> gate.toml:14:9  (rule "block-login-floods", when)
//!    |
//! 14 | when = 'http.request.uri.pth eq "/login" and ip.src in $office'
//!    |         ^^^^^^^^^^^^^^^^^^^^
//!    = help: did you mean `http.request.uri.path` (alias `path`)?
//! ```
//!
//! # Invariants
//! - **I1** a caret stands below each character of the span, counted in characters, and nowhere else; a
//!   span of nothing has one caret, where something is missing;
//! - **I2** what is printed has no control characters but line feeds, and no characters that change the
//!   direction of text: so it can not redraw a terminal, or show other than it says;
//! - **I3** a line is no longer than [`WIDTH`] characters, and an ellipsis stands for what is left out.
//!
//! # Cost
//! In proportion to [`WIDTH`] and to the number of lines of a span of which a few are shown, however long
//! text and lines are.

use alloc::{format, string::String, vec::Vec};
use core::{
    fmt::{self, Write},
    ops::Range,
};

use super::diagnostic::{Diagnostic, Position};

/// The most characters of a line of the text that are shown.
const WIDTH: usize = 100;
/// How many of them come before the span, at least, if there are more than [`WIDTH`].
const BEFORE: usize = 30;
/// A tab is shown as so many blanks.
const TAB: &str = "    ";

/// Prints one with its text, if there is one.
pub(super) fn diagnostic(
    f: &mut fmt::Formatter<'_>,
    diagnostic: &Diagnostic,
    origin: Option<&str>,
    text: Option<&str>,
) -> fmt::Result {
    let Diagnostic { code, message, span, place, help, position } = diagnostic;
    writeln!(f, "{}[{code}]: {}", code.severity(), Plain(message))?;
    let lines = match (text, span, position) {
        (Some(text), Some(span), Some(position)) => lines_of(text, span.clone(), *position),
        _ => Vec::new(),
    };
    let digits = lines.iter().map(|line| format!("{}", line.number).len()).max().unwrap_or(1);
    if position.is_some() || origin.is_some() || place.is_some() {
        write!(f, "{:digits$}-->", "")?;
        match (origin, position) {
            (Some(name), Some(Position { line, column })) => {
                write!(f, " {}:{line}:{column}", Plain(name))?;
            }
            (Some(name), None) => write!(f, " {}", Plain(name))?,
            (None, Some(Position { line, column })) => write!(f, " {line}:{column}")?,
            (None, None) => {}
        }
        match place {
            Some(place) if origin.is_none() && position.is_none() => {
                writeln!(f, " {}", Plain(place))
            }
            Some(place) => writeln!(f, "  ({})", Plain(place)),
            None => writeln!(f),
        }?;
    }
    if !lines.is_empty() {
        writeln!(f, "{:digits$} |", "")?;
    }
    for line in &lines {
        if line.after_gap {
            writeln!(f, "{:.<digits$}", "")?;
        }
        writeln!(f, "{:>digits$} | {}", line.number, line.shown)?;
        writeln!(f, "{:digits$} | {}", "", line.carets)?;
    }
    if let Some(help) = help {
        writeln!(f, "{:digits$} = help: {}", "", Plain(help))?;
    }
    Ok(())
}

/// A line of the text with the carets that belong below it.
struct Line {
    number: usize,
    shown: String,
    carets: String,
    /// Lines before it are left out.
    after_gap: bool,
}

/// The lines that a span touches; of many only the first two and the last.
fn lines_of(text: &str, span: Range<usize>, position: Position) -> Vec<Line> {
    let marked = text.get(span.clone()).unwrap_or_default();
    // A span that ends with a line break is not about the line after it.
    let marked = marked.strip_suffix('\n').unwrap_or(marked);
    let more = marked.matches('\n').count();
    let mut lines = Vec::new();
    let mut start = span.start;
    for (at, part) in marked.split('\n').enumerate() {
        let end = start.saturating_add(part.len());
        if at < 2 || at == more {
            let after_gap = at == more && at > 2;
            let number = position.line.saturating_add(at);
            let (shown, carets) = line_of(text, start..end);
            lines.push(Line { number, shown, carets, after_gap });
        }
        start = end.saturating_add(1);
    }
    lines
}

/// The line around a span that does not leave it, and the carets below.
fn line_of(text: &str, span: Range<usize>) -> (String, String) {
    let before = text.get(..span.start).unwrap_or_default();
    let marked = text.get(span.clone()).unwrap_or_default();
    let after = text.get(span.end..).unwrap_or_default();

    // Enough of each part for a whole line, and one character more, which tells whether it was cut.
    let on_line = |character: &char| *character != '\n';
    let before: Vec<char> =
        before.chars().rev().take_while(on_line).take(WIDTH.saturating_add(1)).collect();
    let marked: Vec<char> =
        marked.trim_end_matches('\r').chars().take(WIDTH.saturating_add(1)).collect();
    let after: Vec<char> =
        after.chars().take_while(on_line).take(WIDTH.saturating_add(1)).collect();
    let after = after.strip_suffix(&['\r']).unwrap_or(&after);

    let mut room = WIDTH.saturating_sub(width(&marked).min(WIDTH));
    // What comes before the span has its share, and more if what comes after it needs less.
    let kept_before =
        fitting(before.iter(), room.min(BEFORE.max(room.saturating_sub(width(after)))));
    let mut shown = String::new();
    let mut carets = String::new();
    if kept_before < before.len() {
        shown.push('…');
        carets.push(' ');
    }
    for character in before.iter().take(kept_before).rev() {
        let drawn = draw(*character);
        carets.extend(drawn.chars().map(|_| ' '));
        shown.push_str(&drawn);
        room = room.saturating_sub(drawn.chars().count());
    }
    let kept_marked = fitting(marked.iter(), WIDTH);
    for character in marked.iter().take(kept_marked) {
        let drawn = draw(*character);
        carets.extend(drawn.chars().map(|_| '^'));
        shown.push_str(&drawn);
    }
    if marked.is_empty() {
        carets.push('^');
    }
    let kept_after = fitting(after.iter(), room);
    for character in after.iter().take(kept_after) {
        shown.push_str(&draw(*character));
    }
    if kept_after < after.len() || kept_marked < marked.len() {
        shown.push('…');
    }
    shown.truncate(shown.trim_end().len());
    (shown, carets)
}

/// How many of these characters fit into so many columns.
fn fitting<'a>(characters: impl Iterator<Item = &'a char>, columns: usize) -> usize {
    let mut taken = 0_usize;
    characters
        .take_while(|character| {
            taken = taken.saturating_add(draw(**character).chars().count());
            taken <= columns
        })
        .count()
}

fn width(characters: &[char]) -> usize {
    characters.iter().map(|character| draw(*character).chars().count()).sum()
}

/// How a character is shown.
fn draw(character: char) -> String {
    match character {
        '\t' => String::from(TAB),
        other => String::from(plain(other)),
    }
}

/// I2.
fn plain(character: char) -> char {
    let turns = matches!(character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if character.is_control() || turns { char::REPLACEMENT_CHARACTER } else { character }
}

/// A text of one line, whatever is in it.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| f.write_char(plain(character)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::{
        format,
        string::{String, ToString},
        vec,
        vec::Vec,
    };

    use super::{
        super::diagnostic::{Code, Diagnostic, Diagnostics},
        WIDTH, plain,
    };
    use crate::test_support::cases;

    fn shown(text: &str, span: core::ops::Range<usize>) -> String {
        let found = Diagnostic::new(Code::Syntax, span, "wrong");
        Diagnostics::new(text, vec![found]).with_origin("f").to_string()
    }

    /// The shown line and the carets, without the gutter.
    fn pair(text: &str, span: core::ops::Range<usize>) -> (String, String) {
        let shown = shown(text, span);
        let lines: Vec<&str> = shown.lines().collect();
        let cut = |line: &str| line.split_once("| ").map_or("", |(_, shown)| shown).to_string();
        (cut(lines[3]), cut(lines[4]))
    }

    #[test]
    fn the_whole_of_it() {
        let text = "a = 1\n[[rule]]\nwhen = 'http.request.uri.pth eq \"/login\"'\n";
        let found =
            Diagnostic::new(Code::UnknownField, 23..43, "unknown field `http.request.uri.pth`")
                .with_help("did you mean `http.request.uri.path` (alias `path`)?")
                .at_place("rule \"block-login-floods\", when");
        let found = Diagnostics::new(text, vec![found]).with_origin("gate.toml");
        assert_eq!(
            found.to_string(),
            r#"error[P0102]: unknown field `http.request.uri.pth`
 --> gate.toml:3:9  (rule "block-login-floods", when)
  |
3 | when = 'http.request.uri.pth eq "/login"'
  |         ^^^^^^^^^^^^^^^^^^^^
  = help: did you mean `http.request.uri.path` (alias `path`)?
"#
        );
        assert_eq!(format!("{found:?}"), format!("\n{found}"), "what an unwrap shows");
        assert_eq!(
            found.found[0].to_string(),
            "error[P0102]: unknown field `http.request.uri.pth`\n --> 3:9  (rule \"block-login-floods\", when)\n  = help: did you mean `http.request.uri.path` (alias `path`)?\n"
        );
    }

    #[test]
    fn the_gutter_is_as_wide_as_the_number() {
        let text = format!("{}x", "\n".repeat(122));
        assert_eq!(
            shown(&text, 122..123),
            "error[P0001]: wrong\n   --> f:123:1\n    |\n123 | x\n    | ^\n"
        );
    }

    #[test]
    fn without_a_text_or_a_place() {
        let lint = Diagnostic::of_whole(Code::Unreachable, "never asked");
        assert_eq!(lint.to_string(), "warning[P0601]: never asked\n");
        let lint = lint.at_place("rule \"a\"").with_help("move it");
        assert_eq!(
            lint.to_string(),
            "warning[P0601]: never asked\n --> rule \"a\"\n  = help: move it\n"
        );
        assert_eq!(Diagnostics::without_text(vec![lint.clone()]).to_string(), lint.to_string());
        // A span of a text that is not there says nothing.
        let found = Diagnostics::without_text(vec![Diagnostic::new(Code::Syntax, 1..2, "wrong")]);
        assert_eq!((&found).into_iter().map(Diagnostic::span).collect::<Vec<_>>(), [None]);
        // Nor does the place that it had there.
        let placed =
            Diagnostics::new("ab", vec![Diagnostic::new(Code::Syntax, 1..2, "wrong")]).found;
        assert_eq!(placed[0].column(), Some(2));
        assert_eq!(Diagnostics::without_text(placed).found[0].column(), None);
    }

    /// I1.
    #[test]
    fn carets_stand_below_the_span() {
        for (text, span, line, carets) in [
            ("path eq", 5..7, "path eq", "     ^^"),
            ("path eq", 7..7, "path eq", "       ^"),
            ("", 0..0, "", "^"),
            ("\ta\tb", 3..4, "    a    b", "         ^"),
            ("\ta\tb", 1..3, "    a    b", "    ^^^^^"),
            ("x\r\ny\r\n", 3..4, "y", "^"),
            ("x\r\ny\r\n", 0..3, "x", "^"),
            ("é中😀 z", 10..11, "é中😀 z", "    ^"),
            ("a\0b\u{1b}[2J", 2..3, "a\u{fffd}b\u{fffd}[2J", "  ^"),
            ("a\u{202e}b", 4..5, "a\u{fffd}b", "  ^"),
        ] {
            assert_eq!(pair(text, span.clone()), (line.into(), carets.into()), "{text:?} {span:?}");
        }
    }

    #[test]
    fn spans_of_several_lines_show_the_first_two_and_the_last() {
        let text = "a (\n b\n c\n d\n) e";
        assert_eq!(
            shown(text, 2..14),
            "error[P0001]: wrong\n --> f:1:3\n  |\n1 | a (\n  |   ^\n2 |  b\n  | ^^\n.\n5 | ) e\n  | ^\n"
        );
        assert_eq!(
            shown("a (\n b\n) e", 2..8),
            "error[P0001]: wrong\n --> f:1:3\n  |\n1 | a (\n  |   ^\n2 |  b\n  | ^^\n3 | ) e\n  | ^\n"
        );
        assert_eq!(
            shown("a\nb\n", 0..4),
            "error[P0001]: wrong\n --> f:1:1\n  |\n1 | a\n  | ^\n2 | b\n  | ^\n"
        );
    }

    /// I3.
    #[test]
    fn long_lines_are_cut_around_the_span() {
        let text = format!("{}WRONG{}", "a".repeat(5_000), "b".repeat(5_000));
        let (line, carets) = pair(&text, 5_000..5_005);
        assert_eq!(line, format!("…{}WRONG{}…", "a".repeat(30), "b".repeat(65)));
        assert_eq!(carets, format!("{}^^^^^", " ".repeat(31)));
        let (line, carets) = pair(&text, 0..5);
        assert_eq!(line, format!("{}…", "a".repeat(100)));
        assert_eq!(carets, "^^^^^");
        let (line, carets) = pair(&text, 10_004..10_005);
        assert_eq!(line, format!("…{}", "b".repeat(100)));
        assert_eq!(carets, format!("{}^", " ".repeat(100)));
        let (line, carets) = pair(&text, 0..10_005);
        assert_eq!((line, carets), (format!("{}…", "a".repeat(100)), "^".repeat(100)));
    }

    /// A thousand mistakes in one line of a megabyte are printed at once.
    #[test]
    fn cost_does_not_grow_with_the_line() {
        let text = "a".repeat(1 << 20);
        let found =
            (0..1_000).map(|at| Diagnostic::new(Code::Syntax, at * 1_000..at * 1_000 + 5, "x"));
        let found = Diagnostics::new(&text, found.collect());
        assert_eq!(found.iter().last().unwrap().column(), Some(999_001));
        assert!(found.to_string().len() < 400_000);
    }

    proptest! {
        #![proptest_config(cases(300))]

        /// I1 to I3 for any text, with any span, even one that does not fit.
        #[test]
        fn whatever_the_text_it_is_shown_safely(
            text in "([a-c é中]|[\t\r\n]|\\PC|[\\x00-\\x1f]){0,200}",
            start in 0..900_usize,
            length in 0..300_usize,
        ) {
            let found = Diagnostic::new(Code::Syntax, start..start + length, "wrong");
            let found = Diagnostics::new(&text, vec![found]);
            let shown = found.to_string();
            prop_assert!(shown.chars().all(|c| c == '\n' || plain(c) == c));
            prop_assert!(shown.lines().all(|line| line.chars().count() <= WIDTH + 12));
            let diagnostic = &found.found[0];
            let span = diagnostic.span().unwrap();
            let marked = &text[span.clone()];
            prop_assert!(span.start <= start);
            // Of one short line, everything can be counted.
            let line = text[..span.start].rsplit('\n').next().unwrap();
            prop_assert_eq!(diagnostic.column(), Some(line.chars().count() + 1));
            prop_assert_eq!(diagnostic.line(), Some(text[..span.start].matches('\n').count() + 1));
            if !marked.contains(['\n', '\r']) && line.len() + marked.len() < 20 {
                let wide = |text: &str| text.chars().map(|c| if c == '\t' { 4 } else { 1 }).sum::<usize>();
                let carets = shown.lines().nth(4).unwrap().split_once("| ").unwrap().1;
                let expected = format!("{}{}", " ".repeat(wide(line)), "^".repeat(wide(marked).max(1)));
                prop_assert_eq!(carets, expected);
            }
        }
    }
}

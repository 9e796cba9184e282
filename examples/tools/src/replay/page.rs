//! A report as headings, sentences, lists and tables, written for a terminal or as Markdown.
//!
//! What stands in a log was written by whoever asked, and wants to be read by a terminal or a browser. So nothing is
//! written as it came:
//!
//! | | in a terminal | in Markdown |
//! |---|---|---|
//! | bytes that are not visible ASCII | escaped: `\x1b`, `\u{202e}` | the same |
//! | [`Cell::Code`]: what is from a log or a configuration | as it is | a code span, in which `` ` ``, `\|` and `<` are escaped too |
//! | sentences | as they are | what could be read as markup is written as an entity |

use std::fmt::Write;

/// The width of a terminal that sentences are broken for.
const WIDTH: usize = 100;

/// A report.
#[derive(Clone, Debug, Default)]
pub struct Page(Vec<Block>);

#[derive(Clone, Debug)]
enum Block {
    Title(String),
    Heading(String),
    Prose(String),
    List(Vec<Vec<Cell>>),
    Table {
        head: Vec<Head>,
        rows: Vec<Vec<Cell>>,
    },
    /// The file's name, and what it shows.
    Picture(String, String),
}

/// The head of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// Of words.
    Left(&'static str),
    /// Of numbers.
    Right(&'static str),
}

/// What stands in a table or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Words of the report itself.
    Words(String),
    /// From a log or a configuration.
    Code(String),
    /// A number.
    Count(u64),
}

impl Cell {
    /// Words.
    #[must_use]
    pub fn words(text: impl Into<String>) -> Self {
        Self::Words(text.into())
    }

    /// From a log or a configuration.
    #[must_use]
    pub fn code(text: impl Into<String>) -> Self {
        Self::Code(text.into())
    }

    fn in_terminal(&self) -> String {
        match self {
            Self::Words(text) | Self::Code(text) => visible(text.as_bytes()),
            Self::Count(count) => thousands(*count),
        }
    }

    fn in_markdown(&self) -> String {
        match self {
            Self::Words(text) => prose(text),
            Self::Code(text) => code(text),
            Self::Count(count) => thousands(*count),
        }
    }
}

impl Page {
    /// The title of all.
    pub fn title(&mut self, text: impl Into<String>) {
        self.0.push(Block::Title(text.into()));
    }

    /// The heading of a part.
    pub fn heading(&mut self, text: impl Into<String>) {
        self.0.push(Block::Heading(text.into()));
    }

    /// Some sentences.
    pub fn prose(&mut self, text: impl Into<String>) {
        self.0.push(Block::Prose(text.into()));
    }

    /// A list; nothing, if it is empty.
    pub fn list(&mut self, items: Vec<Vec<Cell>>) {
        if !items.is_empty() {
            self.0.push(Block::List(items));
        }
    }

    /// A table.
    pub fn table(&mut self, head: &[Head], rows: Vec<Vec<Cell>>) {
        self.0.push(Block::Table { head: head.to_vec(), rows });
    }

    /// A picture beside the report.
    pub fn picture(&mut self, file: &str, shows: &str) {
        self.0.push(Block::Picture(file.into(), shows.into()));
    }

    /// For a terminal.
    #[must_use]
    pub fn to_terminal(&self) -> String {
        let mut text = String::new();
        for block in &self.0 {
            if !text.is_empty() {
                text.push('\n');
            }
            match block {
                Block::Title(title) => {
                    let title = visible(title.as_bytes());
                    let _ = writeln!(text, "{title}\n{}", "=".repeat(title.len()));
                }
                Block::Heading(heading) => {
                    let heading = visible(heading.as_bytes());
                    let _ = writeln!(text, "{heading}\n{}", "-".repeat(heading.len()));
                }
                Block::Prose(words) => wrap(&visible(words.as_bytes()), "", &mut text),
                Block::List(items) => {
                    for item in items {
                        let words: Vec<_> = item.iter().map(Cell::in_terminal).collect();
                        wrap(&words.join(" "), "  ", &mut text);
                    }
                }
                Block::Table { head, rows } => in_columns(head, rows, &mut text),
                Block::Picture(file, shows) => {
                    let _ = writeln!(
                        text,
                        "{}: {}",
                        visible(shows.as_bytes()),
                        visible(file.as_bytes())
                    );
                }
            }
        }
        text
    }

    /// As Markdown, with tables as GitHub reads them.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        for block in &self.0 {
            if !text.is_empty() {
                text.push('\n');
            }
            let _ = match block {
                Block::Title(title) => writeln!(text, "# {}", prose(title)),
                Block::Heading(heading) => writeln!(text, "## {}", prose(heading)),
                Block::Prose(words) => writeln!(text, "{}", prose(words)),
                Block::List(items) => {
                    for item in items {
                        let words: Vec<_> = item.iter().map(Cell::in_markdown).collect();
                        let _ = writeln!(text, "- {}", words.join(" "));
                    }
                    Ok(())
                }
                Block::Table { head, rows } => {
                    let names: Vec<_> = head.iter().map(|head| head.name()).collect();
                    let rules = head.iter().map(|head| match head {
                        Head::Left(_) => "---",
                        Head::Right(_) => "---:",
                    });
                    let rules: Vec<_> = rules.collect();
                    let _ = writeln!(text, "| {} |\n|{}|", names.join(" | "), rules.join("|"));
                    for row in rows {
                        let cells: Vec<_> = row.iter().map(Cell::in_markdown).collect();
                        let _ = writeln!(text, "| {} |", cells.join(" | "));
                    }
                    Ok(())
                }
                Block::Picture(file, shows) => {
                    writeln!(text, "![{}]({})", prose(shows), in_link(file))
                }
            };
        }
        text
    }
}

impl Head {
    const fn name(self) -> &'static str {
        match self {
            Self::Left(name) | Self::Right(name) => name,
        }
    }
}

/// What a terminal can be given: visible ASCII and blanks; of anything else, which bytes or characters it was.
#[must_use]
pub fn visible(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                ' '..='~' => text.push(character),
                '\0'..='\x7F' => {
                    let _ = write!(text, "\\x{:02x}", u32::from(character));
                }
                _ => text.extend(character.escape_unicode()),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// `1,234,567`
#[must_use]
pub fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `12.3 %`
#[must_use]
pub fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".into();
    }
    format!("{:.1} %", 100.0 * part as f64 / whole as f64)
}

fn code(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let mut span = String::from("`");
    for character in visible(text.as_bytes()).chars() {
        match character {
            '`' | '|' | '<' => {
                let _ = write!(span, "\\x{:02x}", u32::from(character));
            }
            _ => span.push(character),
        }
    }
    // A blank at both ends would be taken away.
    if span.starts_with("` ") {
        span.insert(1, ' ');
        span.push(' ');
    }
    span.push('`');
    span
}

/// Sentences hold names that attackers may have chosen. Full stops and the like stay readable.
fn prose(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in visible(text.as_bytes()).chars() {
        match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' => escaped.push(character),
            ' ' | ',' | '.' | ';' | '%' | '(' | ')' | '-' | '?' | '\'' | '"' | '/' => {
                escaped.push(character)
            }
            ':' => escaped.push(character),
            _ => {
                let _ = write!(escaped, "&#{};", u32::from(character));
            }
        }
    }
    // What looks like an address of a page would become a link.
    escaped.replace("://", "&#58;//").replace("www.", "www&#46;")
}

fn in_link(file: &str) -> String {
    let mut link = String::new();
    for byte in file.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'/' => {
                link.push(char::from(byte));
            }
            _ => {
                let _ = write!(link, "%{byte:02X}");
            }
        }
    }
    link
}

/// Breaks lines at blanks.
fn wrap(words: &str, indent: &str, into: &mut String) {
    let mut line = String::from(indent);
    let mut is_first = true;
    for word in words.split(' ') {
        if !is_first && line.len() + 1 + word.len() > WIDTH {
            into.push_str(line.trim_end());
            into.push('\n');
            line = format!("{indent}{}", if indent.is_empty() { "" } else { "  " });
            is_first = true;
        }
        if !is_first {
            line.push(' ');
        }
        line.push_str(word);
        is_first = false;
    }
    into.push_str(line.trim_end());
    into.push('\n');
}

fn in_columns(head: &[Head], rows: &[Vec<Cell>], into: &mut String) {
    let names = head.iter().map(|head| head.name().to_string()).collect();
    let mut lines: Vec<Vec<String>> = vec![names];
    lines.extend(rows.iter().map(|row| row.iter().map(Cell::in_terminal).collect()));
    let width = |at: usize| lines.iter().filter_map(|line| line.get(at)).map(String::len).max();
    let widths: Vec<_> = (0..head.len()).map(|at| width(at).unwrap_or(0)).collect();
    for line in &lines {
        let mut row = String::from(" ");
        for ((cell, head), width) in line.iter().zip(head).zip(&widths) {
            let _ = match head {
                Head::Left(_) => write!(row, " {cell:<width$} "),
                Head::Right(_) => write!(row, " {cell:>width$} "),
            };
        }
        into.push_str(row.trim_end());
        into.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::{Cell, Head, Page, share, thousands, visible};

    /// What somebody could write to be read by a terminal, a browser, or a reader of Markdown.
    const HOSTILE: &str = "/\x1b]0;x\x07\u{9b}31m\r\n\u{202e}`|<script>&amp;*_[x](http://e/)![](http://e/) www.e.com \\";

    fn page() -> Page {
        let mut page = Page::default();
        page.title(HOSTILE);
        page.heading(HOSTILE);
        page.prose(HOSTILE);
        page.list(vec![vec![Cell::code(HOSTILE), Cell::words(HOSTILE)]]);
        page.table(
            &[Head::Left("a"), Head::Right("b")],
            vec![vec![Cell::code(HOSTILE), Cell::Count(1_234)]],
        );
        page.picture(HOSTILE, HOSTILE);
        page
    }

    #[test]
    fn a_terminal_is_given_visible_ascii_only() {
        let text = page().to_terminal();
        assert!(
            text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')),
            "{}",
            text.escape_debug()
        );
        assert!(text.contains(r"/\x1b]0;x\x07\u{9b}31m\x0d\x0a\u{202e}`|<script>"), "{text}");
    }

    #[test]
    fn markdown_holds_no_markup_but_its_own() {
        let text = page().to_markdown();
        assert!(
            text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')),
            "{}",
            text.escape_debug()
        );
        assert!(!text.contains("<s"), "{text}");
        for line in text.lines() {
            // Outside of code there is nothing that makes a link; within, no end of it.
            let parts: Vec<_> = line.split('`').collect();
            assert!(parts.len() % 2 == 1, "{line}");
            for outside in parts.iter().step_by(2) {
                let outside = outside.split("](").next().unwrap_or_default();
                assert!(!outside.contains("http://") && !outside.contains("www."), "{line}");
                let own = outside.strip_prefix("![").unwrap_or(outside);
                assert!(!own.contains('<') && !own.contains('['), "{line}");
            }
        }
        let row = text.lines().find(|line| line.contains("1,234")).unwrap();
        assert_eq!(row.matches('|').count(), 3, "{row}");
    }

    #[test]
    fn columns_stand_below_each_other_and_sentences_are_broken() {
        let mut page = Page::default();
        page.table(
            &[Head::Left("name"), Head::Right("count")],
            vec![
                vec![Cell::code("a b"), Cell::Count(7)],
                vec![Cell::code("c"), Cell::Count(1_000)],
            ],
        );
        page.prose("word ".repeat(30).trim_end());
        let text = page.to_terminal();
        assert!(text.starts_with("  name  count\n  a b       7\n  c     1,000\n\nword"), "{text}");
        assert!(text.lines().all(|line| line.len() <= 100));
    }

    #[test]
    fn numbers_are_written_to_be_read() {
        let table =
            [(0, "0"), (999, "999"), (1_000, "1,000"), (u64::MAX, "18,446,744,073,709,551,615")];
        for (count, text) in table {
            assert_eq!(thousands(count), text);
        }
        assert_eq!((share(1, 8).as_str(), share(0, 0).as_str()), ("12.5 %", "-"));
        assert_eq!(visible(b"a\xFFb"), r"a\xffb");
    }
}

//! The lines of a list: what stands in each, or why it is refused.
//!
//! ```text
//! line    = [ entry [ columns ] ] [ remark ]
//! entry   = prefix | address | address [ blanks ] "-" [ blanks ] address
//! columns = ( blank | "," ) anything without "#" and ";"
//! remark  = ( "#" | ";" ) anything
//! ```
//!
//! There is one reader of lines, [`Reader`]. Whole sets are read by it, strictly or not, and
//! [`lines`](fn@lines) gives what it finds to whoever wants the columns as well.
//!
//! Invariants, each with a test that cites it:
//! - **L1** a line is an entry, or nothing but blanks and a remark, or refused: nothing is passed over;
//! - **L2** each byte is looked at a bounded number of times, and nothing is allocated, except a
//!   snippet of bounded length for a refused line that is told, and, for a moment, a copy as short
//!   where something looks like an address and is none.

use core::{iter::FusedIterator, net::IpAddr, ops::Range};

use ipnet::IpNet;

use super::{
    addr::{MAPPED_FIRST, Span, prefixes, v4_net, v6_net},
    error::{CidrEntryError, CidrLineError, CidrProblem},
    parse::{Fault, address, prefix},
};

/// Reads a list text line by line: for tables whose lines say more than an address.
///
/// A line is read as in [`CidrSet`'s text form](super::CidrSet#the-text-form), and refused for the
/// same reasons, with one difference: the columns after the entry are the caller's, so they may look
/// like anything, an address too. Still refused is a length apart from its address
/// (`192.0.2.0 /24` or `192.0.2.0,/24`), which is a part of the entry, and a second entry joined by `;`, because remarks
/// are not handed out as data. Lines without an entry are passed over.
///
/// An error is that of its line only, and the next line may be right. So that no part of a list is
/// taken for the whole, collect into a `Result`, or keep the errors.
///
/// # Cost
/// Linear in the text. Nothing is allocated, except a snippet of up to 60 characters for an error.
///
/// # Example: a table of prefixes and countries
/// ```
/// use portcullis::cidr;
///
/// let text = "192.0.2.0/24\tNL\n198.51.100.0-198.51.100.127\tDE\n2001:db8::/32\tFR # since May\n";
/// let mut table = Vec::new();
/// for line in cidr::lines(text) {
///     let line = line?;
///     table.extend(line.prefixes().map(|net| (net, line.columns())));
/// }
/// assert_eq!(table.len(), 3);
/// assert_eq!(table[1], ("198.51.100.0/25".parse()?, "DE"));
/// assert_eq!(table[2], ("2001:db8::/32".parse()?, "FR"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn lines(text: &str) -> CidrLines<'_> {
    CidrLines(Reader::new(text, Columns::Handed))
}

/// The lines of a list that have an entry, made by [`lines`](fn@lines).
#[derive(Clone, Debug)]
#[must_use = "nothing is read before the lines are asked for"]
pub struct CidrLines<'a>(Reader<'a>);

impl<'a> Iterator for CidrLines<'a> {
    type Item = Result<CidrLine<'a>, CidrLineError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.0.next()?.map_err(CidrLineError::from))
    }
}

impl FusedIterator for CidrLines<'_> {}

/// One entry of a list, where it stands, and what else its line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CidrLine<'a> {
    number: usize,
    text: &'a str,
    entry: &'a str,
    columns: &'a str,
    remark: &'a str,
    pub(super) span: Span,
}

impl<'a> CidrLine<'a> {
    /// The number of the line, counted from 1.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// The entry as it is written.
    #[must_use]
    pub fn entry(&self) -> &'a str {
        self.entry
    }

    /// What stands between the entry and a remark, without the separator (blanks, with or without a
    /// comma) and the blanks at its end.
    #[must_use]
    pub fn columns(&self) -> &'a str {
        self.columns
    }

    /// The remark at the end of the line, without its sign and the blanks around it.
    #[must_use]
    pub fn remark(&self) -> &'a str {
        self.remark
    }

    /// The fewest prefixes that make up the entry, in order: one, except for a range.
    ///
    /// A range makes up to 62 of IPv4 and up to 254 of IPv6, one at a time. IPv4-mapped addresses
    /// are IPv4, so a range of IPv6 around them goes without them.
    pub fn prefixes(&self) -> impl Iterator<Item = IpNet> + use<> {
        let (v4, v6) = match self.span {
            Span::V4(first, last) => (Some((first, last)), None),
            Span::V6(first, last) => (None, Some((first, last))),
        };
        let v4 = v4.into_iter().flat_map(|(first, last)| prefixes(first, last));
        let v6 = v6.into_iter().flat_map(|(first, last)| prefixes(first, last));
        // By itself, the mapped block would mean all of IPv4.
        let v6 = v6.filter(|&prefix| prefix != (MAPPED_FIRST, 96));
        v4.map(|(bits, len)| v4_net(bits, len)).chain(v6.map(|(bits, len)| v6_net(bits, len)))
    }
}

impl CidrLine<'_> {
    /// Refuses the entry of a line that was read.
    pub(super) fn refuse_entry(&self, problem: CidrProblem) -> CidrLineError {
        self.refuse(self.text.find(self.entry), self.entry, problem)
    }

    /// Refuses the columns of a line that was read.
    pub(super) fn refuse_columns(&self, problem: CidrProblem) -> CidrLineError {
        // They follow the entry, and start with something other than what parts them from it.
        let behind = self.text.find(self.entry).map(|at| at.saturating_add(self.entry.len()));
        let at = behind.and_then(|behind| {
            Some(behind.saturating_add(self.text.get(behind..)?.find(self.columns)?))
        });
        self.refuse(at, self.columns, problem)
    }

    fn refuse(&self, at: Option<usize>, part: &str, problem: CidrProblem) -> CidrLineError {
        let before = self.text.get(..at.unwrap_or(0)).unwrap_or_default();
        CidrLineError::new(self.number, before, CidrEntryError::new(part, 0, problem))
    }
}

/// Whose the columns after an entry are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Columns {
    /// Nobody reads them, so none may be an entry or a part of one.
    Ignored,
    /// The caller reads them.
    Handed,
}

/// Goes through a text, line by line.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    /// What is left, if there is a line left.
    rest: Option<&'a str>,
    number: usize,
    columns: Columns,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, columns: Columns) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { rest: Some(text), number: 0, columns }
    }

    fn next_line(&mut self) -> Option<Line<'a>> {
        let rest = self.rest?;
        let text = match rest.split_once('\n') {
            Some((text, rest)) => {
                self.rest = Some(rest);
                text
            }
            None => {
                self.rest = None;
                rest
            }
        };
        self.number = self.number.saturating_add(1);
        Some(Line::of(text.trim_end_matches('\r'), self.number))
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<CidrLine<'a>, RefusedLine<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(line) = self.next_line() {
            if let Some(read) = line.read(self.columns).transpose() {
                return Some(read);
            }
        }
        None
    }
}

/// A problem in a line, not told yet: of a hostile text only a few are.
#[derive(Debug)]
pub(super) struct RefusedLine<'a> {
    number: usize,
    text: &'a str,
    /// The part of the line with the problem, and its byte in that part.
    part: Range<usize>,
    at: usize,
    problem: CidrProblem,
}

impl From<RefusedLine<'_>> for CidrLineError {
    fn from(line: RefusedLine<'_>) -> Self {
        let before = line.text.get(..line.part.start).unwrap_or_default();
        let part = line.text.get(line.part).unwrap_or_default();
        Self::new(line.number, before, CidrEntryError::new(part, line.at, line.problem))
    }
}

const BLANKS: [char; 2] = [' ', '\t'];

/// All characters that some program takes for the end of a line, except LF. One that passed for a
/// blank, or stood in a remark, would hide an entry.
const LINE_BREAKS: [char; 6] = ['\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];

struct Line<'a> {
    number: usize,
    text: &'a str,
    /// The line up to its remark, and the remark with its sign.
    body: &'a str,
    remark: &'a str,
}

impl<'a> Line<'a> {
    fn of(text: &'a str, number: usize) -> Self {
        let at = text.bytes().position(|byte| matches!(byte, b'#' | b';')).unwrap_or(text.len());
        let (body, remark) = text.split_at_checked(at).unwrap_or((text, ""));
        Self { number, text, body, remark }
    }

    /// The entry of the line; none if it has only a remark.
    fn read(&self, columns: Columns) -> Result<Option<CidrLine<'a>>, RefusedLine<'a>> {
        if let Some((at, c)) = line_break(self.text) {
            return Err(self.refused(0..self.text.len(), at, CidrProblem::LineBreak(c)));
        }
        let start = skip_blanks(self.body, 0);
        if start == self.body.len() {
            return Ok(None);
        }
        let entry = Entry::at(self.body, start);
        let span = entry.read().map_err(|fault| self.why_no_entry(start..entry.end, fault))?;
        match columns {
            Columns::Ignored => self.refuse_hidden_entries(start, entry.end)?,
            Columns::Handed => self.refuse_detached_length(start, entry.end)?,
        }
        self.refuse_joined_entry()?;
        Ok(Some(CidrLine {
            number: self.number,
            text: self.text,
            entry: entry.text,
            columns: columns_in(self.body.get(entry.end..).unwrap_or_default()),
            remark: self.remark.get(1..).unwrap_or_default().trim_matches(BLANKS),
            span,
        }))
    }

    /// Says of a line without an entry in its first column whether it has one elsewhere, or is a
    /// remark in another language.
    fn why_no_entry(&self, part: Range<usize>, fault: Fault) -> RefusedLine<'a> {
        let rest = self.body.get(part.start..).unwrap_or_default();
        if rest.starts_with('!') || rest.starts_with("//") {
            return self.refused(part, 0, CidrProblem::RemarkSign);
        }
        let later = || self.later_entry(part.end).or_else(|| self.entry_after_name());
        let nothing = matches!(fault.problem, CidrProblem::NotAnAddress | CidrProblem::Empty);
        let unnamed = fault.at == 0 && nothing;
        match unnamed.then(later).flatten() {
            Some(part) => self.refused(part, 0, CidrProblem::EntryNotFirst),
            None => self.refused(part, fault.at, fault.problem),
        }
    }

    /// An entry in a column after byte `at`, as in `add blocked 192.0.2.0/24`.
    fn later_entry(&self, mut at: usize) -> Option<Range<usize>> {
        while at < self.body.len() {
            let end = word_end(self.body, at);
            if prefix(self.body.get(at..end)?).is_ok() {
                return Some(at..end);
            }
            at = end.saturating_add(1);
        }
        None
    }

    /// A range of IPv4 after a name, as in `Somebody, somewhere:192.0.2.0-192.0.2.9`.
    fn entry_after_name(&self) -> Option<Range<usize>> {
        let start = skip_blanks(self.body, self.body.rfind(':')?.saturating_add(1));
        let entry = Entry::at(self.body, start);
        entry.read().is_ok().then_some(start..entry.end)
    }

    /// Columns after the entry are for others, but not what is an entry or a part of one: the
    /// reader of a line with two would take one and lose the other.
    fn refuse_hidden_entries(&self, start: usize, end: usize) -> Result<(), RefusedLine<'a>> {
        let mut at = end;
        while at < self.body.len() {
            let column_end = word_end(self.body, at);
            let column = self.body.get(at..column_end).unwrap_or_default();
            if column.starts_with('/') {
                return Err(self.refused(
                    start..column_end,
                    at.saturating_sub(start),
                    CidrProblem::DetachedLength,
                ));
            }
            if looks_like_an_entry(column) {
                return Err(self.refused(at..column_end, 0, CidrProblem::SecondEntry));
            }
            at = column_end.saturating_add(1);
        }
        Ok(())
    }

    /// A number with a slash right after the entry is a part of it, whoever reads the columns: taken
    /// for a column, it would leave one address of a network.
    fn refuse_detached_length(&self, start: usize, end: usize) -> Result<(), RefusedLine<'a>> {
        let at = skip_blanks(self.body, end);
        let comma = self.body.get(at..).is_some_and(|rest| rest.starts_with(','));
        let at = if comma { skip_blanks(self.body, at.saturating_add(1)) } else { at };
        let column_end = word_end(self.body, at);
        let length = self
            .body
            .get(at..column_end)
            .and_then(|column| column.strip_prefix('/'))
            .unwrap_or("x");
        if length.bytes().all(|c| c.is_ascii_digit()) {
            return Err(self.refused(
                start..column_end,
                at.saturating_sub(start),
                CidrProblem::DetachedLength,
            ));
        }
        Ok(())
    }

    /// `192.0.2.1;192.0.2.2` is a list with another separator, not an entry with a remark.
    fn refuse_joined_entry(&self) -> Result<(), RefusedLine<'a>> {
        let Some(joined) = self.remark.strip_prefix(';') else { return Ok(()) };
        let at = self.body.len().saturating_add(1);
        let end = joined.find([' ', '\t', ',', ';', '#']).unwrap_or(joined.len());
        if looks_like_an_entry(joined.get(..end).unwrap_or_default()) {
            return Err(self.refused(at..at.saturating_add(end), 0, CidrProblem::SecondEntry));
        }
        Ok(())
    }

    /// A problem at byte `at` of a part of the line.
    fn refused(&self, part: Range<usize>, at: usize, problem: CidrProblem) -> RefusedLine<'a> {
        RefusedLine { number: self.number, text: self.text, part, at, problem }
    }
}

fn line_break(text: &str) -> Option<(usize, char)> {
    let suspect = |byte| matches!(byte, b'\r' | 0xb | 0xc | 0x80..);
    // Most lines have none. The first byte outside ASCII starts a character.
    let start = text.bytes().position(suspect)?;
    let mut rest = text.get(start..)?.char_indices();
    let (at, c) = rest.find(|(_, c)| LINE_BREAKS.contains(c))?;
    Some((start.saturating_add(at), c))
}

/// The first column, or the columns of a range with blanks in it.
struct Entry<'a> {
    text: &'a str,
    /// Where it ends in the line.
    end: usize,
    /// Where the dash of a range is, in `text`.
    dash: Option<usize>,
}

impl<'a> Entry<'a> {
    fn at(body: &'a str, start: usize) -> Self {
        let first_end = word_end(body, start);
        let first = body.get(start..first_end).unwrap_or_default();
        let next = skip_blanks(body, first_end);
        let (dash, end) = if let Some(dash) = first.find('-') {
            let dash = start.saturating_add(dash);
            (Some(dash), last_end(body, dash, first_end))
        } else if body.get(next..).is_some_and(|rest| rest.starts_with('-')) {
            (Some(next), last_end(body, next, word_end(body, next)))
        } else {
            (None, first_end)
        };
        let text = body.get(start..end).unwrap_or_default();
        Self { text, end, dash: dash.map(|dash| dash.saturating_sub(start)) }
    }

    fn read(&self) -> Result<Span, Fault> {
        let Some((dash, (first, last))) =
            self.dash.and_then(|dash| Some((dash, self.text.split_at_checked(dash)?)))
        else {
            return prefix(self.text).map(Span::from);
        };
        let last_at = skip_blanks(self.text, dash.saturating_add(1));
        let last = last.get(last_at.saturating_sub(dash)..).unwrap_or_default();
        let first = end_of_range(first.trim_end_matches(BLANKS))?;
        let last = end_of_range(last)
            .map_err(|fault| Fault { at: fault.at.saturating_add(last_at), ..fault })?;
        let span = match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                // As `::ffff:0:0/96`: all of IPv4, in a spelling that hides it.
                if self.text.contains(':') && (first.to_bits(), last.to_bits()) == (0, u32::MAX) {
                    return Err(CidrProblem::MappedAll.into());
                }
                Span::V4(first.to_bits(), last.to_bits())
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => Span::V6(first.to_bits(), last.to_bits()),
            _ => return Err(CidrProblem::RangeAcrossFamilies.into()),
        };
        if first > last {
            return Err(CidrProblem::RangeReversed.into());
        }
        Ok(span)
    }
}

fn end_of_range(text: &str) -> Result<IpAddr, Fault> {
    if let Some((addr, _)) = text.split_once('/').filter(|(addr, _)| address(addr).is_ok()) {
        return Err(Fault { at: addr.len(), problem: CidrProblem::RangeOfPrefixes });
    }
    address(text)
}

/// Where the last address of a range ends, whose dash is in a column that ends at `column_end`.
fn last_end(body: &str, dash: usize, column_end: usize) -> usize {
    if dash.saturating_add(1) < column_end {
        return column_end;
    }
    word_end(body, skip_blanks(body, column_end))
}

fn word_end(body: &str, at: usize) -> usize {
    let rest = body.get(at..).unwrap_or_default();
    let end = rest.bytes().position(|byte| matches!(byte, b' ' | b'\t' | b','));
    at.saturating_add(end.unwrap_or(rest.len()))
}

/// What follows an entry, without what separates it.
fn columns_in(after: &str) -> &str {
    let after = after.trim_matches(BLANKS);
    after.strip_prefix(',').map_or(after, |after| after.trim_start_matches(BLANKS))
}

fn skip_blanks(body: &str, at: usize) -> usize {
    let rest = body.get(at..).unwrap_or_default();
    body.len().saturating_sub(rest.trim_start_matches(BLANKS).len())
}

/// Whether a column is an entry, right or wrong, also one in quotes. Numbers and words are not.
fn looks_like_an_entry(column: &str) -> bool {
    use CidrProblem as P;

    let bare = column.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != ':' && c != '[');
    // As most columns are; without these there is no address in it.
    if !bare.bytes().any(|byte| matches!(byte, b'.' | b':')) {
        return false;
    }
    match prefix(bare) {
        Ok(_) => true,
        Err(fault) => !matches!(
            fault.problem,
            P::Empty | P::Character(_) | P::NotAnAddress | P::Hexadecimal | P::ShortForm
        ),
    }
}

//! A whole list, line by line.
//!
//! ```text
//! line   = [ entry [ columns ] ] [ remark ]
//! entry  = prefix | address | address [ blanks ] "-" [ blanks ] address
//! remark = ( "#" | ";" ) anything
//! ```

use core::{net::IpAddr, str::FromStr};

use super::{
    CidrSet,
    addr::Span,
    error::{CidrEntryError, CidrLineError, CidrParseError, CidrProblem},
    parse::{Fault, address, prefix},
    set::Builder,
};

impl FromStr for CidrSet {
    type Err = CidrParseError;

    fn from_str(text: &str) -> Result<Self, CidrParseError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut builder = Builder::frugal();
        let mut errors = CidrParseError::default();
        for (line, number) in text.split('\n').zip(1_usize..) {
            match Line::of(line.trim_end_matches('\r')).read() {
                Ok(span) => span.into_iter().for_each(|span| builder.push(span)),
                Err(error) => errors.push(error.in_line(number)),
            }
        }
        if errors.total() > 0 {
            return Err(errors);
        }
        Ok(builder.build())
    }
}

const BLANKS: [char; 2] = [' ', '\t'];
const COLUMN_ENDS: [char; 3] = [' ', '\t', ','];

/// All characters that some program takes for the end of a line, except LF. One that passed for a
/// blank, or stood in a remark, would hide an entry.
const LINE_BREAKS: [char; 6] = ['\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}'];

struct Line<'a> {
    text: &'a str,
    /// The line up to its remark, and the remark with its sign.
    body: &'a str,
    remark: &'a str,
}

/// A part of a line with a problem in it.
struct PartError<'a> {
    before: &'a str,
    error: CidrEntryError,
}

impl PartError<'_> {
    fn in_line(self, number: usize) -> CidrLineError {
        CidrLineError::new(number, self.before, self.error)
    }
}

impl<'a> Line<'a> {
    fn of(text: &'a str) -> Self {
        let at = text.find(['#', ';']).unwrap_or(text.len());
        let (body, remark) = text.split_at_checked(at).unwrap_or((text, ""));
        Self { text, body, remark }
    }

    /// The addresses that the line lists; none if it has only a remark.
    fn read(&self) -> Result<Option<Span>, PartError<'a>> {
        if let Some((at, c)) = self.text.char_indices().find(|(_, c)| LINE_BREAKS.contains(c)) {
            return Err(self.error(0..self.text.len(), at, CidrProblem::LineBreak(c)));
        }
        let start = skip_blanks(self.body, 0);
        if start == self.body.len() {
            return Ok(None);
        }
        let entry = Entry::at(self.body, start);
        let span = entry.read().map_err(|fault| self.fault(start..entry.end, fault))?;
        self.refuse_hidden_entries(start, entry.end)?;
        Ok(Some(span))
    }

    /// Columns after the entry are for others, but not what is an entry or a part of one: the
    /// reader of a line with two would take one and lose the other.
    fn refuse_hidden_entries(&self, start: usize, end: usize) -> Result<(), PartError<'a>> {
        let mut at = end;
        while at < self.body.len() {
            let column_end = word_end(self.body, at);
            let column = self.body.get(at..column_end).unwrap_or_default();
            if column.starts_with('/') {
                return Err(self.error(
                    start..column_end,
                    at.saturating_sub(start),
                    CidrProblem::DetachedLength,
                ));
            }
            if looks_like_an_entry(column) {
                return Err(self.error(at..column_end, 0, CidrProblem::SecondEntry));
            }
            at = column_end.saturating_add(1);
        }
        // "192.0.2.1;192.0.2.2" is a list with another separator, not an entry with a remark.
        if let Some(joined) = self.remark.strip_prefix(';') {
            let at = self.body.len().saturating_add(1);
            let joined_end = joined.find([' ', '\t', ',', ';', '#']).unwrap_or(joined.len());
            if looks_like_an_entry(joined.get(..joined_end).unwrap_or_default()) {
                return Err(self.error(
                    at..at.saturating_add(joined_end),
                    0,
                    CidrProblem::SecondEntry,
                ));
            }
        }
        Ok(())
    }

    fn fault(&self, part: core::ops::Range<usize>, fault: Fault) -> PartError<'a> {
        self.error(part, fault.at, fault.problem)
    }

    /// A problem at byte `at` of a part of the line.
    fn error(
        &self,
        part: core::ops::Range<usize>,
        at: usize,
        problem: CidrProblem,
    ) -> PartError<'a> {
        let before = self.text.get(..part.start).unwrap_or_default();
        let part = self.text.get(part).unwrap_or_default();
        PartError { before, error: CidrEntryError::new(part, at, problem) }
    }
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
    at.saturating_add(rest.find(COLUMN_ENDS).unwrap_or(rest.len()))
}

fn skip_blanks(body: &str, at: usize) -> usize {
    let rest = body.get(at..).unwrap_or_default();
    body.len().saturating_sub(rest.trim_start_matches(BLANKS).len())
}

/// Whether a column is an entry, right or wrong, also one in quotes. Numbers and words are not.
fn looks_like_an_entry(column: &str) -> bool {
    use CidrProblem as P;

    let bare = column.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != ':' && c != '[');
    match prefix(bare) {
        Ok(_) => true,
        Err(fault) => !matches!(
            fault.problem,
            P::Empty | P::Character(_) | P::NotAnAddress | P::Hexadecimal | P::ShortForm
        ),
    }
}

//! Header lines that somebody else keeps.

use core::ops::ControlFlow;

/// A request's header lines, wherever they are kept: a rule reads them there, and nothing is copied.
///
/// Names are given in lower case when they are asked for, and may come in any case when they are
/// visited. Lines of one name keep their order. A request can be looked at by several threads, and so can they.
pub trait Headers: Sync {
    /// The value of the first line of this name, which is in lower case.
    fn first(&self, name: &str) -> Option<&[u8]>;

    /// Visits the lines, those of one name in their order, until the visitor breaks.
    fn visit<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8]) -> ControlFlow<()>);
}

#[cfg(test)]
mod tests {
    use core::ops::ControlFlow;
    use std::vec::Vec;

    use super::Headers;
    use crate::request::Request;

    /// Lines in lists, as servers keep them.
    struct Lines(Vec<(&'static str, &'static str)>);

    impl Headers for Lines {
        fn first(&self, name: &str) -> Option<&[u8]> {
            assert_eq!(name, name.to_ascii_lowercase(), "names are asked for in lower case");
            let mut lines = self.0.iter();
            lines
                .find(|(line, _)| line.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.as_bytes())
        }

        fn visit<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8]) -> ControlFlow<()>) {
            for (name, value) in &self.0 {
                if visit(name, value.as_bytes()).is_break() {
                    return;
                }
            }
        }
    }

    /// Lines that are given one by one come before those that are kept, whoever asks and however.
    #[test]
    fn the_first_line_is_the_first_of_all() {
        let kept = Lines([("Accept", "kept"), ("X-A", "1"), ("x-a", "2")].into());
        for name in ["x-a", "X-A"] {
            let request = Request::new(None).header_lines(&kept);
            assert_eq!(request.first_header(name), Some(&b"1"[..]));
            assert_eq!(request.first_header("x-b"), None);
            let request = request.header("accept", "given").header("x-A", "0");
            assert_eq!(request.first_header(name), Some(&b"0"[..]));
            assert_eq!(request.first_header("Accept"), Some(&b"given"[..]));
            let mut all = Vec::new();
            request.each_header(|name, value| {
                all.push((name, value));
                ControlFlow::Continue(())
            });
            let values: Vec<&[u8]> = all.iter().map(|(_, value)| *value).collect();
            assert_eq!(values, [&b"given"[..], b"0", b"kept", b"1", b"2"]);
        }
    }
}

//! The forms of a request's target (RFC 9112, section 3.2), taken apart.

/// A target's pieces, as they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// Of the forms with a host.
    pub(super) authority: Option<&'a [u8]>,
    pub(super) path: &'a [u8],
    /// What follows the first `?`.
    pub(super) query: Option<&'a [u8]>,
}

impl<'a> Target<'a> {
    /// Takes a target apart.
    ///
    /// A fragment, which no request should have, is left out, as the `http` crate does it: everything
    /// from the first `#` on. What is left is
    /// - `/path?query`, the usual form;
    /// - `scheme://authority/path?query`, what proxies are sent. The authority counts as the host,
    ///   whatever a header says (RFC 9112, section 3.2.2), and ends before a slash, a backslash or `?`.
    ///   Without a path it means the root;
    /// - `authority`, if the method is CONNECT and it does not start with a slash: there is no path;
    /// - anything else, `*` and nothing among them, is a path that does not start with a slash.
    pub(super) fn split(text: &'a [u8], is_connect: bool) -> Self {
        let text = until(text, |byte| byte == b'#');
        if is_connect && !text.starts_with(b"/") {
            return Self { authority: Some(text), ..Self::default() };
        }
        let Some(rest) = without_scheme(text) else {
            let (path, query) = split_query(text);
            return Self { authority: None, path, query };
        };
        let authority = until(rest, |byte| matches!(byte, b'/' | b'\\' | b'?'));
        let (path, query) = split_query(rest.get(authority.len()..).unwrap_or_default());
        let path = if path.is_empty() { b"/" } else { path };
        Self { authority: Some(authority), path, query }
    }
}

/// What follows `scheme://`, if it starts with that (RFC 3986, section 3.1).
fn without_scheme(text: &[u8]) -> Option<&[u8]> {
    let scheme =
        until(text, |byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')));
    scheme.first().filter(|first| first.is_ascii_alphabetic())?;
    text.get(scheme.len()..)?.strip_prefix(b"://")
}

fn split_query(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    let path = until(text, |byte| byte == b'?');
    let query = text.get(path.len()..).and_then(|rest| rest.strip_prefix(b"?"));
    (path, query)
}

/// What comes before the first such byte.
fn until(text: &[u8], ends: impl Fn(u8) -> bool) -> &[u8] {
    let end = text.iter().position(|byte| ends(*byte)).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

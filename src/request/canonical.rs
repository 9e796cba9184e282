//! One request in its canonical form: the path, the host, and what was odd about them.

use super::Request;

/// What rules see of a request's target and host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Canonical<'a> {
    pub(crate) path: &'a [u8],
    /// Without the question mark; `None` if there was none.
    pub(crate) query: Option<&'a [u8]>,
    pub(crate) host: &'a [u8],
    pub(crate) flags: UriFlags,
    /// Something was longer than [`LONGEST`], and is seen cut to that.
    pub(crate) oversize: bool,
}

/// The most bytes that rules see of one value.
pub(crate) const LONGEST: usize = 8 * 1024;

/// What is odd about a target, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UriFlags(pub(crate) u8);

impl UriFlags {
    pub(crate) const DOT_SEGMENTS: u8 = 1;
    pub(crate) const ENCODED_SLASH: u8 = 1 << 1;
    pub(crate) const DOUBLE_ENCODED: u8 = 1 << 2;
    pub(crate) const BAD_PERCENT: u8 = 1 << 3;
    pub(crate) const NUL: u8 = 1 << 4;
    pub(crate) const BACKSLASH: u8 = 1 << 5;
    pub(crate) const DOUBLE_SLASH: u8 = 1 << 6;
    pub(crate) const NON_UTF8: u8 = 1 << 7;

    pub(crate) const fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
}

impl Canonical<'_> {
    /// Shows `look` the request's canonical form. Nothing is allocated: what has to be rewritten is
    /// rewritten on the stack.
    pub(crate) fn with<R>(request: &Request<'_>, look: impl FnOnce(&Canonical<'_>) -> R) -> R {
        let target = request.get_target().as_bytes();
        let cut = |text| cut(text);
        let mut halves = target.splitn(2, |byte| *byte == b'?');
        let path = cut(halves.next().unwrap_or_default());
        let query = halves.next().map(cut);
        let host = cut(request.get_host().as_bytes());
        look(&Canonical { path, query, host, flags: UriFlags::default(), oversize: false })
    }
}

/// What rules see of a value.
pub(crate) fn cut(text: &[u8]) -> &[u8] {
    text.get(..LONGEST).unwrap_or(text)
}

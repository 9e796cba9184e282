//! One request in its canonical form: the path, the host, and what was odd about them.
//!
//! Servers, proxies and frameworks disagree about `//`, `/./`, `%2e`, `\` and `;`, and whoever wants
//! past a rule writes the path that the rule reads differently from the service behind it. So rules
//! see one form of a path, whichever way it was written, and flags tell what it was made from.
//!
//! # The path
//! The target is taken apart ([`Target`]), and its path is rewritten ([`path`]):
//!
//! 1. a backslash becomes a slash;
//! 2. of slashes in a row one stays;
//! 3. escapes (`%XX`) of unreserved characters (letters, digits, `-`, `.`, `_`, `~`) are decoded, once,
//!    and all others get upper-case digits. `%2F` and `%5C` are not unreserved, and stay;
//! 4. the segments `.` and `..` are removed, `..` with the segment before it, and never above the root.
//!
//! - **I1** it is idempotent. (To that end an escape of a hex digit stays where it would complete a
//!   percent sign that is no escape: `%%36%36` is not `%66`, which the next one to decode would take
//!   for an `f`.)
//! - **I2** it is never longer than what came.
//! - **I3** it has no segment `.` or `..`, and no two slashes in a row; it starts with a slash if what
//!   came did. It never leaves the root.
//! - **I4** it is decoded once: `%252e` stays. `%2F` is never decoded.
//! - **I5** what it is does not depend on whether it was recognised as clean or rewritten; both equal the
//!   reference, which is written step by step.
//!
//! # The host
//! In lower-case ASCII, without user, port and one dot at its end; brackets of an IPv6 address stay.
//! Bytes beyond ASCII are not looked at, and what is no host is only put into lower case ([`host`]).
//! - **I6** it is idempotent and never longer, and has no `@`.
//!
//! # The query
//! What follows the first `?`, as it came. `url_decode` is there for those who need it.
//!
//! # Bounds
//! Of a path, a query and a host the first [`LONGEST`] bytes are looked at, and what is longer sets
//! `oversize`. Nothing is allocated: a clean target, which nearly all are, is recognised in one scan and
//! borrowed, and all others are rewritten on the stack, in linear time.
//! - **I7** nothing is allocated;
//! - **I8** what [`Needs`] say is read is the same, whatever else is not.

mod escape;
mod flags;
mod host;
mod needs;
mod path;
mod scan;
mod target;

use alloc::borrow::Cow;

use self::target::Target;
pub(crate) use self::{flags::UriFlags, needs::Needs};
use super::Request;

/// What rules see of a request's target and host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Canonical<'a> {
    pub(crate) path: &'a [u8],
    /// The path as it came.
    pub(crate) raw_path: &'a [u8],
    /// Without the question mark; `None` if there was none.
    pub(crate) query: Option<&'a [u8]>,
    pub(crate) host: &'a [u8],
    pub(crate) flags: UriFlags,
    /// The target or the host is longer than [`LONGEST`]; path, query and host are cut to that.
    pub(crate) oversize: bool,
}

/// The most bytes that rules see of one value.
pub(crate) const LONGEST: usize = 8 * 1024;

/// Paths and hosts that are together no longer than this are rewritten in a buffer of this size, which
/// is sooner ready than one for the longest.
const SHORT: usize = 512;

impl Canonical<'_> {
    /// The canonical form of nothing.
    pub(crate) const NOTHING: Self = Self {
        path: b"",
        raw_path: b"",
        query: None,
        host: b"",
        flags: UriFlags(0),
        oversize: false,
    };

    /// Shows `look` the request's canonical form. Nothing is allocated: what has to be rewritten is
    /// rewritten on the stack.
    #[cfg(any(test, feature = "__reference"))]
    pub(crate) fn with<R>(request: &Request<'_>, look: impl FnOnce(&Canonical<'_>) -> R) -> R {
        Self::with_only(request, Needs::ALL, look)
    }

    /// The same for those who read no more of it than they say. What else there is may be empty.
    #[inline]
    pub(crate) fn with_only<R>(
        request: &Request<'_>,
        needs: Needs,
        look: impl FnOnce(&Canonical<'_>) -> R,
    ) -> R {
        let is_connect = request.get_method() == "CONNECT";
        let (target, host) = (request.get_target().as_bytes(), request.get_host().as_bytes());
        Self::of(target, is_connect, host, needs, look)
    }

    /// The same of any bytes.
    #[inline]
    pub(super) fn of<R>(
        target: &[u8],
        is_connect: bool,
        host: &[u8],
        needs: Needs,
        look: impl FnOnce(&Canonical<'_>) -> R,
    ) -> R {
        match (clean_target(target, needs), clean_host(host, needs)) {
            (Some((path, query)), Some(host)) => look(&Canonical {
                path,
                raw_path: path,
                query,
                host,
                flags: UriFlags::default(),
                oversize: false,
            }),
            _ => Self::rewritten(target, is_connect, host, look),
        }
    }

    /// The same of what is not clean.
    #[cold]
    #[inline(never)]
    fn rewritten<R>(
        text: &[u8],
        is_connect: bool,
        given_host: &[u8],
        look: impl FnOnce(&Canonical<'_>) -> R,
    ) -> R {
        let target = Target::split(text, is_connect);
        let raw_path = cut(target.path);
        let host = match target.authority.map(host::without_port) {
            Some(host) if !host.is_empty() => cut(host),
            _ if scan::is_clean_host(given_host) => given_host,
            _ => cut(host::without_port(given_host)),
        };
        // Made only where they are needed, so that a short path does not wait for a long buffer.
        let (mut short, mut long);
        let (path_buffer, host_buffer) = if raw_path.len().saturating_add(host.len()) <= SHORT {
            short = [0; SHORT];
            short.split_at_mut(raw_path.len())
        } else {
            long = [0; 2 * LONGEST];
            long.split_at_mut(LONGEST)
        };
        let (path, path_flags) = if scan::is_clean_path(raw_path) {
            (raw_path, UriFlags::default())
        } else {
            path::rewrite(raw_path, target.path.len() > LONGEST, path_buffer)
        };
        let query = target.query.map(cut);
        let query_flags = target.query.map_or_else(UriFlags::default, |query| {
            flags::of_query(cut(query), query.len() > LONGEST)
        });
        look(&Canonical {
            path,
            raw_path,
            query,
            host: host::lower_case(host, host_buffer),
            flags: path_flags.union(query_flags),
            oversize: text.len() > LONGEST || given_host.len() > LONGEST,
        })
    }
}

/// What is needed of a target, if that is clean.
#[inline]
fn clean_target(target: &[u8], needs: Needs) -> Option<(&[u8], Option<&[u8]>)> {
    if needs.has(Needs::TARGET) {
        return scan::clean(target, needs.has(Needs::QUERY));
    }
    // One that does not start with a slash may name the host, and one that is longer is told to be.
    let names_no_host = target.is_empty() || target.starts_with(b"/");
    (names_no_host && target.len() <= LONGEST).then_some((&[], None))
}

/// What is needed of a host, if that is clean.
#[inline]
fn clean_host(host: &[u8], needs: Needs) -> Option<&[u8]> {
    if needs.has(Needs::HOST) {
        return Some(host).filter(|host| scan::is_clean_host(host));
    }
    (host.len() <= LONGEST).then_some(&[])
}

/// Whether a target is recognised as clean by one scan.
#[cfg(any(test, feature = "__reference"))]
pub(super) fn is_soon_clean(target: &[u8]) -> bool {
    scan::clean(target, true).is_some()
}

/// What rules see of a value.
pub(crate) fn cut(text: &[u8]) -> &[u8] {
    text.get(..LONGEST).unwrap_or(text)
}

/// The canonical path of a request's target: what the field `http.request.uri.path` is.
///
/// Backslashes become slashes, slashes in a row become one, escapes of unreserved characters (letters,
/// digits, `-`, `.`, `_`, `~`) are decoded once, all other escapes get upper-case digits, and the
/// segments `.` and `..` are removed. It is
///
/// - **idempotent** and **never longer** than what came;
/// - **inside the root**: it has no segment `.` or `..` and no `//`, and starts with a slash if the
///   target did;
/// - **decoded once**: `%252e` stays, and `%2F` and `%5C` are never decoded.
///
/// Of a target with a scheme and a host (`http://host/path`) it is the path, and of one with a query or a
/// fragment what is before them. `*` stays, and what does not start with a slash is treated alike and
/// gets none.
///
/// # Example: many ways to write one path
/// ```
/// use portcullis::request::canonical_path;
///
/// for path in ["/admin", "//admin", "/./admin", "/x/../admin", r"\admin", "/%61dmin", "/x/%2E./admin?q"] {
///     assert_eq!(canonical_path(path), &b"/admin"[..]);
/// }
/// assert_eq!(canonical_path("/x%2fadmin"), &b"/x%2Fadmin"[..]);
/// assert_eq!(canonical_path("/%252e%252e/admin"), &b"/%252e%252e/admin"[..]);
/// assert_eq!(canonical_path("http://shop.example/a/../b"), &b"/b"[..]);
/// ```
///
/// # Memory
/// What is canonical already is borrowed. Of a path of more than 8 KiB the first 8 KiB are looked at.
#[must_use]
pub fn canonical_path<T: AsRef<[u8]> + ?Sized>(target: &T) -> Cow<'_, [u8]> {
    let text = target.as_ref();
    if let Some((path, _)) = scan::clean(text, true) {
        return Cow::Borrowed(path);
    }
    let target = Target::split(text, false);
    let raw_path = cut(target.path);
    let mut buffer = alloc::vec![0; raw_path.len()];
    // Whether it was cut matters to the flags alone.
    let (path, _) = path::rewrite(raw_path, false, &mut buffer);
    if path == raw_path { Cow::Borrowed(raw_path) } else { Cow::Owned(path.to_vec()) }
}

#[cfg(test)]
mod published;
#[cfg(test)]
mod tests;

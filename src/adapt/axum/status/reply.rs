//! What is sent, with the headers that all of it has.

use alloc::{
    format,
    string::{String, ToString},
};
use core::hash::BuildHasher;
use std::hash::RandomState;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use super::{guard::Why, stream::Updates};
use crate::sync::{AtomicU64, Ordering};

/// The page. Its one script and its one style sheet have `nonce="{{nonce}}"`.
const PAGE: &str = include_str!("page.html");

const PLAIN: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// What an action has come to.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Done {
    #[serde(skip)]
    pub(super) status: StatusCode,
    pub(super) done: bool,
    pub(super) text: String,
}

impl Done {
    pub(super) fn yes(text: String) -> Self {
        Self { status: StatusCode::OK, done: true, text }
    }

    pub(super) fn no(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, done: false, text: text.into() }
    }
}

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        match json(&self) {
            Some(text) => answer(self.status, JSON, text),
            None => broken(),
        }
    }
}

/// Random words of which nobody can tell the next: a keyed hash of a count, with a key of the system's randomness.
pub(super) struct Nonces {
    keys: [RandomState; 2],
    drawn: AtomicU64,
}

impl Nonces {
    pub(super) fn new() -> Self {
        Self { keys: [RandomState::new(), RandomState::new()], drawn: AtomicU64::new(0) }
    }

    fn draw(&self) -> String {
        // Relaxed: only that no two are the same matters.
        let count = self.drawn.fetch_add(1, Ordering::Relaxed);
        let [one, other] = self.keys.each_ref().map(|key| key.hash_one(count));
        format!("{one:016x}{other:016x}")
    }
}

/// The page itself: only its own script runs, and talks to nobody else.
pub(super) fn page(nonces: &Nonces) -> Response {
    let nonce = nonces.draw();
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'"
    );
    let page = PAGE.replace("{{nonce}}", &nonce);
    let mut response = answer(StatusCode::OK, "text/html; charset=utf-8", page);
    match HeaderValue::from_str(&policy) {
        Ok(policy) => {
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
            response
        }
        // Never without it.
        Err(_) => broken(),
    }
}

/// One status.
pub(super) fn status(status: Option<Bytes>) -> Response {
    status.map_or_else(broken, |status| answer(StatusCode::OK, JSON, status))
}

/// A stream of them.
pub(super) fn stream(stream: Updates) -> Response {
    let mut response = answer(StatusCode::OK, "text/event-stream", Body::from_stream(stream));
    // nginx would keep it back.
    let buffering = HeaderName::from_static("x-accel-buffering");
    response.headers_mut().insert(buffering, HeaderValue::from_static("no"));
    response
}

/// There are too many streams, or the service ends.
pub(super) fn no_place() -> Response {
    let text = "Too many look at this page at once, or the service is about to end.";
    let mut response = answer(StatusCode::SERVICE_UNAVAILABLE, PLAIN, text);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// May not look.
pub(super) fn refused(why: Why) -> Response {
    answer(StatusCode::FORBIDDEN, PLAIN, why.to_string())
}

fn broken() -> Response {
    answer(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, "The status cannot be written.")
}

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// JSON that is harmless even inside of HTML; `None` for what cannot be written, which nothing here is.
///
/// The characters that are escaped stand only in strings.
pub(super) fn json(value: &impl Serialize) -> Option<String> {
    let text = serde_json::to_string(value).ok()?;
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => safe.push_str("\\u003c"),
            '>' => safe.push_str("\\u003e"),
            '&' => safe.push_str("\\u0026"),
            '\u{2028}' => safe.push_str("\\u2028"),
            '\u{2029}' => safe.push_str("\\u2029"),
            _ => safe.push(character),
        }
    }
    Some(safe)
}

#[cfg(test)]
mod tests {
    use alloc::{collections::BTreeSet, string::String};

    use super::{Nonces, PAGE, json};

    #[test]
    fn json_is_harmless_in_html_and_reads_the_same() {
        let texts = ["</script><!--", "a&b", "\u{2028}\u{2029}\n\"\\", "plain"];
        let written = json(&texts).unwrap();
        assert!(!written.contains(['<', '>', '&', '\n', '\u{2028}', '\u{2029}']), "{written}");
        assert_eq!(serde_json::from_str::<[String; 4]>(&written).unwrap(), texts);
    }

    #[test]
    fn a_nonce_is_never_drawn_twice() {
        let (one, other) = (Nonces::new(), Nonces::new());
        let drawn: BTreeSet<_> = (0..500).flat_map(|_| [one.draw(), other.draw()]).collect();
        assert_eq!(drawn.len(), 1_000);
        assert!(drawn.iter().all(|nonce| nonce.len() == 32));
    }

    /// One script and one style sheet, nothing from elsewhere, and nothing that the policy would stop.
    #[test]
    fn the_page_is_one_file() {
        assert_eq!(PAGE.matches("<script nonce=\"{{nonce}}\">").count(), 1);
        assert_eq!(PAGE.matches("<style nonce=\"{{nonce}}\">").count(), 1);
        assert_eq!(PAGE.matches("<script").count(), 1);
        assert_eq!(PAGE.matches("<style").count(), 1);
        assert_eq!(PAGE.matches("{{nonce}}").count(), 2);
        for foreign in ["<link", "src=\"http", "@import", "url(http", " style=\"", " onclick="] {
            assert!(!PAGE.contains(foreign), "{foreign}");
        }
    }
}

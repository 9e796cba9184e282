//! Who may look, and who may act.
//!
//! # Invariants
//! - **I1** nobody acts unless the service has said who may, and nobody looks from elsewhere;
//! - **I2** what cannot be told (an address that is not known, a proxy that can be seen) is refused, and the refusal says
//!   what is to be done;
//! - **I3** pages of other sites, in the browser of somebody who may act, do not act: neither by a form, nor by a
//!   script, nor, unless a guard goes by addresses alone, by a name that leads to this machine.

use alloc::sync::Arc;
use core::net::{IpAddr, SocketAddr};

use axum::extract::connect_info::{ConnectInfo, MockConnectInfo};
use http::{
    HeaderName, Version,
    header::{FORWARDED, HOST, ORIGIN, VIA},
    request::Parts,
    uri::Authority,
};

/// What a service says of a request.
pub(super) type Guard = dyn Fn(&Parts) -> bool + Send + Sync;

/// Both guards, as far as the service has said something.
#[derive(Clone, Default)]
pub(super) struct Guards {
    pub(super) viewing: Option<Arc<Guard>>,
    pub(super) actions: Option<Arc<Guard>>,
}

/// Why not: a text for a person.
pub(super) type Why = &'static str;

const NOT_ALLOWED: Why = "The guard of this service does not let you look at this page.";
const MAY_NOT_ACT: Why = "The guard of this service does not let you act.";
const NOBODY_ACTS: Why =
    "Nobody may act here: the service says with `StatusPage::allow_actions` who may.";
const NO_ADDRESS: Why = "It is not known who asks: serve with \
    `app.into_make_service_with_connect_info::<SocketAddr>()`, or say with \
    `StatusPage::allow_viewing` who may look.";
const ELSEWHERE: Why = "This page is shown only on the machine itself: the service says with \
    `StatusPage::allow_viewing` who else may look. Until then, \
    `ssh -L 8080:localhost:8080` and http://localhost:8080/ bring you to that machine.";
const PROXY: Why = "A proxy has passed this on, so everybody seems to ask from the machine itself: \
    say with `StatusPage::allow_viewing` who may look.";
const OTHER_NAME: Why = "On the machine itself this page is shown under localhost or 127.0.0.1, \
    because another site's name can lead here: ask for http://localhost/, or say with \
    `StatusPage::allow_viewing` who may look.";
const OTHER_SITE: Why = "Another site's page has asked for this. If it was this page, a proxy in \
    between has to pass on the `Host` that it was asked for.";
const NO_MARK: Why = "An action needs the header `x-portcullis-act: 1`.";

impl Guards {
    /// Whether this request may look.
    pub(super) fn may_view(&self, request: &Parts) -> Result<(), Why> {
        match &self.viewing {
            None => comes_from_this_machine(request),
            Some(guard) => guard(request).then_some(()).ok_or(NOT_ALLOWED),
        }
    }

    /// Whether it may act, if it may look.
    pub(super) fn may_act(&self, request: &Parts) -> Result<(), Why> {
        match &self.actions {
            None => Err(NOBODY_ACTS),
            Some(guard) => guard(request).then_some(()).ok_or(MAY_NOT_ACT),
        }
    }
}

/// Added by proxies, besides all that begins with `x-forwarded`.
const FORWARDING: [HeaderName; 10] = [
    FORWARDED,
    VIA,
    HeaderName::from_static("cdn-loop"),
    HeaderName::from_static("x-original-forwarded-for"),
    HeaderName::from_static("x-cluster-client-ip"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-client-ip"),
    HeaderName::from_static("cf-connecting-ip"),
    HeaderName::from_static("true-client-ip"),
    HeaderName::from_static("x-envoy-external-address"),
];

/// Whether a person at the machine itself asks, as far as that can be told.
pub(super) fn comes_from_this_machine(request: &Parts) -> Result<(), Why> {
    let peer = peer(request).ok_or(NO_ADDRESS)?;
    if !peer.to_canonical().is_loopback() {
        return Err(ELSEWHERE);
    }
    let is_forwarding =
        |name: &HeaderName| FORWARDING.contains(name) || name.as_str().starts_with("x-forwarded");
    // No browser, and not curl, speaks a version as old as nginx did before 1.29.7 unless it was told otherwise.
    if request.version < Version::HTTP_11 || request.headers.keys().any(is_forwarding) {
        return Err(PROXY);
    }
    match authority(request) {
        Some(name) if !is_ours(name) => Err(OTHER_NAME),
        _ => Ok(()),
    }
}

fn peer(request: &Parts) -> Option<IpAddr> {
    let extensions = &request.extensions;
    let real = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer);
    let peer = real.or_else(|| {
        extensions.get::<MockConnectInfo<SocketAddr>>().map(|MockConnectInfo(peer)| peer)
    });
    peer.map(SocketAddr::ip)
}

/// The host and port that were asked for. What cannot be read is an empty name.
fn authority(request: &Parts) -> Option<&str> {
    // As HTTP has it: what the target says counts, and then what the header says.
    if let Some(authority) = request.uri.authority() {
        return Some(authority.as_str());
    }
    let mut hosts = request.headers.get_all(HOST).iter();
    let host = hosts.next()?;
    Some(if hosts.next().is_some() { "" } else { host.to_str().unwrap_or("") })
}

/// Whether a name is one that no other site can have, and no upstream of a proxy on another machine.
fn is_ours(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<Authority>() else { return false };
    let host = authority.host();
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name == "localhost"
        || name.ends_with(".localhost")
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Whether a script of this page asks, or a program: not another site's page.
///
/// A browser says so by itself, and no page can change what it says.
pub(super) fn is_of_this_site(request: &Parts) -> Result<(), Why> {
    let mut sites = request.headers.get_all("sec-fetch-site").iter();
    if !sites.all(|site| matches!(site.as_bytes(), b"same-origin" | b"none")) {
        return Err(OTHER_SITE);
    }
    let host = authority(request);
    let is_same = |origin: &[u8]| {
        let origin = core::str::from_utf8(origin).ok();
        let named = origin.and_then(|origin| origin.split_once("://")).map(|(_, named)| named);
        named.zip(host).is_some_and(|(named, host)| named.eq_ignore_ascii_case(host))
    };
    let mut origins = request.headers.get_all(ORIGIN).iter();
    origins.all(|origin| is_same(origin.as_bytes())).then_some(()).ok_or(OTHER_SITE)
}

/// Whether a request carries what no form of HTML can, and no script of another site without asking first.
pub(super) fn is_marked(request: &Parts) -> Result<(), Why> {
    let mark = request.headers.get("x-portcullis-act");
    mark.is_some_and(|mark| mark == "1").then_some(()).ok_or(NO_MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "127.0.0.1:4711";

    fn parts(peer: Option<&str>, lines: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder();
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        if let Some(peer) = peer {
            parts.extensions.insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
        }
        parts
    }

    #[test]
    fn who_is_not_known_or_elsewhere_is_told_what_is_to_be_done() {
        assert_eq!(comes_from_this_machine(&parts(None, &[])), Err(NO_ADDRESS));
        assert!(NO_ADDRESS.contains("into_make_service_with_connect_info"));
        for peer in ["192.0.2.1:1", "10.0.0.1:1", "[2001:db8::1]:1", "[::ffff:10.0.0.1]:1"] {
            assert_eq!(comes_from_this_machine(&parts(Some(peer), &[])), Err(ELSEWHERE), "{peer}");
        }
        for peer in [HERE, "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(comes_from_this_machine(&parts(Some(peer), &[])), Ok(()), "{peer}");
        }
    }

    #[test]
    fn whatever_a_proxy_leaves_is_refused() {
        for name in [
            "forwarded",
            "via",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-forwarded",
            "x-original-forwarded-for",
            "x-cluster-client-ip",
            "x-client-ip",
            "x-real-ip",
            "x-envoy-external-address",
            "cdn-loop",
            "cf-connecting-ip",
            "true-client-ip",
        ] {
            let request = parts(Some(HERE), &[(name, "127.0.0.1"), ("host", "localhost")]);
            assert_eq!(comes_from_this_machine(&request), Err(PROXY), "{name}");
        }
        let mut old = parts(Some(HERE), &[("host", "localhost")]);
        old.version = Version::HTTP_10;
        assert_eq!(comes_from_this_machine(&old), Err(PROXY));
    }

    #[test]
    fn a_name_that_somebody_else_can_have_is_refused() {
        for host in [
            "localhost",
            "LocalHost:8080",
            "localhost.",
            "a.localhost:1",
            "127.0.0.1",
            "127.0.0.1:8080",
            "127.9.9.9",
            "[::1]:8080",
            "[::ffff:127.0.0.1]:8080",
        ] {
            let request = parts(Some(HERE), &[("host", host)]);
            assert_eq!(comes_from_this_machine(&request), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example:8080",
            "notlocalhost",
            "",
            "a b",
            // What a proxy, or a forwarded port, was asked for, and not the machine itself.
            "203.0.113.10:8080",
            "10.0.0.1",
            "[2001:db8::1]",
            "[::ffff:203.0.113.10]:8080",
            "0.0.0.0:8080",
            "[::]:8080",
        ] {
            let request = parts(Some(HERE), &[("host", host)]);
            assert_eq!(comes_from_this_machine(&request), Err(OTHER_NAME), "{host}");
        }
        let twice = parts(Some(HERE), &[("host", "localhost"), ("host", "localhost")]);
        assert_eq!(comes_from_this_machine(&twice), Err(OTHER_NAME));
        // HTTP/2 names the host in the target.
        let mut two = parts(Some(HERE), &[("host", "localhost")]);
        two.uri = "http://evil.example/".parse().unwrap();
        assert_eq!(comes_from_this_machine(&two), Err(OTHER_NAME));
    }

    #[test]
    fn an_origin_is_the_host_or_another() {
        for (lines, expected) in [
            (&[][..], Ok(())),
            (&[("host", "shop.example")], Ok(())),
            (&[("host", "shop.example"), ("origin", "https://shop.example")], Ok(())),
            (&[("host", "Shop.example:81"), ("origin", "http://shop.example:81")], Ok(())),
            (&[("host", "shop.example"), ("sec-fetch-site", "same-origin")], Ok(())),
            (&[("host", "shop.example"), ("sec-fetch-site", "none")], Ok(())),
            (&[("host", "shop.example"), ("origin", "https://evil.example")], Err(OTHER_SITE)),
            (&[("host", "shop.example"), ("origin", "https://shop.example:81")], Err(OTHER_SITE)),
            (&[("host", "shop.example"), ("origin", "https://shop.example/")], Err(OTHER_SITE)),
            (&[("host", "shop.example"), ("origin", "shop.example")], Err(OTHER_SITE)),
            (&[("host", "shop.example"), ("origin", "null")], Err(OTHER_SITE)),
            (&[("origin", "https://shop.example")], Err(OTHER_SITE)),
            (&[("host", "shop.example"), ("sec-fetch-site", "same-site")], Err(OTHER_SITE)),
            (&[("host", "shop.example"), ("sec-fetch-site", "cross-site")], Err(OTHER_SITE)),
            (&[("host", "shop.example"), ("sec-fetch-site", "")], Err(OTHER_SITE)),
            (
                &[
                    ("host", "shop.example"),
                    ("origin", "https://shop.example"),
                    ("origin", "https://evil.example"),
                ],
                Err(OTHER_SITE),
            ),
        ] {
            assert_eq!(is_of_this_site(&parts(None, lines)), expected, "{lines:?}");
        }
    }

    #[test]
    fn nobody_acts_by_default_and_the_guard_decides() {
        let request = parts(Some(HERE), &[]);
        let mut guards = Guards::default();
        assert_eq!(guards.may_act(&request), Err(NOBODY_ACTS));
        guards.actions = Some(Arc::new(|request: &Parts| request.headers.contains_key("key")));
        assert_eq!(guards.may_act(&request), Err(MAY_NOT_ACT));
        assert_eq!(guards.may_act(&parts(None, &[("key", "1")])), Ok(()));
        guards.viewing = Some(Arc::new(|_: &Parts| true));
        assert_eq!(guards.may_view(&parts(Some("192.0.2.1:1"), &[])), Ok(()));
        guards.viewing = Some(Arc::new(|_: &Parts| false));
        assert_eq!(guards.may_view(&request), Err(NOT_ALLOWED), "in place of the default");
    }
}

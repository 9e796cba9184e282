//! A closer look at a request: what it is in every dimension, and what is remembered of that.

use core::net::IpAddr;

use crate::{
    detect::{Dimension, KeyedHash, Keys, Seen, Shape, Text, Words, watch::counters::Traits},
    request::{
        Given, Request,
        canonical::{Canonical, Needs},
    },
    rule::{Facts, Lists, Reader, Value},
    time::Timestamp,
};

/// What a look has found.
pub(crate) struct Look {
    pub(crate) seen: Seen,
    pub(crate) words: Words,
    pub(crate) traits: Traits,
}

/// Looks at a request of this client's.
pub(crate) fn look(
    request: &Request<'_>,
    client: IpAddr,
    known: bool,
    own: &[Reader],
    hash: KeyedHash,
    now: Timestamp,
) -> Look {
    static NO_LISTS: Lists = Lists::new();
    let needs = own.iter().fold(Needs::TARGET, |needs, reader| needs.union(reader.needs()));
    Canonical::with_only(request, needs, |canonical| {
        let mut keys = Keys::default();
        for dimension in [Dimension::Host, Dimension::Net, Dimension::Wide] {
            keys.set(dimension, key_of_address(hash, dimension, client));
        }
        let (section, path, path_goes_on) = segments(canonical.path);
        if let Some(section) = section {
            keys.set(Dimension::Section, hash.of_bytes(section));
        }
        keys.set(Dimension::Path, key_of_path(hash, path, path_goes_on));
        let agent = request.first_header_of_lower("user-agent").filter(|agent| !agent.is_empty());
        let agent_text = Text::of(agent.unwrap_or_default());
        if agent.is_some() {
            keys.set(Dimension::Agent, key_of_text(hash, &agent_text));
        }
        let shape = shape_of(request, canonical);
        keys.set(Dimension::Shape, hash.of_number(u64::from(shape.0)));
        let mut words =
            Words { path: Text::of(path), path_goes_on, agent: agent_text, own: [Text::EMPTY; 2] };
        if !own.is_empty() {
            let facts = Facts { client: Some(client), ..Facts::of(request, canonical, &NO_LISTS) };
            let dimensions = [Dimension::First, Dimension::Second];
            for ((reader, dimension), text) in own.iter().zip(dimensions).zip(&mut words.own) {
                reader.read(&facts, &mut |value| {
                    if let Value::Bytes(bytes) = value {
                        *text = Text::of(bytes);
                        keys.set(dimension, key_of_text(hash, text));
                    }
                });
            }
        }
        let verified = request.get_field("client.verified") == Some(Given::Bool(true));
        let is_landing = canonical.path == b"/";
        Look {
            seen: Seen { at: now, client, keys, shape, known, good: false },
            words,
            traits: Traits { shape, is_landing, known, verified },
        }
    })
}

/// The key of the network of an address; of another dimension 0.
#[inline]
pub(crate) fn key_of_address(hash: KeyedHash, dimension: Dimension, address: IpAddr) -> u64 {
    let Some((v4, v6)) = dimension.bits() else { return 0 };
    // Networks of different lengths, and of different families, differ in the low bits.
    let (network, length) = match address {
        IpAddr::V4(address) => {
            let bits = u64::from(address.to_bits()) << 32;
            (leading(bits, v4), v4)
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments().map(u64::from);
            (leading(a << 48 | b << 32 | c << 16 | d, v6), v6.wrapping_add(128))
        }
    };
    hash.of_number(network ^ u64::from(length).wrapping_mul(0xd6e8_feb8_6659_fd93))
}

/// The first so many bits.
const fn leading(bits: u64, length: u8) -> u64 {
    match length {
        0 => 0,
        1..64 => bits & !(u64::MAX >> length),
        _ => bits,
    }
}

/// What is not kept of a text is not looked at either: a rule could not say it.
fn key_of_text<const N: usize>(hash: KeyedHash, text: &Text<N>) -> u64 {
    hash.of_bytes(text.get()).rotate_left(u32::from(text.whole().is_none())) | 1
}

/// A prefix is something else than the same text as a whole path.
fn key_of_path(hash: KeyedHash, path: &[u8], goes_on: bool) -> u64 {
    hash.of_bytes(path).rotate_left(u32::from(goes_on)) | 1
}

/// The first segment with its slash, where there is a second one; the first two, and whether the path goes on
/// behind them, in which case the slash is there as well.
fn segments(path: &[u8]) -> (Option<&[u8]>, &[u8], bool) {
    let slash_after = |from: usize| {
        let rest = path.get(from..).unwrap_or_default();
        let at = rest.iter().take(MOST.saturating_sub(from)).position(|byte| *byte == b'/');
        at.map(|at| from.saturating_add(at).saturating_add(1))
    };
    let Some(first) = slash_after(1) else { return cut(path) };
    let section = path.get(..first);
    match slash_after(first) {
        Some(second) if second < path.len() => (section, path.get(..second).unwrap_or(path), true),
        _ => {
            let (_, path, goes_on) = cut(path);
            (section, path, goes_on)
        }
    }
}

/// No more of a segment is looked at than is remembered.
const MOST: usize = 96;

fn cut(path: &[u8]) -> (Option<&[u8]>, &[u8], bool) {
    match path.get(..MOST) {
        Some(start) if path.len() > MOST => (None, start, true),
        _ => (None, path, false),
    }
}

fn shape_of(request: &Request<'_>, canonical: &Canonical<'_>) -> Shape {
    let method = match request.get_method() {
        "GET" => Shape::GET,
        "HEAD" => Shape::HEAD,
        "POST" => Shape::POST,
        _ => Shape::OTHER,
    };
    let has = |name| request.first_header_of_lower(name).is_some();
    let bit = |holds: bool, bit: u8| if holds { bit } else { 0 };
    let version = request.get_field("http.request.version");
    let is_1_0 = matches!(version, Some(Given::Bytes(b"HTTP/1.0")));
    Shape(
        method
            | bit(canonical.query.is_some(), Shape::QUERY)
            | bit(has("referer"), Shape::REFERER)
            | bit(has("cookie"), Shape::COOKIE)
            | bit(has("accept-language"), Shape::LANGUAGE)
            | bit(has("user-agent"), Shape::AGENT)
            | bit(is_1_0, Shape::HTTP_1_0),
    )
}

#[cfg(test)]
mod tests {
    use core::net::IpAddr;

    use super::{Look, key_of_address, look, segments};
    use crate::{
        detect::{Dimension, KeyedHash, Shape},
        request::Request,
        time::Timestamp,
    };

    fn looked(request: &Request<'_>) -> Look {
        let client: IpAddr = [192, 0, 2, 7].into();
        look(request, client, false, &[], KeyedHash::with_key([1, 2]), Timestamp::ZERO)
    }

    #[test]
    fn paths_are_their_first_two_segments() {
        let of = |path: &'static str| {
            let (section, path, goes_on) = segments(path.as_bytes());
            let text = |bytes: &[u8]| std::string::String::from_utf8(bytes.to_vec()).unwrap();
            (section.map(text), text(path), goes_on)
        };
        let some = |text: &str| Some(std::string::String::from(text));
        assert_eq!(of("/"), (None, "/".into(), false));
        assert_eq!(of(""), (None, "".into(), false));
        assert_eq!(of("/search"), (None, "/search".into(), false));
        assert_eq!(of("/a/b"), (some("/a/"), "/a/b".into(), false));
        assert_eq!(of("/a/"), (some("/a/"), "/a/".into(), false));
        assert_eq!(of("/a/b/"), (some("/a/"), "/a/b/".into(), false));
        assert_eq!(of("/a/b/c/d"), (some("/a/"), "/a/b/".into(), true));
        let long = std::format!("/{}", "x".repeat(200));
        let (section, path, goes_on) = segments(long.as_bytes());
        assert_eq!((section, path.len(), goes_on), (None, 96, true));
    }

    #[test]
    fn a_prefix_is_no_path_and_shapes_tell_what_is_there() {
        let whole = looked(&Request::new(None).method("GET").target("/a/b/"));
        let prefix = looked(&Request::new(None).method("GET").target("/a/b/c?x=1"));
        let key = |look: &Look, dimension| look.seen.keys.get(dimension);
        assert_ne!(key(&whole, Dimension::Path), key(&prefix, Dimension::Path));
        assert_eq!(key(&whole, Dimension::Section), key(&prefix, Dimension::Section));
        assert_eq!((prefix.words.path.get(), prefix.words.path_goes_on), (&b"/a/b/"[..], true));
        assert!(prefix.seen.shape.has(Shape::QUERY) && !whole.seen.shape.has(Shape::QUERY));
        let rich = looked(
            &Request::new(None)
                .method("POST")
                .target("/")
                .header("User-Agent", "x")
                .header("Cookie", "a=b")
                .header("Referer", "r")
                .header("Accept-Language", "de")
                .field("http.request.version", "HTTP/1.0")
                .field("client.verified", true),
        );
        assert_eq!(rich.seen.shape.0, 0b1111_1010);
        assert!(rich.traits.verified && rich.traits.is_landing);
        assert_eq!(rich.words.agent.get(), b"x");
        assert_eq!(key(&whole, Dimension::Agent), 0);
    }

    #[test]
    fn keys_of_addresses_are_those_of_their_networks() {
        let hash = KeyedHash::with_key([1, 2]);
        let key = |dimension, ip: &str| key_of_address(hash, dimension, ip.parse().unwrap());
        let (host, net, wide) = (Dimension::Host, Dimension::Net, Dimension::Wide);
        assert_eq!(key(net, "192.0.2.7"), key(net, "192.0.2.200"));
        assert_ne!(key(host, "192.0.2.7"), key(host, "192.0.2.200"));
        assert_ne!(key(net, "192.0.2.7"), key(net, "192.0.3.7"));
        assert_eq!(key(wide, "192.0.2.7"), key(wide, "192.0.3.7"));
        assert_ne!(key(net, "192.0.0.0"), key(wide, "192.0.0.0"));
        assert_eq!(key(host, "2001:db8::1"), key(host, "2001:db8::2"));
        assert_ne!(key(host, "2001:db8:0:1::"), key(host, "2001:db8:0:2::"));
        assert_eq!(key(net, "2001:db8:0:1::"), key(net, "2001:db8:0:2::"));
        assert_eq!(key(Dimension::Agent, "::1"), 0);
    }
}

//! What is remembered of a sampled request.

use core::{fmt, net::IpAddr};

use ipnet::IpNet;

use crate::time::Timestamp;

/// One request of the sample: what is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) at: Timestamp,
    pub(crate) client: IpAddr,
    pub(crate) keys: Keys,
    pub(crate) shape: Shape,
    /// The client's network was known before.
    pub(crate) known: bool,
    /// It was answered with a success, so far as that is known yet.
    pub(crate) good: bool,
}

/// And what is told of it, where it is written into a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Words {
    /// The canonical path, as far as [`Dimension::Path`] looks at it: up to and with the second segment, and
    /// the slash behind it if the path goes on.
    pub(crate) path: Text<96>,
    /// `path` is a prefix: the request's path goes on.
    pub(crate) path_goes_on: bool,
    pub(crate) agent: Text<192>,
    /// The values of the service's own dimensions.
    pub(crate) own: [Text<48>; 2],
}

/// In what requests can be alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Dimension {
    /// The client: a /32 of IPv4, a /64 of IPv6.
    Host,
    /// Its network: /24, /48.
    Net,
    /// And the one around: /16, /32.
    Wide,
    /// The first segment of the path, where there is another one.
    Section,
    /// The first two segments of the path.
    Path,
    /// The user agent.
    Agent,
    /// The [`Shape`].
    Shape,
    /// The first value of the service's own.
    First,
    /// The second one.
    Second,
}

impl Dimension {
    pub(crate) const COUNT: usize = 9;
    pub(crate) const ALL: [Self; Self::COUNT] = [
        Self::Host,
        Self::Net,
        Self::Wide,
        Self::Section,
        Self::Path,
        Self::Agent,
        Self::Shape,
        Self::First,
        Self::Second,
    ];

    /// Its place in [`Keys`].
    pub(crate) const fn at(self) -> usize {
        match self {
            Self::Host => 0,
            Self::Net => 1,
            Self::Wide => 2,
            Self::Section => 3,
            Self::Path => 4,
            Self::Agent => 5,
            Self::Shape => 6,
            Self::First => 7,
            Self::Second => 8,
        }
    }

    /// The bits of a client's address that it looks at; `None` if it is about something else.
    pub(crate) const fn bits(self) -> Option<(u8, u8)> {
        match self {
            Self::Host => Some((32, 64)),
            Self::Net => Some((24, 48)),
            Self::Wide => Some((16, 32)),
            _ => None,
        }
    }

    /// The network of an address that it looks at.
    pub(crate) fn net(self, address: IpAddr) -> Option<IpNet> {
        let (v4, v6) = self.bits()?;
        let bits = if address.is_ipv4() { v4 } else { v6 };
        IpNet::new(address, bits).ok().map(|net| net.trunc())
    }
}

/// The hashes of what a request is in each dimension; 0 where it is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keys(pub(crate) [u64; Dimension::COUNT]);

impl Keys {
    #[inline]
    pub(crate) fn get(&self, dimension: Dimension) -> u64 {
        self.0.get(dimension.at()).copied().unwrap_or(0)
    }

    #[inline]
    pub(crate) fn set(&mut self, dimension: Dimension, key: u64) {
        if let Some(place) = self.0.get_mut(dimension.at()) {
            *place = key;
        }
    }
}

/// What kind of request it is, by what any client decides without a thought.
///
/// | bits | hold |
/// |---|---|
/// | 0, 1 | the method: 0 GET, 1 HEAD, 2 POST, 3 another one |
/// | 2 | it has a query |
/// | 3 | it has a referer |
/// | 4 | it has a cookie |
/// | 5 | it has `accept-language` |
/// | 6 | it has a user agent |
/// | 7 | the service says that it is HTTP/1.0 |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Shape(pub(crate) u8);

impl Shape {
    pub(crate) const METHOD: u8 = 0b11;
    pub(crate) const GET: u8 = 0;
    pub(crate) const HEAD: u8 = 1;
    pub(crate) const POST: u8 = 2;
    pub(crate) const OTHER: u8 = 3;
    pub(crate) const QUERY: u8 = 1 << 2;
    pub(crate) const REFERER: u8 = 1 << 3;
    pub(crate) const COOKIE: u8 = 1 << 4;
    pub(crate) const LANGUAGE: u8 = 1 << 5;
    pub(crate) const AGENT: u8 = 1 << 6;
    pub(crate) const HTTP_1_0: u8 = 1 << 7;

    pub(crate) const fn method(self) -> u8 {
        self.0 & Self::METHOD
    }

    pub(crate) const fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }
}

/// The first bytes of a text, and whether that is all of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Text<const N: usize> {
    bytes: [u8; N],
    length: u8,
    is_whole: bool,
}

impl<const N: usize> Text<N> {
    pub(crate) const EMPTY: Self = Self { bytes: [0; N], length: 0, is_whole: true };

    #[inline]
    pub(crate) fn of(text: &[u8]) -> Self {
        let mut bytes = [0; N];
        let fits = text.len().min(N).min(usize::from(u8::MAX));
        if let (Some(to), Some(from)) = (bytes.get_mut(..fits), text.get(..fits)) {
            to.copy_from_slice(from);
        }
        let length = u8::try_from(fits).unwrap_or(u8::MAX);
        Self { bytes, length, is_whole: fits == text.len() }
    }

    pub(crate) fn get(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// All of it, unless it was too long.
    pub(crate) fn whole(&self) -> Option<&[u8]> {
        self.is_whole.then(|| self.get())
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", alloc::string::String::from_utf8_lossy(self.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Dimension, Keys, Text};

    #[test]
    fn every_dimension_has_a_place_of_its_own() {
        let mut keys = Keys::default();
        for (number, dimension) in (1..).zip(Dimension::ALL) {
            assert_eq!(keys.get(dimension), 0);
            keys.set(dimension, number);
        }
        let held = Dimension::ALL.map(|dimension| keys.get(dimension));
        assert_eq!(held, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_and_says_so() {
        assert_eq!(Text::<4>::of(b"abcd").whole(), Some(&b"abcd"[..]));
        let cut = Text::<4>::of(b"abcde");
        assert_eq!((cut.get(), cut.whole()), (&b"abcd"[..], None));
        assert_eq!(Text::<300>::of(&[7; 300]).get().len(), 255);
        assert_eq!(Text::<4>::EMPTY.whole(), Some(&b""[..]));
    }

    #[test]
    fn networks_are_cut_by_family() {
        let net = |dimension: Dimension, ip: &str| {
            dimension.net(ip.parse().unwrap()).map(|net| std::format!("{net}"))
        };
        assert_eq!(net(Dimension::Net, "192.0.2.77").as_deref(), Some("192.0.2.0/24"));
        assert_eq!(net(Dimension::Host, "2001:db8::1").as_deref(), Some("2001:db8::/64"));
        assert_eq!(net(Dimension::Wide, "2001:db8::1").as_deref(), Some("2001:db8::/32"));
        assert_eq!(net(Dimension::Path, "192.0.2.77"), None);
    }
}

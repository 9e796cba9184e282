//! The fields of a request: their names, aliases and kinds.

use alloc::sync::Arc;

use crate::request::canonical::Needs;

/// What a field of a service's own holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Type {
    /// Yes or no.
    Bool,
    /// A whole number of 64 bits with a sign.
    Int,
    /// Bytes, compared as they are.
    Bytes,
    /// An address.
    Ip,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Bool,
    Int,
    Bytes,
    Ip,
    /// An array of Bytes.
    Array,
    /// Arrays of Bytes by name.
    Map,
    /// Bools by name.
    Flags,
}

impl From<Type> for Kind {
    fn from(kind: Type) -> Self {
        match kind {
            Type::Bool => Self::Bool,
            Type::Int => Self::Int,
            Type::Bytes => Self::Bytes,
            Type::Ip => Self::Ip,
        }
    }
}

/// A field whose value the service gives with the request, under this name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Supplied {
    pub(crate) name: Arc<str>,
    pub(crate) kind: Kind,
}

/// When a field has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Request,
    /// Only once the request was answered.
    Response,
}

/// The fields that a request has by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Builtin {
    /// The client's address.
    IpSrc,
    /// The network that counts as one client, as the address with its other bits cleared.
    Client,
    Method,
    /// The canonical host.
    Host,
    /// The canonical path.
    Path,
    Query,
    /// The canonical path with the query.
    Uri,
    RawHost,
    RawPath,
    /// The target as it came.
    RawUri,
    Args,
    ArgNames,
    ArgValues,
    Headers,
    HeaderNames,
    HeaderValues,
    Cookies,
    DotSegments,
    EncodedSlash,
    DoubleEncoded,
    BadPercent,
    Nul,
    Backslash,
    DoubleSlash,
    NonUtf8,
    Oversize,
    Posture,
    Load,
    ClientKnown,
    Score,
    Tag,
    Status,
    LatencyMs,
    ResponseSize,
}

/// How a field is written, and what it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) field: Builtin,
    pub(crate) name: &'static str,
    pub(crate) aliases: &'static [&'static str],
    pub(crate) kind: Kind,
    pub(crate) phase: Phase,
    /// One sentence for documentation and messages.
    pub(crate) about: &'static str,
}

macro_rules! fields {
    ($($field:ident $name:literal [$($alias:literal)*] $kind:ident $phase:ident $about:literal;)*) => {
        /// All of them, in the order of the enum.
        pub(crate) const BUILTINS: &[Entry] = &[$(Entry {
            field: Builtin::$field,
            name: $name,
            aliases: &[$($alias),*],
            kind: Kind::$kind,
            phase: Phase::$phase,
            about: $about,
        }),*];

        impl Builtin {
            /// How it is written, and what it is.
            pub(crate) const fn entry(self) -> &'static Entry {
                match self {
                    $(Self::$field => &Entry {
                        field: Self::$field,
                        name: $name,
                        aliases: &[$($alias),*],
                        kind: Kind::$kind,
                        phase: Phase::$phase,
                        about: $about,
                    },)*
                }
            }
        }
    };
}

fields! {
    IpSrc "ip.src" [] Ip Request "the client's address";
    Client "client" [] Ip Request "the network that counts as one client";
    Method "http.request.method" ["method"] Bytes Request "the method, as it came";
    Host "http.host" ["host"] Bytes Request "the host, in lower case and without port";
    Path "http.request.uri.path" ["path"] Bytes Request "the canonical path";
    Query "http.request.uri.query" ["query"] Bytes Request "the query, without its question mark";
    Uri "http.request.uri" ["uri"] Bytes Request "the canonical path and the query";
    RawHost "raw.http.host" ["raw.host"] Bytes Request "the host, as it came";
    RawPath "raw.http.request.uri.path" ["raw.path"] Bytes Request "the path, as it came";
    RawUri "raw.http.request.uri" ["raw.uri"] Bytes Request "the target, as it came";
    Args "http.request.uri.args" ["args"] Map Request "the arguments of the query, by name";
    ArgNames "http.request.uri.args.names" ["args.names"] Array Request "the names of the arguments";
    ArgValues "http.request.uri.args.values" ["args.values"] Array Request "the values of the arguments";
    Headers "http.request.headers" ["headers"] Map Request "the values of the header lines, by name";
    HeaderNames "http.request.headers.names" ["headers.names"] Array Request "the names of the header lines, in lower case";
    HeaderValues "http.request.headers.values" ["headers.values"] Array Request "the values of all header lines";
    Cookies "http.request.cookies" ["cookies"] Map Request "the values of the cookies, by name";
    DotSegments "uri.flags.dot_segments" [] Bool Request "the path had . or .. segments";
    EncodedSlash "uri.flags.encoded_slash" [] Bool Request "the path has an encoded slash or backslash";
    DoubleEncoded "uri.flags.double_encoded" [] Bool Request "the path, decoded, has an escape";
    BadPercent "uri.flags.bad_percent" [] Bool Request "the target has a percent sign without two hex digits";
    Nul "uri.flags.nul" [] Bool Request "the target has a NUL, encoded or not";
    Backslash "uri.flags.backslash" [] Bool Request "the path had a backslash";
    DoubleSlash "uri.flags.double_slash" [] Bool Request "the path had two slashes in a row";
    NonUtf8 "uri.flags.non_utf8" [] Bool Request "the path or the query, decoded, is not UTF-8";
    Oversize "request.oversize" [] Bool Request "some value was longer than 8 KiB and is seen cut";
    Posture "posture" [] Int Request "normal, elevated, overload, defend or lockdown";
    Load "load" [] Int Request "how busy the service is, 0 to 100";
    ClientKnown "client.known" [] Bool Request "the client's network was seen before";
    Score "score" [] Int Request "what earlier rules have added up";
    Tag "tag" [] Flags Request "the tags that earlier rules have set";
    Status "http.response.code" ["status"] Int Response "the status of the response";
    LatencyMs "response.latency_ms" [] Int Response "how long the response took";
    ResponseSize "response.size" [] Int Response "the bytes of the response";
}

/// Fields that only the service can know, known by name from the start; a request has them if they were
/// [given](crate::Request::field).
pub(crate) const SUPPLIED: &[(&str, &[&str], Kind, &str)] = &[
    ("ip.src.asnum", &["asn"], Kind::Int, "the number of the client's network operator"),
    ("ip.src.country", &["country"], Kind::Bytes, "the client's country, as in \"DE\""),
    (
        "http.request.route",
        &["route"],
        Kind::Bytes,
        "the route that the request has matched, as in \"/users/{id}\"",
    ),
    ("http.request.version", &["version"], Kind::Bytes, "the version, as in \"HTTP/2\""),
    ("http.request.body.size", &["body.size"], Kind::Int, "the bytes of the request's body"),
    ("ssl", &["tls"], Kind::Bool, "the connection is encrypted"),
    ("tls.ja3", &[], Kind::Bytes, "the client's JA3 fingerprint"),
    ("tls.ja4", &[], Kind::Bytes, "the client's JA4 fingerprint"),
    ("client.verified", &[], Kind::Bool, "the service knows who the client is"),
    ("challenge.passed", &[], Kind::Bool, "the client has passed a challenge"),
];

/// Names of single headers, and the header each stands for.
pub(crate) const HEADER_NAMES: &[(&str, &[&str], &str)] = &[
    ("http.user_agent", &["ua"], "user-agent"),
    ("http.referer", &["referer"], "referer"),
    ("http.cookie", &[], "cookie"),
    ("http.x_forwarded_for", &[], "x-forwarded-for"),
];

/// Maps whose elements are written as the first of an array: `header["x"]` is `headers["x"][0]`.
pub(crate) const FIRST_OF: &[(&str, Builtin)] =
    &[("header", Builtin::Headers), ("arg", Builtin::Args), ("cookie", Builtin::Cookies)];

/// Names for the values of `posture`.
pub(crate) const POSTURES: &[(&str, i64)] =
    &[("normal", 0), ("elevated", 1), ("overload", 2), ("defend", 3), ("lockdown", 4)];

/// Whether a name means something in every text, so that no field of a service's can have it.
pub(crate) fn is_taken(name: &str) -> bool {
    let builtins = BUILTINS.iter().map(|entry| (entry.name, entry.aliases));
    let supplied = SUPPLIED.iter().map(|(name, aliases, ..)| (*name, *aliases));
    let headers = HEADER_NAMES.iter().map(|(name, aliases, _)| (*name, *aliases));
    let is_it = |(known, aliases): (&str, &[&str])| known == name || aliases.contains(&name);
    builtins.chain(supplied).chain(headers).any(is_it)
        || FIRST_OF.iter().any(|(known, _)| *known == name)
}

impl Builtin {
    pub(crate) const fn kind(self) -> Kind {
        self.entry().kind
    }

    /// What of a request's canonical form it is, or is made of.
    pub(crate) const fn needs(self) -> Needs {
        match self {
            Self::Host => Needs::HOST,
            Self::Oversize => Needs::OVERSIZE,
            Self::Path | Self::RawPath => Needs::PATH,
            Self::Query | Self::Args | Self::ArgNames | Self::ArgValues => Needs::QUERY,
            Self::Uri
            | Self::DotSegments
            | Self::EncodedSlash
            | Self::DoubleEncoded
            | Self::BadPercent
            | Self::Nul
            | Self::Backslash
            | Self::DoubleSlash
            | Self::NonUtf8 => Needs::TARGET,
            Self::IpSrc
            | Self::Client
            | Self::Method
            | Self::RawHost
            | Self::RawUri
            | Self::Headers
            | Self::HeaderNames
            | Self::HeaderValues
            | Self::Cookies
            | Self::Posture
            | Self::Load
            | Self::ClientKnown
            | Self::Score
            | Self::Tag
            | Self::Status
            | Self::LatencyMs
            | Self::ResponseSize => Needs::NOTHING,
        }
    }

    /// Whether rules change it while a request is judged.
    pub(crate) const fn is_volatile(self) -> bool {
        matches!(self, Self::Score | Self::Tag)
    }
}

#[cfg(test)]
mod tests {
    use super::{BUILTINS, FIRST_OF, HEADER_NAMES, SUPPLIED};

    #[test]
    fn the_table_is_in_the_order_of_the_enum_and_no_name_is_there_twice() {
        let mut names = std::collections::BTreeSet::new();
        for (at, entry) in BUILTINS.iter().enumerate() {
            assert_eq!(entry.field as usize, at, "{}", entry.name);
            assert_eq!(entry.field.entry().name, entry.name);
            for name in entry.aliases.iter().chain([&entry.name]) {
                assert!(names.insert(*name), "{name}");
            }
        }
        let more = SUPPLIED.iter().map(|(name, aliases, ..)| (name, aliases));
        for (name, aliases) in
            more.chain(HEADER_NAMES.iter().map(|(name, aliases, _)| (name, aliases)))
        {
            for name in aliases.iter().chain([name]) {
                assert!(names.insert(*name), "{name}");
            }
        }
        for (name, _) in FIRST_OF {
            assert!(names.insert(*name), "{name}");
        }
    }
}

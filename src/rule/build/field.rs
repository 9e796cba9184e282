//! The fields of a request, and those of the service's own.

use super::{Address, Flag, Number, Text, Texts, value::Of};
use crate::rule::{
    expr::{Name, Operand},
    field::{Builtin, Kind, Supplied},
};

macro_rules! fields {
    ($($name:ident $value:ident $field:ident;)*) => {$(
        #[doc = concat!("As the language has it: see [the table](crate::rule#fields), `", stringify!($field), "`.")]
        #[must_use]
        pub fn $name() -> $value {
            $value(Operand::Builtin(Builtin::$field), Of::One)
        }
    )*};
}

fields! {
    ip_src Address IpSrc;
    client Address Client;
    method Text Method;
    host Text Host;
    path Text Path;
    query Text Query;
    uri Text Uri;
    raw_host Text RawHost;
    raw_path Text RawPath;
    raw_uri Text RawUri;
    arg_names Texts ArgNames;
    arg_values Texts ArgValues;
    header_names Texts HeaderNames;
    header_values Texts HeaderValues;
    dot_segments Flag DotSegments;
    encoded_slash Flag EncodedSlash;
    double_encoded Flag DoubleEncoded;
    bad_percent Flag BadPercent;
    nul Flag Nul;
    backslash Flag Backslash;
    double_slash Flag DoubleSlash;
    non_utf8 Flag NonUtf8;
    oversize Flag Oversize;
    posture Number Posture;
    load Number Load;
    client_known Flag ClientKnown;
    score Number Score;
    status Number Status;
    latency_ms Number LatencyMs;
    response_size Number ResponseSize;
}

fn supplied(name: &str, kind: Kind) -> Operand {
    Operand::Supplied(Supplied { name: Name::from(name), kind })
}

/// A text that the service gives by this full name, such as `ip.src.country`.
#[must_use]
pub fn text(name: &str) -> Text {
    Text(supplied(name, Kind::Bytes), Of::One)
}

/// A number that the service gives by this full name, such as `ip.src.asnum`.
#[must_use]
pub fn number(name: &str) -> Number {
    Number(supplied(name, Kind::Int), Of::One)
}

/// An address that the service gives by this full name.
#[must_use]
pub fn address(name: &str) -> Address {
    Address(supplied(name, Kind::Ip), Of::One)
}

/// A flag that the service gives by this full name, such as `ssl`.
#[must_use]
pub fn flag(name: &str) -> Flag {
    Flag(supplied(name, Kind::Bool), Of::One)
}

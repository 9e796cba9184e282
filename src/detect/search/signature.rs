//! What requests have in common, as a condition.
//!
//! # Invariants
//! - **I1** the condition holds for every request that a signature matches; it holds for others only where the
//!   text of a path, an agent or a value was too long to be kept: then it says how such texts begin (and a
//!   [shape](Shape) that is not HTTP/1.0 does not say so);
//! - **I2** it is an ordinary condition, which prints and parses back to itself;
//! - **I3** networks are apart, sorted, and never wider than a /16 of IPv4 or a /32 of IPv6.

use alloc::vec::Vec;
use core::net::IpAddr;

use ipnet::IpNet;

use crate::{
    detect::{Dimension, Seen, Shape, Words},
    rule::{
        Expr, Term,
        build::{field, header},
    },
};

/// What requests have in common: they come from one of these networks, and are all of these kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signature {
    /// None stand for all addresses.
    pub(crate) nets: Vec<IpNet>,
    /// Keys of dimensions that are not networks, in the order of the dimensions.
    pub(crate) kinds: Vec<(Dimension, u64)>,
    /// What [`Dimension::Shape`] stands for, if it is among them.
    pub(crate) shape: Shape,
}

/// The most networks of one signature.
pub(crate) const MOST_NETS: usize = 64;

impl Signature {
    pub(crate) fn matches(&self, seen: &Seen) -> bool {
        self.kinds.iter().all(|(dimension, key)| seen.keys.get(*dimension) == *key)
            && (self.nets.is_empty() || holds(&self.nets, seen.client.to_canonical()))
    }

    /// Whether all that it matches is matched by the other one.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        let nets = other.nets.is_empty()
            || !self.nets.is_empty()
                && self.nets.iter().all(|net| other.nets.iter().any(|wider| wider.contains(net)));
        nets && other.kinds.iter().all(|kind| self.kinds.contains(kind))
    }

    /// As a condition. `words` tells what a key stands for, `own` are the service's own dimensions.
    ///
    /// `None` where the words are no longer known, or nothing is left to be said.
    pub(crate) fn expr(
        &self,
        words: &dyn Fn(Dimension, u64) -> Option<Words>,
        own: &[Term],
    ) -> Option<Expr> {
        let mut parts = Vec::new();
        if !self.nets.is_empty() {
            parts.push(field::ip_src().within(self.nets.iter().copied()));
        }
        for (dimension, key) in &self.kinds {
            if *dimension == Dimension::Shape {
                parts.extend(of_shape(self.shape));
                continue;
            }
            let words = words(*dimension, *key)?;
            parts.push(match dimension {
                Dimension::Section => {
                    let path = words.path.get();
                    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
                    let end = slashes.map(|(at, _)| at.saturating_add(1)).nth(1);
                    let section = path.get(..end.unwrap_or(path.len()))?;
                    (!section.is_empty()).then(|| field::path().starts_with(section))?
                }
                Dimension::Path => match words.path.whole() {
                    Some(path) if !words.path_goes_on => field::path().eq(path),
                    _ => {
                        let start = words.path.get();
                        (!start.is_empty()).then(|| field::path().starts_with(start))?
                    }
                },
                Dimension::Agent => match words.agent.whole() {
                    Some(agent) => header("user-agent").eq(agent),
                    None => header("user-agent").starts_with(words.agent.get()),
                },
                Dimension::First => of_own(own.first()?, words.own.first()?)?,
                Dimension::Second => of_own(own.get(1)?, words.own.get(1)?)?,
                Dimension::Shape | Dimension::Host | Dimension::Net | Dimension::Wide => {
                    return None;
                }
            });
        }
        (!parts.is_empty()).then(|| Expr::all(parts))
    }
}

/// Whether one of the networks, which are sorted and apart, has this address.
fn holds(nets: &[IpNet], address: IpAddr) -> bool {
    let after = nets.partition_point(|net| net.network() <= address);
    let last = after.checked_sub(1).and_then(|at| nets.get(at));
    last.is_some_and(|net| net.contains(&address))
}

fn of_own(term: &Term, text: &crate::detect::Text<48>) -> Option<Expr> {
    match text.whole() {
        Some(text) => term.eq_text(text),
        None => term.starts_with_text(text.get()),
    }
}

/// Every bit of a shape is a test, but that nobody has to be told of what is not HTTP/1.0.
fn of_shape(shape: Shape) -> impl Iterator<Item = Expr> {
    let method = match shape.method() {
        Shape::GET => field::method().eq("GET"),
        Shape::HEAD => field::method().eq("HEAD"),
        Shape::POST => field::method().eq("POST"),
        _ => field::method().one_of(["GET", "HEAD", "POST"]).not(),
    };
    let test = move |bit: u8, test: Expr| if shape.has(bit) { test } else { test.not() };
    let old = || field::text("http.request.version").eq("HTTP/1.0");
    let tests = [
        method,
        test(Shape::QUERY, field::query().exists()),
        test(Shape::REFERER, header("referer").exists()),
        test(Shape::COOKIE, header("cookie").exists()),
        test(Shape::LANGUAGE, header("accept-language").exists()),
        test(Shape::AGENT, header("user-agent").exists()),
    ];
    tests.into_iter().chain(shape.has(Shape::HTTP_1_0).then(old))
}

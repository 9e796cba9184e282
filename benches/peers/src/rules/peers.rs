//! The rules in other engines, which judge one after the other: neither knows sets of rules.

use std::net::IpAddr;

use cel::{Context, Program};
use wirefilter::{ExecutionContext, Filter, Scheme};

use super::mix::{Incoming, Kind, Mix};

/// It has no prefixes of texts but by regular expressions, which take it longer than `contains`; with
/// these rules and requests that says the same.
pub(crate) fn wirefilter(mix: &'static Mix) -> impl Fn(&'static Incoming) -> Option<usize> {
    // Filters borrow their scheme, and want values that live as long: both stay for good.
    let scheme: &'static Scheme = Box::leak(Box::new(Scheme! {
        ip.src: Ip,
        http.method: Bytes,
        http.path: Bytes,
        http.client: Bytes,
    }));
    let filters: Vec<Filter<'static>> = mix
        .rules
        .iter()
        .map(|rule| {
            let net = |net: &u32| std::net::Ipv4Addr::from_bits(*net);
            let text = match &rule.kind {
                Kind::NetAndPath { net: at, path } => {
                    format!("ip.src in {{{}/24}} and http.path contains \"{path}\"", net(at))
                }
                Kind::Header { value } => format!("http.client == \"{value}\""),
                Kind::MethodAndPath { path } => {
                    format!("http.method == \"POST\" and http.path contains \"{path}\"")
                }
                Kind::NetOrPath { net: at, path } => {
                    format!("ip.src in {{{}/24}} or http.path == \"{path}\"", net(at))
                }
            };
            let text: &'static str = Box::leak(text.into_boxed_str());
            scheme.parse(text).expect("a filter").compile()
        })
        .collect();
    move |incoming| {
        let mut context = ExecutionContext::new(scheme);
        let header = incoming.header();
        let set = "a field";
        context.set_field_value("ip.src", IpAddr::from(incoming.peer)).expect(set);
        context.set_field_value("http.method", incoming.method).expect(set);
        context.set_field_value("http.path", incoming.path.as_str()).expect(set);
        context.set_field_value("http.client", header).expect(set);
        filters.iter().position(|filter| filter.execute(&context).expect("a scheme"))
    }
}

/// It knows no addresses: they are numbers.
pub(crate) fn cel(mix: &'static Mix) -> impl Fn(&'static Incoming) -> Option<usize> {
    let programs: Vec<Program> = mix
        .rules
        .iter()
        .map(|rule| {
            let within = |net: &u32| format!("ip >= {net} && ip <= {}", net + 255);
            let text = match &rule.kind {
                Kind::NetAndPath { net, path } => {
                    format!("{} && path.startsWith(\"{path}\")", within(net))
                }
                Kind::Header { value } => format!("client == \"{value}\""),
                Kind::MethodAndPath { path } => {
                    format!("method == \"POST\" && path.startsWith(\"{path}\")")
                }
                Kind::NetOrPath { net, path } => {
                    format!("({}) || path == \"{path}\"", within(net))
                }
            };
            Program::compile(&text).expect("a program")
        })
        .collect();
    // Its functions are set up once; a request has a scope of its own.
    let root = Context::default();
    move |incoming| {
        let mut context = root.new_inner_scope();
        context.add_variable_from_value("ip", i64::from(incoming.peer.to_bits()));
        context.add_variable_from_value("method", incoming.method.to_owned());
        context.add_variable_from_value("path", incoming.path.clone());
        context.add_variable_from_value("client", incoming.header().to_owned());
        programs
            .iter()
            .position(|program| matches!(program.execute(&context), Ok(cel::Value::Bool(true))))
    }
}

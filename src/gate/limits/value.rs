//! The values that keys and costs are made of, read without an allocation.

use core::{net::IpAddr, ops::ControlFlow};

use crate::{
    request::{Given, canonical::cut},
    rule::{Builtin, Facts, Kind, Operand},
};

/// A value, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'v> {
    Bool(bool),
    Int(i64),
    Bytes(&'v [u8]),
    Ip(IpAddr),
}

/// Shows the value; of an array, all of its elements; nothing, if it is missing.
pub(super) fn each(operand: &Operand, facts: &Facts<'_>, visit: &mut dyn FnMut(Value<'_>)) {
    match operand {
        Operand::Builtin(field) => builtin(*field, facts, visit),
        Operand::Supplied(field) => match (facts.given(&field.name), field.kind) {
            (Some(Given::Bool(value)), Kind::Bool) => visit(Value::Bool(value)),
            (Some(Given::Int(value)), Kind::Int) => visit(Value::Int(value)),
            (Some(Given::Bytes(value)), Kind::Bytes) => visit(Value::Bytes(cut(value))),
            (Some(Given::Ip(value)), Kind::Ip) => visit(Value::Ip(value.to_canonical())),
            _ => {}
        },
        Operand::Get(Builtin::Tag, name) => visit(Value::Bool(facts.has_tag(name))),
        Operand::Get(map, key) => facts.each_of(*map, key, |value| {
            visit(Value::Bytes(value));
            ControlFlow::Continue(())
        }),
        Operand::At(of, at) => {
            let mut left = *at;
            each(of, facts, &mut |value| {
                if left == 0 {
                    visit(value);
                }
                left = left.wrapping_sub(1);
            });
        }
        Operand::Cidr { of, v4, v6 } => each(of, facts, &mut |value| {
            if let Value::Ip(ip) = value {
                let group = crate::ClientGroup { v4: *v4, v6: *v6 };
                visit(Value::Ip(group.network_of(ip)));
            }
        }),
        Operand::Sample(share) => visit(Value::Bool(share.takes_in(facts.chance))),
        _ => {}
    }
}

fn builtin(field: Builtin, facts: &Facts<'_>, visit: &mut dyn FnMut(Value<'_>)) {
    match field.kind() {
        Kind::Bool => facts.bool(field).map(Value::Bool).into_iter().for_each(visit),
        Kind::Int => facts.int(field).map(Value::Int).into_iter().for_each(visit),
        Kind::Ip => facts.ip(field).map(Value::Ip).into_iter().for_each(visit),
        Kind::Bytes => facts.bytes(field).map(Value::Bytes).into_iter().for_each(visit),
        Kind::Array => facts.each(field, |value| {
            visit(Value::Bytes(value));
            ControlFlow::Continue(())
        }),
        Kind::Map | Kind::Flags => {}
    }
}

/// The number; `None` if it is missing.
pub(super) fn int(operand: &Operand, facts: &Facts<'_>) -> Option<i64> {
    let mut found = None;
    each(operand, facts, &mut |value| {
        if let Value::Int(value) = value {
            found = Some(value);
        }
    });
    found
}

//! Expressions and requests for proptest: bytes, which it knows how to shrink.

use proptest::{collection::vec, prelude::*};

use super::{super::expr::Expr, Entropy, Sample, Shape, expr_of, exprs};

fn bytes() -> impl Strategy<Value = std::vec::Vec<u8>> {
    vec(any::<u8>(), 0..400)
}

/// Expressions of the default shape.
pub(crate) fn any_expr() -> impl Strategy<Value = Expr> {
    any_expr_of(Shape::default())
}

pub(crate) fn any_expr_of(shape: Shape) -> impl Strategy<Value = Expr> {
    bytes().prop_map(move |bytes| expr_of(&mut Entropy::new(&bytes), shape))
}

pub(crate) fn any_exprs(most: u32) -> impl Strategy<Value = std::vec::Vec<Expr>> {
    let bytes = vec(any::<u8>(), 0..40 * most as usize);
    bytes.prop_map(move |bytes| exprs(&mut Entropy::new(&bytes), most))
}

pub(crate) fn any_sample() -> impl Strategy<Value = Sample> {
    bytes().prop_map(|bytes| Sample::draw(&mut Entropy::new(&bytes)))
}

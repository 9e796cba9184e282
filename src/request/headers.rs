//! Header lines that somebody else keeps.

use core::ops::ControlFlow;

/// A request's header lines, wherever they are kept: a rule reads them there, and nothing is copied.
///
/// Names are given in lower case when they are asked for, and may come in any case when they are
/// visited. Lines of one name keep their order.
pub trait Headers {
    /// The value of the first line of this name, which is in lower case.
    fn first(&self, name: &str) -> Option<&[u8]>;

    /// Visits the lines, those of one name in their order, until the visitor breaks.
    fn visit<'a>(&'a self, visit: &mut dyn FnMut(&'a str, &'a [u8]) -> ControlFlow<()>);
}

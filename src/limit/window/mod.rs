//! Windows: never more than so many in any stretch of time of one length.
//!
//! A token bucket gives back bit by bit, so within a window's length it may pass its burst and all
//! that came back meanwhile. A window gives a unit back once, when the window has moved past it. What
//! differs between windows is how exactly they know when that is; [`SlidingWindow`] has the table.
//!
//! The usual form weights the oldest of `k` sub-windows by how much of it the window covers, and is
//! thought of as off by `N / k`. That is so only if what a sub-window has counted came evenly. If `N`
//! units came at its end, then `f · N` more pass by the time that a part `f` of it has left by the
//! estimate, while in truth all of it is still there: with `k` = 1 (two counters) as with any other
//! `k`, `N (1 + f)` pass within a window, and `f` goes up to one. To overshoot by `N / k` at the most,
//! a sub-window must be given back only once all of it has left. So [`SlidingWindow`] counts it in full
//! until no window reaches back to it, which takes the overshoot away altogether: what is not exact is
//! the time of return alone. A window of `W (1 + 1/k)` has at least `N` to give, so in the long run
//! at least `k / (k + 1)` of `N` pass per `W`.
//!
//! All take a timestamp that is earlier than one before as no time passed. They cannot take it at its
//! word, as a bucket does, since what was taken then is forgotten: with timestamps that step back
//! by up to `d`, the bound holds for windows that are shorter by `d`.

mod frame;
#[cfg(feature = "std")]
mod keyed;
#[cfg(feature = "std")]
mod log;
#[cfg(feature = "std")]
mod seats;
mod sliding;
mod word;

#[cfg(feature = "std")]
pub use keyed::KeyedWindow;
#[cfg(feature = "std")]
pub use log::WindowLog;
pub use sliding::SlidingWindow;

#[cfg(test)]
mod tests;

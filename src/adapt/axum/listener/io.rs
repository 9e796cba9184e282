//! A connection that was let in: it has a place, and some time to send its first request.
//!
//! # Invariants
//! - **I1** the place is given back, and the connection counted as closed, when this is dropped;
//! - **I2** bytes pass unchanged, in both directions;
//! - **I3** from the deadline on, reading and writing fail, unless the first head is complete or the gate is not
//!   enforced; once it is complete, nothing is watched any more.

use alloc::{boxed::Box, sync::Arc};
use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use std::io::{self, IoSlice};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use super::{
    head::Head,
    places::Place,
    stats::{Closed, Counts},
};
use crate::gate::{Gate, Mode};

/// A connection that a [`GateListener`](super::GateListener) has let in: it reads and writes as the one
/// inside does.
///
/// Its place among the client's connections is its own until it is dropped.
///
/// # Memory
/// Besides the connection, some 100 bytes. While the first request is waited for, a timer of tokio's in an
/// allocation of its own; without [a deadline](super::GateListener::first_request_within) there is none.
pub struct GateIo<I> {
    io: I,
    deadline: Deadline,
    held: Held,
}

/// What is given back in the end, in this order: who reads that a connection is closed finds its place free.
struct Held {
    _place: Place,
    open: Open,
}

/// A connection that is counted as open, until this is dropped.
struct Open(Arc<Counts>);

enum Deadline {
    None,
    Until { time: Pin<Box<Sleep>>, head: Head, gate: Gate },
    Missed,
}

impl<I> GateIo<I> {
    /// A connection that is accepted now.
    pub(super) fn new(
        io: I,
        place: Place,
        counts: &Arc<Counts>,
        gate: &Gate,
        first_request: Option<Duration>,
    ) -> Self {
        counts.accepts();
        let deadline = first_request.map_or(Deadline::None, |within| Deadline::Until {
            time: Box::pin(sleep(within)),
            head: Head::default(),
            gate: gate.clone(),
        });
        let open = Open(Arc::clone(counts));
        Self { io, deadline, held: Held { _place: place, open } }
    }

    /// The connection inside.
    pub fn get_ref(&self) -> &I {
        &self.io
    }

    /// The connection inside. What is read from it directly is not seen by the deadline.
    pub fn get_mut(&mut self) -> &mut I {
        &mut self.io
    }

    /// The connection inside, as long as there is time.
    fn writer(&mut self) -> io::Result<&mut I> {
        match self.deadline.is_over(&self.held.open.0) {
            true => Err(too_late()),
            false => Ok(&mut self.io),
        }
    }
}

impl Deadline {
    /// Whether it is missed; wakes when it will be.
    fn is_missed(&mut self, counts: &Counts, context: &mut Context<'_>) -> bool {
        if let Self::Until { time, .. } = self {
            if time.as_mut().poll(context).is_pending() {
                return false;
            }
        }
        self.miss(counts)
    }

    /// The same for writing, which a client that takes nothing can hold up so that nobody reads: whoever
    /// reads stays the one who is woken.
    fn is_over(&mut self, counts: &Counts) -> bool {
        match self {
            Self::Until { time, .. } if time.deadline() > Instant::now() => false,
            _ => self.miss(counts),
        }
    }

    /// The time is over, if there is a deadline: whether it is missed then.
    fn miss(&mut self, counts: &Counts) -> bool {
        let Self::Until { gate, .. } = self else { return matches!(self, Self::Missed) };
        let really = gate.mode() == Mode::Enforce;
        counts.closes_for(Closed::TimedOut, really);
        *self = if really { Self::Missed } else { Self::None };
        really
    }

    fn see(&mut self, bytes: &[u8]) {
        if let Self::Until { head, .. } = self {
            if head.see(bytes) {
                *self = Self::None;
            }
        }
    }
}

fn too_late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no complete request head in time")
}

impl<I: AsyncRead + Unpin> AsyncRead for GateIo<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { io, deadline, held } = self.get_mut();
        // First the time: who sends without a pause would never be asked for it.
        if deadline.is_missed(&held.open.0, context) {
            return Poll::Ready(Err(too_late()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(io).poll_read(context, buffer))?;
        deadline.see(buffer.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for GateIo<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.get_mut().writer()?).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().writer()?).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.get_mut().writer()?).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.closes();
    }
}

impl<I: fmt::Debug> fmt::Debug for GateIo<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateIo").field("io", &self.io).finish_non_exhaustive()
    }
}

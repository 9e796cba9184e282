//! What is still to come of a request that has been refused.
//!
//! actix-web closes a connection, without a word, when a response has been sent and the request has not been
//! read to its end. A client that has just sent the head of a small upload would lose its connection, and
//! with it the next request that it sends. (That is so up to actix-http 3.11.1; from 3.11.2 on it says
//! `connection: close` itself, and closes in order.) So what comes is read, and thrown away:
//!
//! - **I1** after the refusal has been handed over, never before: no client waits for it;
//! - **I2** at most [`MOST`] bytes, and for at most [`PATIENCE`]: who sends more, or slowly, is cut off as it
//!   would be otherwise;
//! - **I3** one chunk at a time; nothing is kept.

use alloc::boxed::Box;
use core::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::{
    body::{BodyStream, MessageBody},
    dev::Payload,
    rt::time::{Sleep, sleep},
};

/// A body of up to this many bytes leaves its connection usable.
pub(super) const MOST: usize = 256 * 1_024;

const PATIENCE: Duration = Duration::from_secs(5);

/// The rest of a body.
pub(super) struct Rest {
    body: BodyStream<Payload>,
    /// So many bytes may still come.
    left: usize,
    /// Set once there is something to wait for.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Rest {
    /// `None` if the connection does not mind: a request of HTTP/2 ends by itself.
    pub(super) fn of(payload: Payload) -> Option<Self> {
        match payload {
            Payload::H1 { .. } => {
                Some(Self { body: BodyStream::new(payload), left: MOST, deadline: None })
            }
            _ => None,
        }
    }

    /// Ready when all has come, or when there is no reason to wait any longer.
    pub(super) fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.left > 0 {
            match Pin::new(&mut self.body).poll_next(context) {
                Poll::Ready(Some(Ok(bytes))) => self.left = self.left.saturating_sub(bytes.len()),
                Poll::Ready(_) => break,
                Poll::Pending => {
                    let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
                    ready!(deadline.as_mut().poll(context));
                    break;
                }
            }
        }
        Poll::Ready(())
    }
}

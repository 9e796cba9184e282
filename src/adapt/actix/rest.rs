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

#[cfg(all(test, feature = "status", not(any(loom, shuttle))))]
mod tests {
    use core::{
        future::poll_fn,
        pin::Pin,
        task::{Context, Poll, Waker},
        time::Duration,
    };
    use std::{boxed::Box, vec::Vec};

    use actix_web::{
        body::BodyStream,
        dev::Payload,
        error::PayloadError,
        rt::time::{Instant, sleep},
        web::Bytes,
    };
    use futures_core::Stream;

    use super::{MOST, PATIENCE, Rest};

    /// Chunks of these sizes, and then nothing more, or the end.
    struct Client {
        chunks: Vec<usize>,
        ends: bool,
    }

    impl Stream for Client {
        type Item = Result<Bytes, PayloadError>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            match self.chunks.pop() {
                Some(size) => Poll::Ready(Some(Ok(std::vec![0; size].into()))),
                None if self.ends => Poll::Ready(None),
                None => Poll::Pending,
            }
        }
    }

    fn rest(chunks: &[usize], ends: bool) -> Rest {
        let client = Client { chunks: chunks.to_vec(), ends };
        let client: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> = Box::pin(client);
        let payload = Payload::Stream { payload: client };
        Rest { body: BodyStream::new(payload), left: MOST, deadline: None }
    }

    fn is_over(rest: &mut Rest) -> bool {
        rest.poll_end(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    /// I2: of time.
    #[tokio::test(start_paused = true)]
    async fn who_sends_nothing_more_is_waited_for_and_not_for_longer() {
        let began = Instant::now();
        for chunks in [&[][..], &[1, 2, 3]] {
            let mut rest = rest(chunks, false);
            assert!(!is_over(&mut rest));
            sleep(PATIENCE - Duration::from_millis(2)).await;
            assert!(!is_over(&mut rest));
            sleep(Duration::from_millis(4)).await;
            assert!(is_over(&mut rest));
        }
        // Woken by its own timer, too.
        let mut rest = rest(&[1], false);
        let before = began.elapsed();
        poll_fn(|context| rest.poll_end(context)).await;
        let waited = began.elapsed() - before;
        assert!((PATIENCE..PATIENCE + Duration::from_millis(3)).contains(&waited), "{waited:?}");
    }

    /// I2: of bytes. What has come to its end, or to the bound, needs no timer, nor anybody who runs one.
    #[test]
    fn who_sends_all_or_too_much_is_not_waited_for() {
        for (chunks, ends) in [
            (&[][..], true),
            (&[100, MOST - 101], true),
            (&[MOST], false),
            (&[MOST + 1], false),
            (&[1, MOST - 1], false),
        ] {
            let mut rest = rest(chunks, ends);
            assert!(is_over(&mut rest), "{chunks:?}");
            assert!(rest.deadline.is_none());
        }
    }
}

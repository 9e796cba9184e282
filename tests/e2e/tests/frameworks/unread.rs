//! Bodies that nobody reads: who answers before a request has come in whole has to go on reading it.
//!
//! A server that closes a connection on which bytes are still coming in resets it, and whoever is sending may never
//! see the response: nginx turns it into a 502. hyper reads on for as long as somebody holds the body. So whatever
//! is dropped before its end is read to the end elsewhere, up to a size and for a time.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::Request,
};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, SizeHint};
use tokio::time::timeout;

/// As much as nginx lets through here.
const MOST: usize = 8 << 20;
const PATIENCE: Duration = Duration::from_secs(5);

/// For `axum::middleware::map_request`, outside of the gate.
pub(crate) async fn read_on(request: Request) -> Request {
    request.map(|body| Body::new(Unread { body, is_read: false }))
}

struct Unread {
    body: Body,
    is_read: bool,
}

impl hyper::body::Body for Unread {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.is_read = matches!(frame, Poll::Ready(None | Some(Err(_))));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        if self.is_read || self.body.is_end_stream() {
            return;
        }
        let mut body = mem::take(&mut self.body);
        tokio::spawn(timeout(PATIENCE, async move {
            let mut read = 0;
            while let Some(Ok(frame)) = body.frame().await {
                read += frame.data_ref().map_or(0, Bytes::len);
                if read > MOST {
                    break;
                }
            }
        }));
    }
}

//! Bodies in both directions: streamed, never collected. The response body carries the claim; the request body is given
//! back when nobody has read it, so that a refused connection can be tried again. It must not know where they go.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::{sync::oneshot, time::Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::target::Claim;

/// What a body fails with.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// The body of every response.
pub(super) type ResponseBody = UnsyncBoxBody<Bytes, BoxError>;

/// A body that is in memory.
pub(super) fn full(bytes: impl Into<Bytes>) -> ResponseBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// Why a body was ended early.
#[derive(Debug)]
pub(super) enum Cut {
    /// The target was replaced and the grace is over.
    Drained,
    /// The client sent nothing for too long.
    Idle,
}

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Cut::Drained => "the deployment was replaced and the time to finish is over",
            Cut::Idle => "the client stopped sending the request body",
        })
    }
}

impl std::error::Error for Cut {}

/// A response body with the claim on its target: the claim ends with the body, and after the cancel token the body gives
/// no more data.
pub(super) struct Claimed<B> {
    inner: B,
    claim: Option<Claim>,
    cancelled: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<B> Claimed<B> {
    pub(super) fn new(inner: B, claim: Claim) -> Self {
        let cancelled = Box::pin(claim.target().cancel.clone().cancelled_owned());
        Self { inner, claim: Some(claim), cancelled }
    }
}

impl<B> Body for Claimed<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.claim.is_none() {
            return Poll::Ready(None);
        }
        if self.cancelled.as_mut().poll(cx).is_ready() {
            self.claim = None;
            return Poll::Ready(Some(Err(Cut::Drained.into())));
        }
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.claim = None;
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A request body on its way to a program.
pub(super) struct Upload {
    body: Option<Incoming>,
    give_back: Option<oneshot::Sender<Incoming>>,
    read: bool,
    idle: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Upload {
    /// The receiver resolves when the body has been sent or dropped: with the body itself if no byte was read.
    pub(super) fn new(body: Incoming, idle: Duration) -> (Self, oneshot::Receiver<Incoming>) {
        let (give_back, returned) = oneshot::channel();
        (Self { body: Some(body), give_back: Some(give_back), read: false, idle, waiting: None }, returned)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        match Pin::new(body).poll_frame(cx) {
            Poll::Ready(Some(frame)) => {
                self.waiting = None;
                self.read = true;
                Poll::Ready(Some(frame.map_err(Into::into)))
            }
            Poll::Ready(None) => {
                self.body = None;
                self.give_back = None;
                Poll::Ready(None)
            }
            Poll::Pending => {
                let idle = self.idle;
                let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(idle)));
                ready!(waiting.as_mut().poll(cx));
                self.body = None;
                self.give_back = None;
                Poll::Ready(Some(Err(Cut::Idle.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let (false, Some(body), Some(give_back)) = (self.read, self.body.take(), self.give_back.take()) {
            let _ = give_back.send(body);
        }
    }
}

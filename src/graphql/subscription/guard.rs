//! Lets a stream go on only as long as its authority does. It must not know what flows.
//!
//! A field takes a guard and a permit with [`Guard::judge`], makes its stream with the permit, and returns [`Guard::over`] the
//! stream. Nothing else is needed: the guard judges again at every epoch, at the end of every time window, and holds back each
//! item until the authority for it was confirmed less than a second ago.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::Context;
use futures_util::{Stream, StreamExt};
use tokio::sync::watch;

use crate::authz::{Held, Permit};
use crate::error::{Error, Result};
use crate::graphql::context::request;
use crate::op::{Op, Target};
use crate::sys::clock;

/// How far a stream's authority is known to reach.
pub(super) struct Guard<C> {
    op: Arc<Op>,
    target: Target,
    epochs: watch::Receiver<i64>,
    /// Under which epoch it was judged last.
    epoch: i64,
    /// The moment, in Unix milliseconds, at which it has to be judged again.
    valid_until: Option<i64>,
    capability: std::marker::PhantomData<fn() -> C>,
}

/// A stream below its guard.
struct Guarded<C, S> {
    guard: Guard<C>,
    items: Pin<Box<S>>,
}

/// What comes first.
enum Next<T> {
    Due,
    Item(Option<T>),
}

impl<C: Held> Guard<C> {
    /// Judges for the first time.
    ///
    /// # Errors
    /// As [`Op::permit`].
    pub(super) async fn judge(ctx: &Context<'_>, target: impl Into<Target>) -> Result<(Self, Permit<C>)> {
        let op = request(ctx).op.clone();
        let (target, epochs) = (target.into(), op.store().epochs());
        let capability = std::marker::PhantomData;
        let mut guard = Self { op, target, epochs, epoch: 0, valid_until: None, capability };
        let permit = guard.permit().await?;
        Ok((guard, permit))
    }

    /// The stream, until it ends or its authority does; then one error is its last item.
    pub(super) fn over<T: Send>(
        self,
        items: impl Stream<Item = Result<T>> + Send,
    ) -> impl Stream<Item = Result<T>> + Send {
        let guarded = Guarded { guard: self, items: Box::pin(items) };
        futures_util::stream::unfold(Some(guarded), |guarded| async {
            let mut guarded = guarded?;
            match guarded.next().await {
                Ok(Some(item)) => Some((Ok(item), Some(guarded))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    /// Takes the permit anew. The epoch is read first: a change that comes in between is judged once more.
    async fn permit(&mut self) -> Result<Permit<C>> {
        self.op.renew();
        self.epoch = *self.epochs.borrow_and_update();
        let permit = self.op.permit::<C>(self.target).await?;
        self.valid_until = self.op.valid_until().await?;
        Ok(permit)
    }

    async fn judge_again(&mut self) -> Result<()> {
        match self.permit().await {
            Ok(_) => Ok(()),
            Err(Error::Forbidden { .. } | Error::NotFound { .. } | Error::Unauthenticated(_)) => {
                let resource = crate::op::name(self.target);
                Err(Error::AuthorityEnded { capability: C::CAPABILITY, resource })
            }
            Err(error) => Err(error),
        }
    }

    /// Waits until it has to be judged again.
    async fn due(&mut self) {
        let left = self.left();
        tokio::select! {
            // The sender lives as long as the store.
            _ = self.epochs.changed() => {}
            () = async {
                match left {
                    Some(left) => tokio::time::sleep(left).await,
                    None => std::future::pending().await,
                }
            } => {}
        }
    }

    /// How long it is until a time window opens or closes.
    fn left(&self) -> Option<Duration> {
        let left = self.valid_until? - clock::now().timestamp_millis();
        Some(Duration::from_millis(u64::try_from(left).unwrap_or(0)))
    }

    /// Whether what was judged last still counts, confirmed less than a second ago.
    async fn holds(&self) -> Result<bool> {
        let confirmed = self.op.store().epoch().await?;
        Ok(confirmed.epoch == self.epoch && self.left().is_none_or(|left| left > Duration::ZERO))
    }
}

impl<C: Held, S: Stream<Item = Result<T>> + Send, T: Send> Guarded<C, S> {
    async fn next(&mut self) -> Result<Option<T>> {
        loop {
            let next = tokio::select! {
                biased;
                () = self.guard.due() => Next::Due,
                item = self.items.next() => Next::Item(item),
            };
            match next {
                Next::Due => self.guard.judge_again().await?,
                Next::Item(None) => return Ok(None),
                Next::Item(Some(item)) => {
                    // A stream that fails may have lost what it looked at together with the right to look.
                    if item.is_err() || !self.guard.holds().await? {
                        self.guard.judge_again().await?;
                    }
                    // What is shown with this item was read for no item before.
                    self.guard.op.renew();
                    return item.map(Some);
                }
            }
        }
    }
}

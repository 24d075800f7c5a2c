//! The review of a scope: who holds what there, through what, and what of it they use.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::User;
use super::access::RoleBinding;
use super::question::{AccessShift, user};
use crate::error::Result;
use crate::service::access::review::{Review, Reviewed};

/// Everybody who holds something on a scope or below it.
pub(in crate::graphql) struct AccessReview(pub(in crate::graphql) Review);

/// Everybody who holds something on a scope or below it.
#[Object]
impl AccessReview {
    /// How many there are.
    async fn total_count(&self) -> usize {
        self.0.total
    }

    /// Those of this page, in the order of their ids.
    async fn nodes(&self) -> Vec<AccessReviewEntry> {
        self.0.people.iter().cloned().map(AccessReviewEntry).collect()
    }

    /// Give it back as `after` for the next page; none when this is the last.
    async fn end_cursor(&self) -> Option<ID> {
        let last = self.0.people.last().filter(|_| self.0.has_next)?;
        Some(ID(last.user.to_string()))
    }
}

/// A capability that was used.
#[derive(SimpleObject)]
struct UsedCapability {
    /// The capability.
    capability: String,
    /// When it was last used on the scope or below it, to a few seconds.
    last_used_at: DateTime<Utc>,
}

/// Somebody who holds something on a scope or below it.
pub(in crate::graphql) struct AccessReviewEntry(Reviewed);

/// Somebody who holds something on a scope or below it.
#[Object]
impl AccessReviewEntry {
    /// Who; none when the account is gone.
    async fn user(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        user(ctx, self.0.user).await
    }

    /// What they hold on the scope, and by inheritance below it. Nothing for those who hold something only below.
    async fn capabilities(&self) -> Vec<AccessShift> {
        self.0.held.iter().filter_map(AccessShift::of).collect()
    }

    /// Where it comes from: their own bindings and those of their teams, on the scope, above and below it.
    async fn bindings(&self) -> Vec<RoleBinding> {
        self.0.bindings.iter().cloned().map(RoleBinding).collect()
    }

    /// What they used on the scope or below it. Lists do not count as uses; single objects and changes do.
    async fn used(&self) -> Vec<UsedCapability> {
        let used = self.0.used.iter();
        used.map(|(capability, at)| UsedCapability { capability: capability.name().to_owned(), last_used_at: *at })
            .collect()
    }

    /// When they last used anything there.
    async fn last_used_at(&self) -> Option<DateTime<Utc>> {
        self.0.used.iter().map(|(_, at)| *at).max()
    }

    /// Capabilities that they hold there and never used.
    async fn never_used(&self) -> Vec<&'static str> {
        self.0.never_used.iter().map(|capability| capability.name()).collect()
    }

    /// The smallest role that, bound on the scope, gives everything they used lately; none when they used nothing, or no
    /// role is enough.
    async fn suggested_role(&self) -> Option<&str> {
        self.0.enough.as_deref()
    }
}

//! What is done to deployments, what may be done to them next, and what has happened to them.

use async_graphql::Context;
use async_graphql::{Enum, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};

use entities::{action, deployment_event, values};

use super::User;
use super::deployment::DeploymentState;
use super::permission::{lacks, mask};
use crate::authz::Capability;
use crate::domain::deployment::state;
use crate::error::Result;
use crate::graphql::context::loaders;

/// What may be done to a deployment.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "values::ActionKind")]
pub(in crate::graphql) enum DeploymentActionKind {
    /// Make it the active one for the first time: `deploy`, `promoteDeployment`.
    Deploy,
    /// Bring the same version up again as a new deployment, with today's variables: `redeploy`.
    Redeploy,
    /// Make it the active one again: `rollbackDeployment`.
    Rollback,
    /// Stop it and keep its code and assets: `retireDeployment`.
    Retire,
    /// Start a retired one again: `reviveDeployment`, or a visit of its link.
    Revive,
    /// Remove it with its code and assets: `deleteDeployment`.
    Delete,
    /// Stop what is under way and leave nothing behind: `cancelDeployment`.
    Cancel,
}

/// Why something happens to a deployment.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "values::Cause")]
pub(in crate::graphql) enum DeploymentCause {
    /// Somebody wanted it.
    User,
    /// Somebody visited its link.
    Visit,
    /// Its project's retention says so.
    Policy,
}

/// Where an accepted action stands.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "values::ActionState")]
pub(in crate::graphql) enum DeploymentActionState {
    /// Accepted, waits for its turn.
    Queued,
    /// Steps are being run.
    Running,
    /// A step failed, and the steps before it are being undone.
    Undoing,
    /// All steps are done.
    Succeeded,
    /// All effects are undone.
    Failed,
    /// Somebody stopped it; all effects are undone.
    Cancelled,
    /// It was not begun, since a newer one was queued behind it.
    Skipped,
}

/// An accepted action on a deployment. It survives a crash of the control plane.
pub(in crate::graphql) struct DeploymentAction(pub(super) action::Model);

/// An accepted action on a deployment. It survives a crash of the control plane.
#[Object]
impl DeploymentAction {
    /// Global id.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// What it does.
    async fn kind(&self) -> DeploymentActionKind {
        self.0.kind.into()
    }

    /// Where it stands.
    async fn state(&self) -> DeploymentActionState {
        self.0.state.into()
    }

    /// Why it failed; of one that runs: what it waits for before it goes on by itself.
    async fn error(&self) -> Option<&str> {
        self.0.error.as_deref()
    }

    /// Why somebody wanted it.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// What brought it about.
    async fn cause(&self) -> DeploymentCause {
        self.0.cause.into()
    }

    /// Who wanted it; nobody when it happened by itself.
    async fn created_by(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        if self.0.cause != values::Cause::User {
            return Ok(None);
        }
        Ok(loaders(ctx).users.one(self.0.created_by).await?.map(|row| User((*row).clone())))
    }

    /// When it was accepted.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }

    /// When it ended.
    async fn finished_at(&self) -> Option<DateTime<Utc>> {
        self.0.finished_at
    }
}

/// Whether an action on a deployment would be accepted now.
#[derive(SimpleObject)]
pub(in crate::graphql) struct AvailableAction {
    /// The action.
    action: DeploymentActionKind,
    /// Whether it would be accepted: the deployment's state, its files and the viewer's authority together.
    allowed: bool,
    /// Why not.
    reason: Option<String>,
}

/// What may be done to a deployment now, and why not.
pub(super) async fn available(ctx: &Context<'_>, row: &entities::deployment::Model) -> Result<Vec<AvailableAction>> {
    use state::Action;
    let held = mask(ctx, row.environment_id.into()).await?;
    let is_draft = row.state == values::DeploymentState::Draft;
    let incomplete = is_draft && loaders(ctx).complete_drafts.one(row.id).await?.is_none();
    let of = |action, asked, needed| {
        let refusal = match state::decide(row.state.into(), asked) {
            Err(refusal) => Some(refusal.message().to_owned()),
            Ok(_) if !held.contains(needed) => Some(lacks(needed)),
            Ok(_) if incomplete && asked == Action::Deploy => Some("files have not arrived yet".to_owned()),
            Ok(_) => None,
        };
        AvailableAction { action, allowed: refusal.is_none(), reason: refusal }
    };
    Ok(vec![
        of(DeploymentActionKind::Deploy, Action::Deploy, Capability::DeploymentCreate),
        of(DeploymentActionKind::Redeploy, Action::Redeploy, Capability::DeploymentRedeploy),
        of(DeploymentActionKind::Rollback, Action::Rollback, Capability::DeploymentRollback),
        of(DeploymentActionKind::Retire, Action::Retire, Capability::DeploymentRetire),
        of(DeploymentActionKind::Revive, Action::Revive, Capability::DeploymentRevive),
        of(DeploymentActionKind::Delete, Action::Delete, Capability::DeploymentDelete),
        of(DeploymentActionKind::Cancel, Action::Cancel, Capability::DeploymentCancel),
    ])
}

/// Something that happened to a deployment: it came to a state.
pub(in crate::graphql) struct DeploymentEvent(pub(super) deployment_event::Model);

/// Something that happened to a deployment: it came to a state.
#[Object]
impl DeploymentEvent {
    /// Global id.
    async fn id(&self) -> ID {
        ID(self.0.id.to_string())
    }

    /// The state that it came to.
    async fn state(&self) -> DeploymentState {
        self.0.state.into()
    }

    /// When.
    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }

    /// What brought it about.
    async fn cause(&self) -> DeploymentCause {
        self.0.cause.into()
    }

    /// Who wanted it; nobody when it happened by itself.
    async fn actor(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        let Some(actor) = self.0.actor_id else { return Ok(None) };
        Ok(loaders(ctx).users.one(actor).await?.map(|row| User((*row).clone())))
    }

    /// The reason that was given, or why it failed.
    async fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }
}

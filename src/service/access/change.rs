//! Changes of who holds what: several at once, all or none, and the same when they are only asked about. Each is applied in
//! the change's own transaction; what everybody held before and after tells what it does, and the rails tell whether it
//! may.

use std::collections::BTreeSet;

use entities::ids::{BindingId, RoleId, TeamId, TransferId, UserId};
use entities::{access_change, binding, environment, organization, role as role_row, team_member, user};

use super::invitation::Acceptance;
use super::lock::LockChange;
use super::person::PersonChange;
use super::rails::{self, Rail};
use super::standing::{Affected, Difference, Standing};
use super::team::TeamChange;
use super::{Grant, eligible, grant, role, transfer};
use crate::audit::Entry;
use crate::authz::{Scope, cap};
use crate::error::{Error, Result};
use crate::op::{Op, Target, name, scope_name};
use crate::store::{self, Write, facts, population};
use crate::sys::clock;

/// One change of who holds what.
#[derive(Debug, Clone)]
pub enum Change {
    /// Gives something to somebody.
    Grant(Grant),
    /// Takes a binding away.
    Revoke(BindingId),
    /// Activates a role that was approved beforehand.
    Activate(eligible::Activate),
    /// Ends an activation of the actor's own.
    EndActivation(BindingId),
    /// Makes a role.
    CreateRole(role::Create),
    /// Changes what a role gives, to everybody who has it.
    UpdateRole(role::Update),
    /// Removes a role that nobody has.
    DeleteRole(RoleId),
    /// Changes who is in a team.
    Team(TeamChange),
    /// Takes somebody out of somewhere.
    Person(PersonChange),
    /// Suspends or freezes something, or lifts that.
    Lock(LockChange),
    /// Takes an invitation.
    Accept(Acceptance),
    /// Takes over an organization that is offered.
    AcceptTransfer(TransferId),
}

/// What came of one change.
#[derive(Debug, Clone)]
pub enum Changed {
    /// The binding that was made.
    Bound(binding::Model),
    /// The binding that was taken away.
    Revoked(binding::Model),
    /// The role as it is now.
    Role(role_row::Model),
    /// The role that is gone.
    RoleGone(RoleId),
    /// The membership as it is now.
    Member(team_member::Model),
    /// Who is no longer in the team.
    MemberGone(UserId),
    /// The team that is gone.
    TeamGone(TeamId),
    /// Everything that was taken from somebody.
    Removed(Vec<binding::Model>),
    /// The service account that is gone.
    AccountGone(UserId),
    /// The user as they are now.
    User(user::Model),
    /// The organization as it is now.
    Organization(organization::Model),
    /// The environment as it is now.
    Environment(environment::Model),
}

/// What changes would do.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The policy epoch that this was asked at: give it back to do just this.
    pub epoch: i64,
    /// Who would gain and lose what.
    pub differences: Vec<Difference>,
    /// What forbids it.
    pub rails: Vec<Rail>,
}

impl Change {
    fn operation(&self) -> &'static str {
        match self {
            Self::Grant(_) => "access.grant",
            Self::Revoke(_) => "access.revoke",
            Self::Activate(_) => "access.activate",
            Self::EndActivation(_) => "access.end_activation",
            Self::CreateRole(_) => "access.create_role",
            Self::UpdateRole(_) => "access.update_role",
            Self::DeleteRole(_) => "access.delete_role",
            Self::Team(change) => change.operation(),
            Self::Person(change) => change.operation(),
            Self::Lock(change) => change.operation(),
            Self::Accept(_) => "invitation.accept",
            Self::AcceptTransfer(_) => "transfer.accept",
        }
    }

    /// What the actor needs a permit for before anything is looked at that tells whether it is there. Those without are the
    /// actor's own, and nobody else finds them.
    fn target(&self, op: &Op) -> Option<Target> {
        Some(match self {
            Self::Grant(input) => input.scope.into(),
            Self::Revoke(id) => (*id).into(),
            Self::CreateRole(input) => input.scope.into(),
            Self::UpdateRole(input) => input.id.into(),
            Self::DeleteRole(id) => (*id).into(),
            Self::Team(TeamChange::Add(member) | TeamChange::Change { member, .. }) => member.team.into(),
            // Leaving takes nothing.
            Self::Team(TeamChange::Remove { user, .. }) if op.user().is_ok_and(|actor| actor == *user) => return None,
            Self::Team(TeamChange::Remove { team, .. } | TeamChange::Delete(team)) => (*team).into(),
            Self::Person(PersonChange::Remove { scope, .. }) => (*scope).into(),
            Self::Person(PersonChange::EndServiceAccount(id)) => Target::ServiceAccount(*id),
            Self::Lock(change) => change.target(),
            Self::AcceptTransfer(id) => (*id).into(),
            Self::Activate(_) | Self::EndActivation(_) | Self::Accept(_) => return None,
        })
    }

    /// Makes sure that the actor may begin it. Only a refusal is told of: what allows it is told when it is applied.
    async fn allowed(&self, op: &Op, write: &mut Write) -> Result<()> {
        let Some(target) = self.target(op) else { return Ok(()) };
        let mut own = Entry::new(self.operation(), op.user().ok(), op.request_id().to_owned());
        own.subject = Some(match self {
            Self::Person(PersonChange::Remove { user, .. }) => user.to_string(),
            Self::Lock(change) => change.subject(),
            Self::Grant(_)
            | Self::Revoke(_)
            | Self::CreateRole(_)
            | Self::UpdateRole(_)
            | Self::DeleteRole(_)
            | Self::Team(_)
            | Self::Person(PersonChange::EndServiceAccount(_))
            | Self::AcceptTransfer(_)
            | Self::Activate(_)
            | Self::EndActivation(_)
            | Self::Accept(_) => name(target),
        });
        let entry = std::mem::replace(write.entry(), own);
        match self {
            Self::Team(TeamChange::Delete(_)) => op.permit_in::<cap::TeamDelete>(write, target).await.map(drop),
            Self::Team(_) => op.permit_in::<cap::TeamMemberManage>(write, target).await.map(drop),
            Self::Person(PersonChange::Remove { .. }) => {
                op.permit_in::<cap::MemberRemove>(write, target).await.map(drop)
            }
            Self::Person(PersonChange::EndServiceAccount(_)) => {
                op.permit_in::<cap::ServiceAccountManage>(write, target).await.map(drop)
            }
            Self::Lock(change) => change.permit(op, write, target).await,
            Self::AcceptTransfer(_) => op.permit_in::<cap::TeamOrganizationCreate>(write, target).await.map(drop),
            Self::Grant(_)
            | Self::Revoke(_)
            | Self::CreateRole(_)
            | Self::UpdateRole(_)
            | Self::DeleteRole(_)
            | Self::Activate(_)
            | Self::EndActivation(_)
            | Self::Accept(_) => op.permit_in::<cap::AccessManage>(write, target).await.map(drop),
        }?;
        *write.entry() = entry;
        Ok(())
    }

    /// Whom and where it may touch, read before it is applied.
    async fn affected(&self, op: &Op, write: &Write) -> Result<Affected> {
        match self {
            Self::Grant(input) => grant::affected_by_grant(write, input).await,
            Self::Revoke(id) => grant::affected_by_revoke(write, *id).await,
            Self::Activate(input) => eligible::affected(op, write, input.id).await,
            Self::EndActivation(id) => eligible::affected_by_end(op, write, *id).await,
            Self::UpdateRole(input) => role::affected(write, input.id).await,
            Self::CreateRole(_) | Self::DeleteRole(_) => Ok(Affected::default()),
            Self::Team(change) => change.affected(write).await,
            Self::Person(change) => change.affected(write).await,
            Self::Lock(change) => change.affected(write).await,
            Self::Accept(change) => change.affected(write).await,
            Self::AcceptTransfer(id) => transfer::affected(write, *id).await,
        }
    }

    async fn apply(self, op: &Op, write: &mut Write, rails: &mut Vec<Rail>) -> Result<Changed> {
        match self {
            Self::Grant(input) => grant::grant(op, write, rails, input).await.map(Changed::Bound),
            Self::Revoke(id) => grant::revoke(op, write, id).await.map(Changed::Revoked),
            Self::Activate(input) => eligible::activate(op, write, input).await.map(Changed::Bound),
            Self::EndActivation(id) => eligible::end(op, write, id).await.map(Changed::Revoked),
            Self::CreateRole(input) => role::create(op, write, rails, input).await.map(Changed::Role),
            Self::UpdateRole(input) => role::update(op, write, rails, input).await.map(Changed::Role),
            Self::DeleteRole(id) => role::delete(op, write, id).await.map(|()| Changed::RoleGone(id)),
            Self::Team(change) => change.apply(op, write, rails).await,
            Self::Person(change) => change.apply(op, write).await,
            Self::Lock(change) => change.apply(op, write).await,
            Self::Accept(change) => change.apply(op, write).await,
            Self::AcceptTransfer(id) => transfer::accept(op, write, id).await,
        }
    }
}

/// Makes the changes, all or none. With `expected_epoch` they are made only if nothing about authority has changed since.
///
/// # Errors
/// `Forbidden`, `NotFound` for what each change needs; `Forbidden` by the first capability that the actor gives and does not
/// hold; `FailedPrecondition` for what the changes would break; `Conflict` when the policy epoch has moved on.
pub async fn commit(op: &Op, changes: Vec<Change>, expected_epoch: Option<i64>) -> Result<Vec<Changed>> {
    let mut write = begin(op, &changes, expected_epoch).await?;
    let ran = match run(op, &mut write, changes).await {
        Ok(ran) => ran,
        Err(error @ (Error::Forbidden { .. } | Error::NotFound { .. })) => {
            write.refuse(op.store()).await?;
            return Err(error);
        }
        Err(error) => return Err(error),
    };
    settle(op, write, &ran.differences, &ran.rails).await?;
    Ok(ran.changed)
}

/// What the changes would do; nothing is kept of it. It needs what making them needs.
///
/// # Errors
/// As [`commit`], but what the changes would break is told and not an error.
pub async fn preview(op: &Op, changes: Vec<Change>) -> Result<Preview> {
    let mut write = begin(op, &changes, None).await?;
    let ran = run(op, &mut write, changes).await?;
    Ok(Preview { epoch: write.epoch(), differences: ran.differences, rails: ran.rails })
}

struct Ran {
    changed: Vec<Changed>,
    differences: Vec<Difference>,
    rails: Vec<Rail>,
}

async fn begin(op: &Op, changes: &[Change], expected_epoch: Option<i64>) -> Result<Write> {
    op.user()?;
    let Some(first) = changes.first() else {
        return Err(Error::invalid("changes", "empty", "name at least one change"));
    };
    let write = op.write_access(first.operation()).await?;
    match expected_epoch {
        Some(expected) if expected != write.epoch() => Err(Error::Conflict(format!(
            "who holds what has changed since epoch {expected}; it is {} now: look at the preview again",
            write.epoch()
        ))),
        _ => Ok(write),
    }
}

async fn run(op: &Op, write: &mut Write, changes: Vec<Change>) -> Result<Ran> {
    let mut affected = Affected::default();
    for change in &changes {
        change.allowed(op, write).await?;
        affected.add(change.affected(op, write).await?);
    }
    let watch = Watch::begin(write, affected).await?;
    let (mut changed, mut broken) = (Vec::new(), Vec::new());
    for (place, change) in changes.into_iter().enumerate() {
        if place > 0 {
            let entry = Entry::new(change.operation(), op.user().ok(), op.request_id().to_owned());
            write.next_entry(entry);
        }
        changed.push(change.apply(op, write, &mut broken).await?);
    }
    let (differences, rails) = watch.end(write).await?;
    broken.extend(rails);
    Ok(Ran { changed, differences, rails: broken })
}

/// What those whom a change touches hold before it, to be compared with what they hold after it.
pub(in crate::service) struct Watch {
    affected: Affected,
    before: Standing,
    guard: rails::Guard,
}

impl Watch {
    /// Watches everybody who may hold something on a scope.
    pub(in crate::service) async fn over(write: &Write, scope: Scope) -> Result<Self> {
        let packs = store::role::packs(write).await?;
        let users = population::candidates(write, &packs, scope).await?;
        Self::begin(write, Affected { users, scopes: BTreeSet::from([scope]) }).await
    }

    async fn begin(write: &Write, affected: Affected) -> Result<Self> {
        let packs = store::role::packs(write).await?;
        let before = Standing::read(write, &packs, &affected).await?;
        let guard = rails::Guard::read(write, &packs, &affected).await?;
        Ok(Self { affected, before, guard })
    }

    /// Who has gained and lost what, and what forbids it.
    pub(in crate::service) async fn end(self, write: &Write) -> Result<(Vec<Difference>, Vec<Rail>)> {
        let packs = store::role::packs(write).await?;
        let after = Standing::read(write, &packs, &self.affected).await?;
        let rails = self.guard.broken(write, &packs, &self.affected).await?;
        Ok((self.before.differences(&after, &self.affected), rails))
    }
}

/// Commits the change with what it gave and took, unless something forbids it.
pub(in crate::service) async fn settle(
    op: &Op,
    mut write: Write,
    differences: &[Difference],
    rails: &[Rail],
) -> Result<()> {
    if let Some(error) = rails::refusal(rails) {
        write.entry().details = rails::told(rails);
        write.refuse(op.store()).await?;
        return Err(error);
    }
    if !differences.is_empty() {
        publish(&mut write, differences).await?;
    }
    write.commit().await
}

/// Keeps what the change gave and took, for those who watch.
async fn publish(write: &mut Write, differences: &[Difference]) -> Result<()> {
    let told = differences.iter().map(|difference| {
        serde_json::json!({
            "user": difference.user.to_string(),
            "scopeKind": difference.scope.level().name(),
            "scope": scope_name(difference.scope),
            "gained": difference.gained,
            "lost": difference.lost,
        })
    });
    let entry = write.entry();
    let row = access_change::Model {
        epoch: 0,
        at: clock::now(),
        actor_id: entry.actor,
        operation: entry.operation.to_owned(),
        reason: entry.details.get("reason").and_then(|reason| reason.as_str()).map(str::to_owned),
        differences: told.collect(),
    };
    store::access_change::append(write, row).await
}

/// Tells the entry where a change happens that takes no permit there.
pub(super) async fn place(write: &mut Write, scope: Scope) -> Result<()> {
    let known = facts::of_scopes(write, &[scope]).await?;
    write.concerns(scope, &known);
    Ok(())
}

//! Making and removing teams, and who is in them.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use entities::ids::TeamId;

use super::access::{make, mixed_up};
use crate::domain::name::DisplayName;
use crate::error::Result;
use crate::graphql::context::{app, op};
use crate::graphql::directive::requires;
use crate::graphql::input;
use crate::graphql::types::Team;
use crate::graphql::types::team::{TeamMember, TeamRole};
use crate::op::Op;
use crate::service::access::team::{TeamChange, member};
use crate::service::access::{Change, Changed};
use crate::service::{App, resolve, team};

/// A new team.
#[derive(InputObject)]
struct CreateTeamInput {
    /// Display name.
    name: String,
}

/// The new team.
#[derive(SimpleObject)]
struct CreateTeamPayload {
    /// It.
    team: Team,
}

/// A new name for a team.
#[derive(InputObject)]
struct UpdateTeamInput {
    /// Which.
    id: ID,
    /// Display name.
    name: String,
    /// The version that the client has seen.
    expected_version: i32,
}

/// The changed team.
#[derive(SimpleObject)]
struct UpdateTeamPayload {
    /// It.
    team: Team,
}

/// A team to remove.
#[derive(InputObject)]
struct DeleteTeamInput {
    /// Which.
    id: ID,
}

/// What was removed.
#[derive(SimpleObject)]
struct DeleteTeamPayload {
    /// Its id.
    deleted_id: ID,
}

/// Somebody and what they are in a team.
#[derive(InputObject, Clone)]
pub(in crate::graphql) struct TeamMemberInput {
    /// The team.
    team_id: ID,
    /// E-mail address or id of a user.
    user: String,
    /// What they are in it.
    role: TeamRole,
}

/// Somebody who is put out of a team, or leaves it.
#[derive(InputObject, Clone)]
pub(in crate::graphql) struct RemoveTeamMemberInput {
    /// The team.
    team_id: ID,
    /// E-mail address or id of a user.
    user: String,
}

impl TeamMemberInput {
    async fn member(self, app: &App, op: &Op) -> Result<crate::store::team_member::Member> {
        let team = input::id::<TeamId>("teamId", &self.team_id)?;
        let user = resolve::member(op, team, &self.user).await?;
        Ok(member(&app.config.policy, team, user, self.role.into()))
    }

    /// Lets them in.
    pub(super) async fn add(self, app: &App, op: &Op) -> Result<Change> {
        Ok(Change::Team(TeamChange::Add(self.member(app, op).await?)))
    }

    /// Makes them what is said.
    pub(super) async fn change(self, app: &App, op: &Op) -> Result<Change> {
        let member = self.member(app, op).await?;
        Ok(Change::Team(TeamChange::change(&app.config.policy, member)))
    }
}

impl RemoveTeamMemberInput {
    pub(super) async fn change(self, op: &Op) -> Result<Change> {
        let team = input::id::<TeamId>("teamId", &self.team_id)?;
        let user = resolve::member(op, team, &self.user).await?;
        Ok(Change::Team(TeamChange::Remove { team, user }))
    }
}

/// The member.
#[derive(SimpleObject)]
struct AddTeamMemberPayload {
    /// Them.
    member: TeamMember,
}

/// The member.
#[derive(SimpleObject)]
struct ChangeTeamMemberPayload {
    /// Them.
    member: TeamMember,
}

/// Who is gone.
#[derive(SimpleObject)]
struct RemoveTeamMemberPayload {
    /// Their id.
    removed_id: ID,
}

#[derive(Default)]
pub(super) struct TeamMutation;

#[Object]
impl TeamMutation {
    /// Makes a team; whoever makes it owns it.
    async fn create_team(&self, ctx: &Context<'_>, input: CreateTeamInput) -> Result<CreateTeamPayload> {
        let name = DisplayName::parse(&input.name).map_err(|problem| problem.within("name"))?;
        Ok(CreateTeamPayload { team: Team(team::create(app(ctx), op(ctx), name).await?) })
    }

    /// Renames a team. Requires `team.update`.
    #[graphql(directive = requires::apply("team.update".into(), "id".into()))]
    async fn update_team(&self, ctx: &Context<'_>, input: UpdateTeamInput) -> Result<UpdateTeamPayload> {
        let id = input::id::<TeamId>("id", &input.id)?;
        let name = DisplayName::parse(&input.name).map_err(|problem| problem.within("name"))?;
        Ok(UpdateTeamPayload { team: Team(team::update(op(ctx), id, name, input.expected_version).await?) })
    }

    /// Removes a team with everything that is bound to it or counts on its behalf; never a personal one, and never one that
    /// manages an organization. Requires `team.delete`.
    #[graphql(directive = requires::apply("team.delete".into(), "id".into()))]
    async fn delete_team(&self, ctx: &Context<'_>, input: DeleteTeamInput) -> Result<DeleteTeamPayload> {
        let id = input::id::<TeamId>("id", &input.id)?;
        make(op(ctx), Change::Team(TeamChange::Delete(id))).await?;
        Ok(DeleteTeamPayload { deleted_id: input.id })
    }

    /// Lets somebody into a team. They get everything that is bound to it, so whoever lets them in has to hold all of that.
    /// Requires `team.member.manage`.
    #[graphql(directive = requires::apply("team.member.manage".into(), "teamId".into()))]
    async fn add_team_member(&self, ctx: &Context<'_>, input: TeamMemberInput) -> Result<AddTeamMemberPayload> {
        match make(op(ctx), input.add(app(ctx), op(ctx)).await?).await? {
            Changed::Member(row) => Ok(AddTeamMemberPayload { member: TeamMember(row) }),
            other => mixed_up(other),
        }
    }

    /// Makes a member an owner, or the other way round; a team always has an owner. Requires `team.member.manage`.
    #[graphql(directive = requires::apply("team.member.manage".into(), "teamId".into()))]
    async fn change_team_member(&self, ctx: &Context<'_>, input: TeamMemberInput) -> Result<ChangeTeamMemberPayload> {
        match make(op(ctx), input.change(app(ctx), op(ctx)).await?).await? {
            Changed::Member(row) => Ok(ChangeTeamMemberPayload { member: TeamMember(row) }),
            other => mixed_up(other),
        }
    }

    /// Puts somebody out of a team, with everything that they hold at it. Everybody may leave. Requires `team.member.manage`.
    #[graphql(directive = requires::apply("team.member.manage".into(), "teamId".into()))]
    async fn remove_team_member(
        &self,
        ctx: &Context<'_>,
        input: RemoveTeamMemberInput,
    ) -> Result<RemoveTeamMemberPayload> {
        match make(op(ctx), input.change(op(ctx)).await?).await? {
            Changed::MemberGone(user) => Ok(RemoveTeamMemberPayload { removed_id: ID(user.to_string()) }),
            other => mixed_up(other),
        }
    }
}

//! From what people write to what is meant: ids, paths, e-mail addresses. Finding is not seeing: whether the actor may view
//! what was found is decided by the permit that follows, and both refusals read the same.

use entities::ids::{DeploymentId, EnvironmentId, OrganizationId, ProjectId, TeamId, UserId};

use super::access::Subject;
use crate::authz::{Held, Scope, cap};
use crate::domain::email::EmailAddress;
use crate::domain::quote;
use crate::error::{Error, Result};
use crate::op::Op;
use crate::store::{self, facts};

/// How an object was named.
pub enum By<'a> {
    /// By its id.
    Id(&'a str),
    /// By its path.
    Path(&'a str),
}

/// Exactly one of id and path.
///
/// # Errors
/// `InvalidInput` for none and for both.
pub fn one_of<'a>(id: Option<&'a str>, path: Option<&'a str>) -> Result<By<'a>> {
    match (id, path) {
        (Some(id), None) => Ok(By::Id(id)),
        (None, Some(path)) => Ok(By::Path(path)),
        (None, None) | (Some(_), Some(_)) => {
            Err(Error::invalid("id", "exactly_one", "give `id` or `path`, one of them"))
        }
    }
}

/// The scope that a path of `depth` names leads to; a path that leads nowhere leads to a scope that is not there.
///
/// # Errors
/// `InvalidInput` when it has not `depth` names.
pub async fn path(op: &Op, path: &str, depth: usize) -> Result<Scope> {
    op.user()?;
    let slugs: Vec<&str> = path.split('/').collect();
    let what = ["console", "organization", "project", "environment"].get(depth).copied().unwrap_or("object");
    if slugs.len() != depth {
        let text = format!("the path of an {what} has {depth} names with `/` between them, {} has not", quote(path));
        return Err(Error::invalid("path", "not_a_path", text));
    }
    Ok(facts::of_path(op.store(), &slugs).await?.unwrap_or_else(|| nowhere(&slugs)))
}

/// A scope that is not there, in place of where a path would lead; always the same for the same path. What is decided about
/// it takes the same way, and the same time, as for what may not be viewed.
fn nowhere(slugs: &[&str]) -> Scope {
    let mut key = [0; 16];
    blake3::Hasher::new().update(slugs.join("/").as_bytes()).finalize_xof().fill(&mut key);
    let key = u128::from_be_bytes(key);
    match slugs.len() {
        1 => Scope::Organization(key),
        2 => Scope::Project(key),
        _ => Scope::Environment(key),
    }
}

/// The scope that an id, a path or `console` means; a deployment means its environment. Whether it is there is not said.
///
/// # Errors
/// `InvalidInput` when it is neither; `NotFound` when there is no such deployment.
pub async fn scope(op: &Op, text: &str) -> Result<Scope> {
    op.user()?;
    if text == "console" {
        return Ok(Scope::Console);
    }
    if let Ok(id) = text.parse::<OrganizationId>() {
        return Ok(id.into());
    }
    if let Ok(id) = text.parse::<ProjectId>() {
        return Ok(id.into());
    }
    if let Ok(id) = text.parse::<EnvironmentId>() {
        return Ok(id.into());
    }
    if let Ok(id) = text.parse::<TeamId>() {
        return Ok(id.into());
    }
    if let Ok(id) = text.parse::<DeploymentId>() {
        let permit = op.permit::<cap::DeploymentView>(id).await?;
        return Ok(permit.scope());
    }
    let slugs: Vec<&str> = text.split('/').collect();
    if slugs.len() > 3 {
        let message = format!("{} is no id and no path such as `acme/site/production`", quote(text));
        return Err(Error::invalid("scope", "not_a_scope", message));
    }
    Ok(facts::of_path(op.store(), &slugs).await?.unwrap_or_else(|| nowhere(&slugs)))
}

/// The user that an e-mail address or id means, for the actor themselves, or for somebody who may see the people of `scope`:
/// the right to ask comes before the answer, so that a stranger cannot tell who has an account.
///
/// # Errors
/// `Forbidden`, `NotFound` by `member.view`; `NotFound` when there is no such user.
pub async fn user(op: &Op, scope: Scope, text: &str) -> Result<UserId> {
    let me = op.user()?;
    let found = find_user(op, text).await?;
    if found == Some(me) {
        return Ok(me);
    }
    op.permit::<cap::MemberView>(scope).await?;
    found.ok_or_else(|| Error::not_found("user"))
}

/// Who a grant is for: an e-mail address, a user's id or a team's id.
///
/// # Errors
/// `Forbidden`, `NotFound` by `access.manage`, kept as a refused grant; `NotFound` when there is no such user. A team is
/// looked at by whoever grants.
pub async fn subject(op: &Op, scope: Scope, text: &str) -> Result<Subject> {
    if let Ok(id) = text.parse::<TeamId>() {
        return Ok(Subject::Team(id));
    }
    op.permit_to_begin::<cap::AccessManage>("access.grant", scope).await?;
    let found = find_user(op, text).await?;
    found.map(Subject::User).ok_or_else(|| Error::not_found("user"))
}

/// The user that an e-mail address or id means, for somebody who holds `C` on the scope.
///
/// # Errors
/// `Forbidden`, `NotFound` by `C`; `NotFound` when there is no such user.
pub async fn user_for<C: Held>(op: &Op, scope: Scope, text: &str) -> Result<UserId> {
    op.permit::<C>(scope).await?;
    find_user(op, text).await?.ok_or_else(|| Error::not_found("user"))
}

/// Who is, or is to be, in a team: an e-mail address or a user's id, for the actor themselves or for somebody who manages
/// its members.
///
/// # Errors
/// `Forbidden`, `NotFound` by `team.member.manage`; `NotFound` when there is no such user.
pub async fn member(op: &Op, team: TeamId, text: &str) -> Result<UserId> {
    let me = op.user()?;
    let found = find_user(op, text).await?;
    if found == Some(me) {
        return Ok(me);
    }
    op.permit::<cap::TeamMemberManage>(team).await?;
    found.ok_or_else(|| Error::not_found("user"))
}

async fn find_user(op: &Op, text: &str) -> Result<Option<UserId>> {
    if let Ok(id) = text.parse::<UserId>() {
        return Ok(Some(id));
    }
    match EmailAddress::parse(text) {
        Ok(email) => Ok(store::user::find_by_email(op.store(), &email).await?.map(|user| user.id)),
        Err(problem) => Err(problem.within("subject").into()),
    }
}

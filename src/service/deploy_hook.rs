//! Deploy hooks: addresses that deploy from the repository when they are called. Whoever makes or rotates one may deploy there
//! themselves, and has to be allowed to still when it is called: it is done in their name.

use entities::deploy_hook::Model;
use entities::ids::{DeployHookId, EnvironmentId, GitRequestId};
use entities::values::GitOrigin;

use super::{App, git};
use crate::audit::Entry;
use crate::authn::opaque::HookSecret;
use crate::authz::cap;
use crate::domain::git::GitRef;
use crate::domain::name::DisplayName;
use crate::error::{Error, Result};
use crate::op::Op;
use crate::store::{self, Write, facts};
use crate::sys::{clock, ids};

/// A new hook.
pub struct Create {
    /// Where it deploys.
    pub environment_id: EnvironmentId,
    /// What people call it.
    pub name: DisplayName,
    /// The branch that it deploys.
    pub branch: String,
}

/// A hook and its secret, which is shown once.
pub struct Made {
    /// The hook.
    pub row: Model,
    /// The last part of its address.
    pub secret: String,
}

/// Makes a hook.
///
/// # Errors
/// `FailedPrecondition` when the project has no repository; `Forbidden`, `NotFound` by `deploy_hook.create` and
/// `deployment.create`.
pub async fn create(op: &Op, input: Create) -> Result<Made> {
    let id = input.environment_id;
    let (write, permit) = op.change::<cap::DeployHookCreate>("deploy_hook.create", id).await?;
    let mut write = may_deploy(op, write, id).await?;
    let connection = store::git::of_environment(&write, &permit).await?.ok_or_else(git::unconnected)?;
    let secret = HookSecret::generate();
    let row = Model {
        id: ids::new::<DeployHookId>(),
        environment_id: id,
        connection_id: connection.id,
        name: input.name.as_str().to_owned(),
        branch: input.branch,
        hash: secret.hash(),
        acts_as: op.user()?,
        created_at: clock::now(),
        last_used_at: None,
    };
    let row = store::deploy_hook::create(&mut write, &permit, row).await?;
    tell(&mut write, &row);
    write.commit().await?;
    Ok(Made { row, secret: secret.reveal().to_owned() })
}

/// Gives a hook another address; the one before is good for nothing from now on.
///
/// # Errors
/// `Forbidden`, `NotFound` by `deploy_hook.update` and `deployment.create`.
pub async fn rotate(op: &Op, id: DeployHookId) -> Result<Made> {
    let (write, permit) = op.change::<cap::DeployHookUpdate>("deploy_hook.rotate", id).await?;
    let mut write = may_deploy(op, write, EnvironmentId(permit.key())).await?;
    let secret = HookSecret::generate();
    let row = store::deploy_hook::rotate(&mut write, &permit, id, secret.hash(), op.user()?).await?;
    tell(&mut write, &row);
    write.commit().await?;
    Ok(Made { row, secret: secret.reveal().to_owned() })
}

/// Removes a hook.
///
/// # Errors
/// `Forbidden`, `NotFound` by `deploy_hook.delete`.
pub async fn delete(op: &Op, id: DeployHookId) -> Result<()> {
    let (mut write, permit) = op.change::<cap::DeployHookDelete>("deploy_hook.delete", id).await?;
    let row = store::deploy_hook::delete(&mut write, &permit, id).await?;
    tell(&mut write, &row);
    write.commit().await
}

/// Nobody arranges what they may not do themselves.
async fn may_deploy(op: &Op, mut write: Write, id: EnvironmentId) -> Result<Write> {
    match op.permit_in::<cap::DeploymentCreate>(&mut write, id).await {
        Ok(_) => Ok(write),
        Err(error) => {
            write.refuse(op.store()).await?;
            Err(error)
        }
    }
}

fn tell(write: &mut Write, row: &Model) {
    write.entry().subject = Some(row.id.to_string());
    write.entry().details = serde_json::json!({ "name": row.name, "branch": row.branch });
}

/// Asks for a deployment of the hook's branch, or of one commit, for whoever has its secret.
///
/// # Errors
/// `NotFound` for a secret that is none; `FailedPrecondition` when the environment is pinned or frozen, or too many wait
/// there; `RateLimited`.
pub async fn call(
    app: &App,
    client: &str,
    secret: &str,
    commit: Option<&str>,
    request_id: String,
) -> Result<GitRequestId> {
    let absent = || Error::not_found("deploy hook");
    app.limits.hook(client)?;
    let secret = HookSecret::parse(secret).ok_or_else(absent)?;
    let hook = store::deploy_hook::called(&app.store, &secret.hash()).await?;
    let hook = hook.filter(|hook| secret.matches(&hook.hash)).ok_or_else(absent)?;
    app.limits.hook(&hook.id.to_string())?;
    let wanted = match commit {
        Some(id) => GitRef::commit(id).map_err(|problem| problem.within("commit"))?,
        None => GitRef::Branch(hook.branch.clone()),
    };
    let mut write = app.store.write(Entry::new("deploy_hook.call", None, request_id)).await?;
    let scope = hook.environment_id.into();
    let known = facts::of_scopes(&write, &[scope]).await?;
    write.concerns(scope, &known);
    // It may have been rotated since it was found.
    if !store::deploy_hook::note_use(&mut write, hook.id, &hook.hash, clock::now()).await? {
        return Err(absent());
    }
    if let Some((reason, message)) = store::git_request::obstacle(&write, hook.environment_id).await? {
        return Err(Error::FailedPrecondition { reason, message: message.to_owned() });
    }
    let request = git::new_request(hook.environment_id, hook.connection_id, &wanted, GitOrigin::Hook, hook.acts_as);
    let id = request.id;
    store::git_request::arrange(&mut write, request).await?;
    tell(&mut write, &hook);
    write.commit().await?;
    app.fetch_wanted.notify_one();
    Ok(id)
}

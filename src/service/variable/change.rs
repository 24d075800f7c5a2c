//! Setting and unsetting variables, several at once, all or none. Public ones take `variable.manage`, secret ones
//! `secret.manage`; making one the other takes both.

use std::collections::HashMap;

use entities::ids::{EnvironmentId, ProjectId, VariableId};
use entities::values::CountsFor;
use entities::variable::Model;

use super::super::{App, vault};
use super::{Shown, shown};
use crate::authn::master_key::{MasterKey, OVERHEAD};
use crate::authz::{Held, Kinds, Permit, Scope, cap};
use crate::domain::variable::{LARGEST, MOST, VariableName, VariableValue};
use crate::error::{Error, Result};
use crate::op::{Op, Target, name, scope_name};
use crate::store::variable::{Manager, kinds, word};
use crate::store::{self, Write};
use crate::sys::{clock, ids};

/// A variable to set.
pub struct Set {
    /// Its name.
    pub name: VariableName,
    /// Its value.
    pub value: VariableValue,
    /// Whether it is a secret.
    pub secret: bool,
    /// For which environments it counts; any, on an environment.
    pub counts_for: CountsFor,
    /// The version that was seen; 0 when it has to be new.
    pub expected_version: Option<i32>,
}

/// A variable to unset.
pub struct Unset {
    /// Its name.
    pub name: VariableName,
    /// For which environments it counts; any, on an environment.
    pub counts_for: CountsFor,
    /// The version that was seen.
    pub expected_version: Option<i32>,
}

type Named = (String, CountsFor);

/// Sets variables of a project or an environment, all or none.
///
/// # Errors
/// `InvalidInput` for too many or too large ones; `Conflict` when one is at another version than expected; `Forbidden`,
/// `NotFound` by `variable.manage` for public ones and by `secret.manage` for secret ones.
pub async fn set(app: &App, op: &Op, scope: Scope, entries: Vec<Set>) -> Result<Vec<Shown>> {
    let user = op.user()?;
    let named = entries.iter().map(|entry| (entry.name.as_str().to_owned(), entry.counts_for)).collect::<Vec<_>>();
    let target = target(scope, &named)?;
    let public = entries.iter().any(|entry| !entry.secret);
    let (mut write, mut manager) = begin(op, "variable.set", target, public).await?;
    if public && entries.iter().any(|entry| entry.secret) {
        (write, manager.secret) = also(op, write, target).await?;
    }
    let mut there = there(&write, &manager).await?;
    // One of the other sort in the place of one that is there removes that.
    for row in named.iter().filter_map(|key| there.get(key)) {
        (write, manager) = completed(op, write, target, manager, row.secret).await?;
    }
    let project = project_of(&write, &manager, scope).await?;
    let mut told = Vec::new();
    let mut set = Vec::new();
    for (key, entry) in named.into_iter().zip(entries) {
        let before = there.remove(&key);
        expect(&key.0, before.as_ref(), entry.expected_version)?;
        let row = Model {
            id: before.as_ref().map_or_else(ids::new::<VariableId>, |before| before.id),
            project_id: project,
            environment_id: if let Scope::Environment(key) = scope { Some(EnvironmentId::from(key)) } else { None },
            scope_id: scope.uuid(),
            name: entry.name.as_str().to_owned(),
            counts_for: entry.counts_for,
            secret: entry.secret,
            sealed: Vec::new(),
            updated_by: user,
            updated_at: clock::now(),
            version: before.as_ref().map_or(1, |before| before.version + 1),
        };
        let row = sealed(&app.master, row, &entry.value)?;
        match &before {
            Some(before) => store::variable::replace(&mut write, &manager, before, row.clone()).await?,
            None => store::variable::add(&mut write, &manager, row.clone()).await?,
        }
        told.push(tell(&row));
        set.push(row);
    }
    check_size(there.values().chain(&set))?;
    write.entry().details = serde_json::json!({ "set": told });
    write.commit().await?;
    set.into_iter().map(|row| shown(&app.master, row)).collect()
}

/// Unsets variables of a project or an environment, all or none.
///
/// # Errors
/// `NotFound` when there is none with one of the names; `Conflict` when one is at another version than expected; `Forbidden`,
/// `NotFound` by `variable.manage` for public ones and by `secret.manage` for secret ones.
pub async fn unset(op: &Op, scope: Scope, entries: Vec<Unset>) -> Result<Vec<Model>> {
    let named = entries.iter().map(|entry| (entry.name.as_str().to_owned(), entry.counts_for)).collect::<Vec<_>>();
    let target = target(scope, &named)?;
    // Who manages neither sort is told so before anything is looked for.
    let (mut write, mut manager) = begin_either(op, "variable.unset", target).await?;
    let mut there = there(&write, &manager).await?;
    for row in named.iter().filter_map(|key| there.get(key)) {
        (write, manager) = completed(op, write, target, manager, row.secret).await?;
    }
    let mut gone = Vec::new();
    for (key, entry) in named.into_iter().zip(entries) {
        let row = there.remove(&key).ok_or_else(|| Error::not_found(format!("variable `{}` here", key.0)))?;
        expect(&key.0, Some(&row), entry.expected_version)?;
        store::variable::remove(&mut write, &manager, &row).await?;
        gone.push(row);
    }
    write.entry().details = serde_json::json!({ "unset": gone.iter().map(tell).collect::<Vec<_>>() });
    write.commit().await?;
    Ok(gone)
}

/// What is judged: the scope, under every kind of environment that one of the variables counts for.
fn target(scope: Scope, named: &[Named]) -> Result<Target> {
    match scope {
        Scope::Project(_) => {}
        Scope::Environment(_) if named.iter().all(|(_, counts_for)| *counts_for == CountsFor::Any) => {}
        Scope::Environment(_) => {
            let text = "a variable of an environment counts there; leave `environments` out";
            return Err(Error::invalid("environments", "not_here", text));
        }
        Scope::Console | Scope::Team(_) | Scope::Organization(_) => {
            let text = "variables belong to a project or an environment";
            return Err(Error::invalid("scope", "not_a_scope", text));
        }
    }
    let all = named.iter().map(|(_, counts_for)| kinds(*counts_for)).reduce(Kinds::and);
    let all = all.ok_or_else(|| Error::invalid("variables", "empty", "name at least one variable"))?;
    let mut seen = std::collections::HashSet::new();
    match named.iter().find(|key| !seen.insert(*key)) {
        Some((name, _)) => {
            Err(Error::invalid("variables", "duplicate", format!("`{name}` stands there twice; leave one out")))
        }
        None => Ok(Target::Variables(scope, all)),
    }
}

async fn begin(op: &Op, operation: &'static str, target: Target, public: bool) -> Result<(Write, Manager)> {
    if public {
        let (write, permit) = op.change::<cap::VariableManage>(operation, target).await?;
        return Ok((write, Manager { public: Some(permit), secret: None }));
    }
    let (write, permit) = op.change::<cap::SecretManage>(operation, target).await?;
    Ok((write, Manager { public: None, secret: Some(permit) }))
}

/// With whichever of the two capabilities is held; told as lacking is the one for public variables.
async fn begin_either(op: &Op, operation: &'static str, target: Target) -> Result<(Write, Manager)> {
    op.user()?;
    let mut write = op.write(operation).await?;
    write.entry().subject = Some(name(target));
    let secret = op.permit_in::<cap::SecretManage>(&mut write, target).await.ok();
    match op.permit_in::<cap::VariableManage>(&mut write, target).await {
        Ok(permit) => Ok((write, Manager { public: Some(permit), secret })),
        Err(_) if secret.is_some() => Ok((write, Manager { public: None, secret })),
        Err(error) => Err(kept(op, write, error).await),
    }
}

/// The permit for what turned out to be needed beside the first; a refusal is kept.
async fn also<C: Held>(op: &Op, mut write: Write, target: Target) -> Result<(Write, Option<Permit<C>>)> {
    match op.permit_in::<C>(&mut write, target).await {
        Ok(permit) => Ok((write, Some(permit))),
        Err(error) => Err(kept(op, write, error).await),
    }
}

/// Keeps the attempt as a refused one, if it is one.
async fn kept(op: &Op, write: Write, error: Error) -> Error {
    if !matches!(error, Error::Forbidden { .. } | Error::NotFound { .. }) {
        return error;
    }
    write.refuse(op.store()).await.err().unwrap_or(error)
}

async fn completed(op: &Op, write: Write, target: Target, manager: Manager, secret: bool) -> Result<(Write, Manager)> {
    if manager.manages(secret) {
        return Ok((write, manager));
    }
    if secret {
        let (write, secret) = also(op, write, target).await?;
        return Ok((write, Manager { secret, ..manager }));
    }
    let (write, public) = also(op, write, target).await?;
    Ok((write, Manager { public, ..manager }))
}

/// What is set on the scope already; of a project, what counts for no other kinds than those that are changed.
async fn there(write: &Write, manager: &Manager) -> Result<HashMap<Named, Model>> {
    let rows = match manager {
        Manager { public: Some(permit), .. } => store::variable::of_scope(write, permit).await?,
        Manager { secret: Some(permit), .. } => store::variable::of_scope(write, permit).await?,
        Manager { public: None, secret: None } => Vec::new(),
    };
    Ok(rows.into_iter().map(|row| ((row.name.clone(), row.counts_for), row)).collect())
}

async fn project_of(write: &Write, manager: &Manager, scope: Scope) -> Result<ProjectId> {
    match (scope, manager) {
        (Scope::Environment(_), Manager { public: Some(permit), .. }) => {
            Ok(store::environment::current(write, permit).await?.project_id)
        }
        (Scope::Environment(_), Manager { secret: Some(permit), .. }) => {
            Ok(store::environment::current(write, permit).await?.project_id)
        }
        _ => Ok(ProjectId(scope.uuid())),
    }
}

fn expect(name: &str, before: Option<&Model>, expected: Option<i32>) -> Result<()> {
    let version = before.map_or(0, |row| row.version);
    match expected {
        Some(expected) if expected != version => Err(Error::Conflict(format!(
            "somebody changed `{name}` in the meantime; it is at version {version} now: read the variables again"
        ))),
        Some(_) | None => Ok(()),
    }
}

fn sealed(master: &MasterKey, row: Model, value: &VariableValue) -> Result<Model> {
    let sealed = master.seal(value.as_str().as_bytes(), &vault::of_variable(&row)).map_err(vault::closed)?;
    Ok(Model { sealed, ..row })
}

fn check_size<'a>(rows: impl Iterator<Item = &'a Model>) -> Result<()> {
    let (mut count, mut bytes) = (0, 0);
    for row in rows {
        count += 1;
        bytes += row.name.len() + row.sealed.len().saturating_sub(OVERHEAD);
    }
    if count > MOST {
        let text = format!("a project or an environment has at most {MOST} variables");
        return Err(Error::invalid("variables", "too_many", text));
    }
    if bytes > LARGEST {
        let text = format!("the variables of a project or an environment are at most {LARGEST} bytes long together");
        return Err(Error::invalid("variables", "too_large", text));
    }
    Ok(())
}

/// What the audit log keeps of a variable: never its value.
fn tell(row: &Model) -> serde_json::Value {
    let on = scope_name(store::variable::scope(row));
    serde_json::json!({ "id": row.id.to_string(), "name": row.name, "secret": row.secret, "on": on,
        "environments": word(row.counts_for) })
}

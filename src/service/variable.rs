//! Variables of projects and environments. Those of an environment stand before those of its project, and of these the ones for
//! its kind before the ones for any. What sits on a project is held there under every kind of environment that it counts for:
//! whoever holds a capability outside production neither sees nor changes what counts in production too.

use std::collections::BTreeMap;

use entities::ids::{DeploymentId, EnvironmentId, VariableId};
use entities::values::CountsFor;
use entities::variable::Model;
use serde::{Deserialize, Serialize};

use super::{App, vault};
use crate::authn::master_key::MasterKey;
use crate::authz::{Held, Permit, Scope, cap};
use crate::domain::difference::{Difference, Differing, between};
use crate::domain::variable::{Place, counting};
use crate::error::{Error, Result};
use crate::op::Op;
use crate::store::{self, Source, Store, Write};

mod change;

pub use change::{Set, Unset, set, unset};

/// A variable as it is shown: a secret one without its value.
#[derive(Clone)]
pub struct Shown {
    /// The variable.
    pub row: Model,
    /// Its value, unless it is a secret.
    pub value: Option<String>,
}

/// A variable that differs between two deployments, or would in one from now on.
#[derive(Debug)]
pub struct VariableDifference {
    /// Name of the variable.
    pub name: String,
    /// How it differs.
    pub difference: Difference,
    /// Whether it is, or was, a secret.
    pub secret: bool,
}

/// A variable as a deployment is started with it.
#[derive(Serialize, Deserialize)]
struct Kept {
    name: String,
    value: String,
    secret: bool,
}

/// The variables that count on an environment, by name: its own, and those of its project that it does not override.
///
/// # Errors
/// `Forbidden`, `NotFound` by `variable.view`; `FailedPrecondition` when a value does not open.
pub async fn on_environment(app: &App, op: &Op, id: EnvironmentId) -> Result<Vec<Shown>> {
    let permit = op.permit::<cap::VariableView>(id).await?;
    let rows = resolved(op.store(), &permit).await?;
    rows.into_values().map(|row| shown(&app.master, row)).collect()
}

/// The variables that are set on a project, and count under the kinds of environment under which the viewer holds
/// `variable.view` there.
///
/// # Errors
/// `Forbidden`, `NotFound` by `variable.view`; `FailedPrecondition` when a value does not open.
pub async fn of_project(app: &App, op: &Op, project: impl Into<Scope>) -> Result<Vec<Shown>> {
    let permit = op.permit_by_kind::<cap::VariableView>(project.into()).await?;
    let rows = store::variable::of_scope(op.store(), &permit).await?;
    rows.into_iter().map(|row| shown(&app.master, row)).collect()
}

/// The value of a variable. That it was asked for is kept before it is told.
///
/// # Errors
/// `Forbidden` by `secret.view`, `NotFound` by `variable.view`; `FailedPrecondition` when the value does not open.
pub async fn reveal(app: &App, op: &Op, id: VariableId) -> Result<(Model, String)> {
    let (mut write, permit) = op.change::<cap::SecretView>("secret.reveal", id).await?;
    let row = store::variable::get(&write, &permit, id).await?;
    let value = open(&app.master, &row)?;
    write.entry().details = serde_json::json!({ "name": row.name });
    write.commit().await?;
    Ok((row, value))
}

/// What a deployment from now on would find changed, against what the active one was started with; by name.
///
/// # Errors
/// `Forbidden`, `NotFound` by `variable.view`; `FailedPrecondition` when a value does not open.
pub async fn pending(app: &App, op: &Op, id: EnvironmentId) -> Result<Vec<VariableDifference>> {
    let permit = op.permit::<cap::VariableView>(id).await?;
    let now = today(&app.master, op.store(), &permit).await?;
    let active = store::variable::of_active(op.store(), &permit).await?;
    let before = match active {
        Some((deployment, Some(sealed))) => opened(&app.master, deployment, &sealed)?,
        Some((_, None)) | None => Vec::new(),
    };
    Ok(differences(before, now))
}

/// What differs between the variables of two deployments, by name.
///
/// # Errors
/// `Forbidden`, `NotFound` by `variable.view` on either; `FailedPrecondition` when a value does not open.
pub async fn between_deployments(
    app: &App,
    op: &Op,
    before: DeploymentId,
    after: DeploymentId,
) -> Result<Vec<VariableDifference>> {
    let kept = async |id: DeploymentId| {
        let permit = op.permit::<cap::VariableView>(id).await?;
        match store::variable::kept_for(op.store(), &permit, id).await? {
            Some(sealed) => opened(&app.master, id, &sealed),
            None => Ok(Vec::new()),
        }
    };
    Ok(differences(kept(before).await?, kept(after).await?))
}

fn differences(before: Vec<Kept>, after: Vec<Kept>) -> Vec<VariableDifference> {
    let by_name = |kept: Vec<Kept>| -> BTreeMap<String, Kept> {
        kept.into_iter().map(|kept| (kept.name.clone(), kept)).collect()
    };
    let found = between(by_name(before), by_name(after), |one, other| one.value == other.value);
    let told = |it: Differing<Kept>| VariableDifference {
        difference: it.difference(),
        secret: it.before.iter().chain(&it.after).any(|kept| kept.secret),
        name: it.name,
    };
    found.into_iter().map(told).collect()
}

/// Keeps today's variables for a deployment of the permit's environment, in place of those that it may have: whenever it
/// starts, it starts with these. Whoever accepts a deployment calls it in the same transaction.
///
/// # Errors
/// `NotFound` when the deployment is of another environment; `FailedPrecondition` when a value does not open.
pub async fn keep_for<C: Held>(app: &App, write: &mut Write, permit: &Permit<C>, id: DeploymentId) -> Result<()> {
    let kept = today(&app.master, write, permit).await?;
    let text = serde_json::to_vec(&kept).map_err(|e| Error::Internal(e.to_string()))?;
    let sealed = app.master.seal(&text, &vault::of_deployment(id)).map_err(vault::closed)?;
    store::variable::keep(write, permit, id, sealed).await
}

/// Names and values that a deployment starts with; none for one from before there were any.
///
/// # Errors
/// `FailedPrecondition` when they do not open; `Unavailable` when the database does not answer.
pub async fn of_deployment(store: &Store, master: &MasterKey, id: DeploymentId) -> Result<Vec<(String, String)>> {
    let Some(sealed) = store::variable::of_deployment(store, id).await? else { return Ok(Vec::new()) };
    let kept = opened(master, id, &sealed)?;
    Ok(kept.into_iter().map(|kept| (kept.name, kept.value)).collect())
}

/// What counts on the environment that the permit speaks for, with its values.
async fn today<C: Held>(master: &MasterKey, source: &impl Source, permit: &Permit<C>) -> Result<Vec<Kept>> {
    let rows = resolved(source, permit).await?;
    let kept = |row: Model| Ok(Kept { value: open(master, &row)?, name: row.name, secret: row.secret });
    rows.into_values().map(kept).collect()
}

async fn resolved<C: Held>(source: &impl Source, permit: &Permit<C>) -> Result<BTreeMap<String, Model>> {
    let rows = store::variable::counting(source, permit).await?;
    Ok(counting(rows, |row| (row.name.clone(), place(row))))
}

fn place(row: &Model) -> Place {
    match (row.environment_id, row.counts_for) {
        (Some(_), _) => Place::Environment,
        (None, CountsFor::Any) => Place::Project,
        (None, CountsFor::Production | CountsFor::Nonproduction) => Place::ProjectForKind,
    }
}

fn shown(master: &MasterKey, row: Model) -> Result<Shown> {
    let value = if row.secret { None } else { Some(open(master, &row)?) };
    Ok(Shown { row, value })
}

fn open(master: &MasterKey, row: &Model) -> Result<String> {
    let bytes = master.open(&row.sealed, &vault::of_variable(row)).map_err(vault::closed)?;
    String::from_utf8(bytes).map_err(|_| Error::Internal(format!("the value of {} is no text", row.id)))
}

fn opened(master: &MasterKey, id: DeploymentId, sealed: &[u8]) -> Result<Vec<Kept>> {
    let text = master.open(sealed, &vault::of_deployment(id)).map_err(vault::closed)?;
    // What stands in it is left out of the error: it may be a secret.
    serde_json::from_slice(&text).map_err(|_| Error::Internal(format!("the variables of {id} cannot be read")))
}

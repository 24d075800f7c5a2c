//! What differs between two deployments of a project: settings, files and variables.

use std::collections::BTreeMap;

use entities::deployment::Model;
use entities::ids::DeploymentId;
use serde_json::Value;

use crate::authz::cap;
use crate::domain::difference::{Differing, between};
use crate::domain::digest::Digest;
use crate::error::{Error, Result};
use crate::op::Op;
use crate::service::App;
use crate::service::variable::{self, VariableDifference};
use crate::store;

/// An earlier and a later deployment, both of which the viewer may view.
pub struct Pair {
    before: Model,
    after: Model,
}

/// Two deployments to be compared.
///
/// # Errors
/// `Forbidden`, `NotFound` by `deployment.view` on either; `InvalidInput` when they are of different projects.
pub async fn compare(op: &Op, before: DeploymentId, after: DeploymentId) -> Result<Pair> {
    let permit = op.permit::<cap::DeploymentView>(after).await?;
    let project = store::artifact::project_of(op.store(), &permit).await?;
    let after = store::deployment::get(op.store(), &permit, after).await?;
    let permit = op.permit::<cap::DeploymentView>(before).await?;
    if store::artifact::project_of(op.store(), &permit).await? != project {
        return Err(Error::invalid("id", "other_project", "name a deployment of the same project"));
    }
    Ok(Pair { before: store::deployment::get(op.store(), &permit, before).await?, after })
}

impl Pair {
    /// Settings of the project file by their path, as `health.path`.
    #[must_use]
    pub fn settings(&self) -> Vec<Differing<Value>> {
        let settings = |row: &Model| {
            let mut found = BTreeMap::new();
            flatten(&row.configuration, "", &mut found);
            found
        };
        between(settings(&self.before), settings(&self.after), Value::eq)
    }

    /// Files by path, with the digests of their content and whether they are executable.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn files(&self, op: &Op) -> Result<Vec<Differing<(Digest, bool)>>> {
        let files = async |row| {
            let manifest = store::deployment::manifest(op.store(), row).await?;
            let entries = manifest.entries().iter();
            Ok::<_, Error>(entries.map(|it| (it.path.as_str().to_owned(), (it.digest, it.executable))).collect())
        };
        Ok(between(files(&self.before).await?, files(&self.after).await?, |one, other| one == other))
    }

    /// Variables that they were accepted with.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound` by `variable.view` on either; `FailedPrecondition` when values do not open.
    pub async fn variables(&self, app: &App, op: &Op) -> Result<Vec<VariableDifference>> {
        variable::between_deployments(app, op, self.before.id, self.after.id).await
    }
}

/// The leaves of a value by their path; a list is a leaf, since a command is one thing.
fn flatten(value: &Value, path: &str, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(member, &path, into);
            }
        }
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            into.insert(path.to_owned(), value.clone());
        }
    }
}

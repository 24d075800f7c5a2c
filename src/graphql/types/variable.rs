//! Variables of projects and environments, secret ones without their values.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};

use entities::values::CountsFor;

use super::User;
use super::access::EnvironmentSelection;
use super::difference::DifferenceKind;
use crate::error::Result;
use crate::graphql::context::loaders;
use crate::op::scope_name;
use crate::service::variable::{self, Shown};
use crate::store;

/// A variable that programs find in their environment.
pub(in crate::graphql) struct Variable(pub(in crate::graphql) Shown);

/// A variable that programs find in their environment.
#[Object]
impl Variable {
    /// Global id; `revealSecret` takes it.
    async fn id(&self) -> ID {
        ID(self.0.row.id.to_string())
    }

    /// Its name.
    async fn name(&self) -> &str {
        &self.0.row.name
    }

    /// Whether it is a secret, whose value only `revealSecret` tells.
    async fn secret(&self) -> bool {
        self.0.row.secret
    }

    /// Its value; null for a secret.
    async fn value(&self) -> Option<&str> {
        self.0.value.as_deref()
    }

    /// Id of the project or environment that it is set on. One of an environment stands before one of its project, and on a
    /// project one for a kind of environment before one for any.
    async fn scope(&self) -> ID {
        ID(scope_name(store::variable::scope(&self.0.row)))
    }

    /// The environments of the project for which it counts; any, when it is set on an environment.
    async fn environments(&self) -> EnvironmentSelection {
        self.0.row.counts_for.into()
    }

    /// Grows with every time that it is set; give it back as `expectedVersion`.
    async fn version(&self) -> i32 {
        self.0.row.version
    }

    /// When it was set last.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.row.updated_at
    }

    /// Who set it last.
    async fn updated_by(&self, ctx: &Context<'_>) -> Result<Option<User>> {
        Ok(loaders(ctx).users.one(self.0.row.updated_by).await?.map(|row| User((*row).clone())))
    }
}

impl From<CountsFor> for EnvironmentSelection {
    fn from(counts_for: CountsFor) -> Self {
        match counts_for {
            CountsFor::Any => Self::Any,
            CountsFor::Production => Self::Production,
            CountsFor::Nonproduction => Self::Nonproduction,
        }
    }
}

impl From<EnvironmentSelection> for CountsFor {
    fn from(selection: EnvironmentSelection) -> Self {
        match selection {
            EnvironmentSelection::Any => Self::Any,
            EnvironmentSelection::Production => Self::Production,
            EnvironmentSelection::Nonproduction => Self::Nonproduction,
        }
    }
}

/// A variable that differs between two deployments, or would in one from now on.
#[derive(SimpleObject)]
pub(in crate::graphql) struct VariableDifference {
    /// Name of the variable.
    name: String,
    /// How it differs.
    kind: DifferenceKind,
    /// Whether it is, or was, a secret.
    secret: bool,
}

impl From<variable::VariableDifference> for VariableDifference {
    fn from(it: variable::VariableDifference) -> Self {
        Self { name: it.name, kind: it.difference.into(), secret: it.secret }
    }
}

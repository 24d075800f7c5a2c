//! Setting, unsetting and revealing variables.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use entities::ids::VariableId;

use crate::domain::variable::{MOST, VariableName, VariableValue};
use crate::error::{Error, Result};
use crate::graphql::context::{app, op};
use crate::graphql::directive::requires;
use crate::graphql::input::{self, Problems};
use crate::graphql::types::access::EnvironmentSelection;
use crate::graphql::types::variable::Variable;
use crate::service::{resolve, variable};

/// A variable to set.
#[derive(InputObject)]
struct SetVariableInput {
    /// Its name: letters, digits and underscores. `PORT` and names that begin with `REEVE_` are the platform's.
    name: String,
    /// Its value.
    value: String,
    /// Whether it is a secret, whose value only `revealSecret` tells.
    secret: bool,
    /// The environments of the project for which it counts; leave it out on an environment.
    #[graphql(default_with = "EnvironmentSelection::Any")]
    environments: EnvironmentSelection,
    /// The version that the client has seen, 0 when it has to be new; `CONFLICT` if it is at another.
    expected_version: Option<i32>,
}

/// Variables to set.
#[derive(InputObject)]
struct SetVariablesInput {
    /// Id or path of a project or environment.
    scope: String,
    /// The variables, each with a name of its own; others stay as they are.
    variables: Vec<SetVariableInput>,
}

/// The variables that were set.
#[derive(SimpleObject)]
struct SetVariablesPayload {
    /// They.
    variables: Vec<Variable>,
}

/// A variable to unset.
#[derive(InputObject)]
struct UnsetVariableInput {
    /// Its name.
    name: String,
    /// The environments of the project for which it counts; leave it out on an environment.
    #[graphql(default_with = "EnvironmentSelection::Any")]
    environments: EnvironmentSelection,
    /// The version that the client has seen; `CONFLICT` if it is at another.
    expected_version: Option<i32>,
}

/// Variables to unset.
#[derive(InputObject)]
struct UnsetVariablesInput {
    /// Id or path of a project or environment.
    scope: String,
    /// The variables.
    variables: Vec<UnsetVariableInput>,
}

/// The variables that are gone.
#[derive(SimpleObject)]
struct UnsetVariablesPayload {
    /// Their ids.
    unset_ids: Vec<ID>,
}

/// A secret to reveal.
#[derive(InputObject)]
struct RevealSecretInput {
    /// Which variable.
    id: ID,
}

/// A secret.
#[derive(SimpleObject)]
struct RevealSecretPayload {
    /// Its name.
    name: String,
    /// Its value.
    value: String,
}

#[derive(Default)]
pub(super) struct VariableMutation;

#[Object]
impl VariableMutation {
    /// Sets variables of a project or environment, all or none. What runs keeps those that it was deployed with. Requires
    /// `variable.manage`, and for secrets `secret.manage`; on a project under every kind of environment for which they count.
    #[graphql(directive = requires::apply("variable.manage".into(), "scope".into()))]
    async fn set_variables(&self, ctx: &Context<'_>, input: SetVariablesInput) -> Result<SetVariablesPayload> {
        check_count(input.variables.len())?;
        let mut problems = Problems::default();
        let mut entries = Vec::with_capacity(input.variables.len());
        for (position, entry) in input.variables.into_iter().enumerate() {
            let name = problems.take(&field(position, "name"), VariableName::parse(&entry.name));
            let value = problems.take(&field(position, "value"), VariableValue::parse(entry.value));
            entries.extend(name.zip(value).map(|(name, value)| variable::Set {
                name,
                value,
                secret: entry.secret,
                counts_for: entry.environments.into(),
                expected_version: entry.expected_version,
            }));
        }
        let entries = problems.or(Some(entries))?;
        let scope = resolve::scope(op(ctx), &input.scope).await?;
        let set = variable::set(app(ctx), op(ctx), scope, entries).await?;
        Ok(SetVariablesPayload { variables: set.into_iter().map(Variable).collect() })
    }

    /// Unsets variables of a project or environment, all or none. Requires `variable.manage`, and for secrets `secret.manage`;
    /// on a project under every kind of environment for which they count.
    #[graphql(directive = requires::apply("variable.manage".into(), "scope".into()))]
    async fn unset_variables(&self, ctx: &Context<'_>, input: UnsetVariablesInput) -> Result<UnsetVariablesPayload> {
        check_count(input.variables.len())?;
        let mut problems = Problems::default();
        let mut entries = Vec::with_capacity(input.variables.len());
        for (position, entry) in input.variables.into_iter().enumerate() {
            let name = problems.take(&field(position, "name"), VariableName::parse(&entry.name));
            let (counts_for, expected_version) = (entry.environments.into(), entry.expected_version);
            entries.extend(name.map(|name| variable::Unset { name, counts_for, expected_version }));
        }
        let entries = problems.or(Some(entries))?;
        let scope = resolve::scope(op(ctx), &input.scope).await?;
        let gone = variable::unset(op(ctx), scope, entries).await?;
        Ok(UnsetVariablesPayload { unset_ids: gone.iter().map(|row| ID(row.id.to_string())).collect() })
    }

    /// Tells the value of a secret; that it was asked for is kept in the audit log. Requires `secret.view`, on a project
    /// under every kind of environment for which it counts.
    #[graphql(directive = requires::apply("secret.view".into(), "id".into()))]
    async fn reveal_secret(&self, ctx: &Context<'_>, input: RevealSecretInput) -> Result<RevealSecretPayload> {
        let id = input::id::<VariableId>("id", &input.id)?;
        let (row, value) = variable::reveal(app(ctx), op(ctx), id).await?;
        Ok(RevealSecretPayload { name: row.name, value })
    }
}

fn check_count(count: usize) -> Result<()> {
    if count > MOST {
        return Err(Error::invalid("variables", "too_many", format!("name at most {MOST} variables at once")));
    }
    Ok(())
}

fn field(position: usize, name: &str) -> String {
    format!("variables.{position}.{name}")
}

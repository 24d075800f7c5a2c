//! What differs between two deployments.

use async_graphql::{Context, Enum, Object, SimpleObject};
use serde_json::Value;

use super::variable::VariableDifference;
use crate::domain::difference::{Difference, Differing};
use crate::domain::digest::Digest;
use crate::error::Result;
use crate::graphql::context::{app, op};
use crate::graphql::directive::requires;
use crate::service::deployment::difference::Pair;

/// Files that are listed by name; all are counted.
const MOST_FILES: usize = 1_000;

/// How something differs from what it was before.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Difference")]
pub(in crate::graphql) enum DifferenceKind {
    /// It is new.
    Added,
    /// It is another.
    Changed,
    /// It is gone.
    Removed,
}

/// A setting that differs.
#[derive(SimpleObject)]
struct SettingDifference {
    /// Where it stands in the configuration, as `health.path`.
    name: String,
    /// What it was, a list as JSON; null when there was none.
    before: Option<String>,
    /// What it is, likewise.
    after: Option<String>,
}

/// A file that differs.
#[derive(SimpleObject)]
struct FileDifference {
    /// Its path.
    path: String,
    /// How it differs.
    kind: DifferenceKind,
}

/// Files that differ.
#[derive(SimpleObject)]
struct FileDifferences {
    /// How many are new.
    added: usize,
    /// How many have other content, or became executable or ceased to be.
    changed: usize,
    /// How many are gone.
    removed: usize,
    /// The first thousand of them, by path.
    files: Vec<FileDifference>,
}

/// What differs between an earlier deployment and a later one.
pub(in crate::graphql) struct DeploymentDifferences(pub(in crate::graphql) Pair);

/// What differs between an earlier deployment and a later one.
#[Object]
impl DeploymentDifferences {
    /// Settings of the project file, with their defaults.
    async fn settings(&self) -> Vec<SettingDifference> {
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let told = |it: Differing<Value>| SettingDifference {
            name: it.name,
            before: it.before.map(text),
            after: it.after.map(text),
        };
        self.0.settings().into_iter().map(told).collect()
    }

    /// Files.
    async fn files(&self, ctx: &Context<'_>) -> Result<FileDifferences> {
        let found = self.0.files(op(ctx)).await?;
        let count = |kind| found.iter().filter(|it| it.difference() == kind).count();
        let told =
            |it: &Differing<(Digest, bool)>| FileDifference { path: it.name.clone(), kind: it.difference().into() };
        Ok(FileDifferences {
            added: count(Difference::Added),
            changed: count(Difference::Changed),
            removed: count(Difference::Removed),
            files: found.iter().take(MOST_FILES).map(told).collect(),
        })
    }

    /// Variables that they were accepted with, never their values. Requires `variable.view` on the environments of both.
    #[graphql(directive = requires::apply("variable.view".into(), "id".into()))]
    async fn variables(&self, ctx: &Context<'_>) -> Result<Vec<VariableDifference>> {
        let found = self.0.variables(app(ctx), op(ctx)).await?;
        Ok(found.into_iter().map(Into::into).collect())
    }
}

//! What the driver knows deployments by: the name of a program is its deployment's id, that of a build has a word behind it. It must
//! not know what they do.

use entities::ids::DeploymentId;

/// Behind the id of a deployment, for its build.
const BUILD: &str = "build";

/// The program of a deployment.
#[must_use]
pub fn program(id: DeploymentId) -> String {
    id.to_string()
}

/// The build of a deployment.
#[must_use]
pub fn build(id: DeploymentId) -> String {
    format!("{id}-{BUILD}")
}

/// The deployment that an instance belongs to, as text.
#[must_use]
pub fn deployment(instance: &str) -> &str {
    instance.split_once('-').map_or(instance, |(deployment, _)| deployment)
}

/// The number of an instance among those of its deployment, from 1; none for a build.
#[must_use]
pub fn number(instance: &str) -> Option<i32> {
    match instance.split_once('-') {
        None => Some(1),
        Some((_, rest)) => rest.parse().ok(),
    }
}

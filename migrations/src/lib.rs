//! The schema of the database, one concern a file, alike on SQLite and PostgreSQL, up and down.

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::*;

mod m0001_identity;
mod m0002_access;
mod m0003_organizations;
mod m0004_deployments;
mod m0005_actions;
mod m0006_idempotency;
mod m0007_roles;
mod m0008_people;
mod m0009_audit;
mod m0010_access_changes;
mod m0011_lifecycle;
mod m0012_project_users;
mod m0013_variables;
mod m0014_edge;
mod m0015_git;
mod m0019_metrics;

/// Every migration, in order.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_identity::Migration),
            Box::new(m0002_access::Migration),
            Box::new(m0003_organizations::Migration),
            Box::new(m0004_deployments::Migration),
            Box::new(m0005_actions::Migration),
            Box::new(m0006_idempotency::Migration),
            Box::new(m0007_roles::Migration),
            Box::new(m0008_people::Migration),
            Box::new(m0009_audit::Migration),
            Box::new(m0010_access_changes::Migration),
            Box::new(m0011_lifecycle::Migration),
            Box::new(m0012_project_users::Migration),
            Box::new(m0013_variables::Migration),
            Box::new(m0014_edge::Migration),
            Box::new(m0015_git::Migration),
            Box::new(m0019_metrics::Migration),
        ]
    }
}

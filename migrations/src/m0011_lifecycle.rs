//! The whole life of a deployment: where it came from, who visited it, what happened to it; which actions may run side by
//! side, why they run, and which of them somebody wants to stop; how long a project keeps what it does not use.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Only one action at a time moves an environment's link, and only one has a deployment in hand; the database itself keeps
/// it so.
const INDEXES: [&str; 3] = [
    "DROP INDEX ux_actions_running",
    "CREATE UNIQUE INDEX ux_actions_moving_link ON actions (environment_id) \
     WHERE state IN ('running', 'undoing') AND kind IN ('deploy', 'rollback')",
    "CREATE UNIQUE INDEX ux_actions_in_hand ON actions (deployment_id) WHERE state IN ('running', 'undoing')",
];

const INDEXES_BEFORE: [&str; 3] = [
    "DROP INDEX ux_actions_in_hand",
    "DROP INDEX ux_actions_moving_link",
    "CREATE UNIQUE INDEX ux_actions_running ON actions (environment_id) WHERE state IN ('running', 'undoing')",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add(manager, "deployments", &mut uuid_null("source_deployment_id")).await?;
        add(manager, "deployments", &mut timestamp_with_time_zone_null("last_visited_at")).await?;
        add(manager, "actions", string("cause").default("user")).await?;
        add(manager, "actions", &mut timestamp_with_time_zone_null("cancel_requested_at")).await?;
        add(manager, "projects", integer("keep_running").default(3)).await?;
        add(manager, "projects", integer("retire_after_minutes").default(24 * 60)).await?;
        add(manager, "projects", integer("keep_deployments").default(100)).await?;
        add(manager, "projects", boolean("revive_on_visit").default(true)).await?;
        for statement in INDEXES {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        events(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("deployment_events").take()).await?;
        for statement in INDEXES_BEFORE {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        for (table, column) in [
            ("projects", "revive_on_visit"),
            ("projects", "keep_deployments"),
            ("projects", "retire_after_minutes"),
            ("projects", "keep_running"),
            ("actions", "cancel_requested_at"),
            ("actions", "cause"),
            ("deployments", "last_visited_at"),
            ("deployments", "source_deployment_id"),
        ] {
            manager.alter_table(Table::alter().table(table).drop_column(column).take()).await?;
        }
        Ok(())
    }
}

async fn add(manager: &SchemaManager<'_>, table: &'static str, column: &mut ColumnDef) -> Result<(), DbErr> {
    manager.alter_table(Table::alter().table(table).add_column(column).take()).await
}

async fn events(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("deployment_events")
                .col(uuid("id").primary_key())
                .col(uuid("deployment_id"))
                .col(string("state"))
                .col(timestamp_with_time_zone("at"))
                .col(uuid_null("action_id"))
                .col(uuid_null("actor_id"))
                .col(string("cause"))
                .col(text_null("detail"))
                .foreign_key(
                    ForeignKey::create()
                        .from("deployment_events", "deployment_id")
                        .to("deployments", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .take(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("ix_deployment_events_deployment_id_id")
                .table("deployment_events")
                .col("deployment_id")
                .col("id")
                .take(),
        )
        .await
}

//! Tables for durable deployment actions and their steps.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        actions(manager).await?;
        action_steps(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("action_steps").take()).await?;
        manager.drop_table(Table::drop().table("actions").take()).await?;
        Ok(())
    }
}

async fn actions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("actions")
                .col(uuid("id").primary_key())
                .col(uuid("environment_id"))
                .col(uuid("deployment_id"))
                .col(string("kind"))
                .col(string("state"))
                .col(uuid_null("expected_deployment_id"))
                .col(uuid_null("previous_deployment_id"))
                .col(text_null("reason"))
                .col(big_integer("fence"))
                .col(string_null("lease_owner"))
                .col(big_integer("lease_until_ms"))
                .col(text_null("error"))
                .col(uuid("created_by"))
                .col(timestamp_with_time_zone("created_at"))
                .col(timestamp_with_time_zone_null("finished_at"))
                .foreign_key(
                    ForeignKey::create()
                        .from("actions", "environment_id")
                        .to("environments", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .foreign_key(
                    ForeignKey::create()
                        .from("actions", "deployment_id")
                        .to("deployments", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .foreign_key(
                    ForeignKey::create()
                        .from("actions", "created_by")
                        .to("users", "id")
                        .on_delete(ForeignKeyAction::Restrict),
                )
                .take(),
        )
        .await?;
    manager
        .create_index(Index::create().name("ix_actions_state_id").table("actions").col("state").col("id").take())
        .await?;
    manager
        .create_index(
            Index::create().name("ix_actions_deployment_id_id").table("actions").col("deployment_id").col("id").take(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("ix_actions_environment_id_id")
                .table("actions")
                .col("environment_id")
                .col("id")
                .take(),
        )
        .await?;
    // One action at a time runs in an environment; the database itself keeps it so.
    manager
        .get_connection()
        .execute_unprepared(
            "CREATE UNIQUE INDEX ux_actions_running ON actions (environment_id) WHERE state IN ('running', 'undoing')",
        )
        .await?;
    Ok(())
}

async fn action_steps(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("action_steps")
                .col(uuid("action_id"))
                .col(integer("position"))
                .col(string("name"))
                .col(timestamp_with_time_zone("started_at"))
                .col(timestamp_with_time_zone_null("finished_at"))
                .col(timestamp_with_time_zone_null("undone_at"))
                .primary_key(Index::create().col("action_id").col("position"))
                .foreign_key(
                    ForeignKey::create()
                        .from("action_steps", "action_id")
                        .to("actions", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .take(),
        )
        .await?;
    Ok(())
}

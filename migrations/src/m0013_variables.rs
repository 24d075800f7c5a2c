//! Tables for variables of projects and environments, and for those that a deployment was started with.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        variables(manager).await?;
        manager
            .create_table(
                Table::create()
                    .table("deployment_variables")
                    .col(uuid("deployment_id").primary_key())
                    .col(blob("sealed"))
                    .foreign_key(
                        ForeignKey::create()
                            .from("deployment_variables", "deployment_id")
                            .to("deployments", "id")
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("deployment_variables").take()).await?;
        manager.drop_table(Table::drop().table("variables").take()).await
    }
}

async fn variables(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let below = |column: &'static str, table: &'static str| {
        ForeignKey::create().from("variables", column).to(table, "id").on_delete(ForeignKeyAction::Cascade).take()
    };
    manager
        .create_table(
            Table::create()
                .table("variables")
                .col(uuid("id").primary_key())
                .col(uuid("project_id"))
                .col(uuid_null("environment_id"))
                // The environment, or else the project: null is equal to nothing, so that it could not be unique.
                .col(uuid("scope_id"))
                .col(string("name"))
                .col(string("counts_for"))
                .col(boolean("secret"))
                .col(blob("sealed"))
                .col(uuid("updated_by"))
                .col(timestamp_with_time_zone("updated_at"))
                .col(integer("version"))
                .foreign_key(&mut below("project_id", "projects"))
                .foreign_key(&mut below("environment_id", "environments"))
                .take(),
        )
        .await?;
    let unique = Index::create()
        .name("ux_variables_scope_id_name_counts_for")
        .table("variables")
        .col("scope_id")
        .col("name")
        .col("counts_for")
        .unique()
        .take();
    manager.create_index(unique).await?;
    for column in ["project_id", "environment_id"] {
        let index = Index::create().name(format!("ix_variables_{column}")).table("variables").col(column).take();
        manager.create_index(index).await?;
    }
    Ok(())
}

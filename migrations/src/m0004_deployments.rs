//! Tables for deployments, the files that make them, and the content that is present.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        deployments(manager).await?;
        manifests(manager).await?;
        blobs(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("blobs").take()).await?;
        manager.drop_table(Table::drop().table("manifests").take()).await?;
        manager.drop_table(Table::drop().table("deployments").take()).await?;
        Ok(())
    }
}

async fn deployments(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("deployments")
                .col(uuid("id").primary_key())
                .col(uuid("environment_id"))
                .col(integer("number"))
                .col(string("kind"))
                .col(string("state"))
                .col(json_binary("configuration"))
                .col(string("manifest_digest"))
                .col(integer("file_count"))
                .col(big_integer("size_bytes"))
                .col(string_null("message"))
                .col(text_null("failure"))
                .col(uuid("created_by"))
                .col(timestamp_with_time_zone("created_at"))
                .col(timestamp_with_time_zone("state_changed_at"))
                .foreign_key(
                    ForeignKey::create()
                        .from("deployments", "environment_id")
                        .to("environments", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .foreign_key(
                    ForeignKey::create()
                        .from("deployments", "created_by")
                        .to("users", "id")
                        .on_delete(ForeignKeyAction::Restrict),
                )
                .take(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("ux_deployments_environment_id_number")
                .table("deployments")
                .col("environment_id")
                .col("number")
                .unique()
                .take(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("ix_deployments_environment_id_id")
                .table("deployments")
                .col("environment_id")
                .col("id")
                .take(),
        )
        .await?;
    manager
        .create_index(
            Index::create().name("ix_deployments_state_id").table("deployments").col("state").col("id").take(),
        )
        .await?;
    Ok(())
}

async fn manifests(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("manifests")
                .col(uuid("deployment_id").primary_key())
                .col(json_binary("entries"))
                .foreign_key(
                    ForeignKey::create()
                        .from("manifests", "deployment_id")
                        .to("deployments", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .take(),
        )
        .await?;
    Ok(())
}

async fn blobs(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("blobs")
                .col(uuid("project_id"))
                .col(string("digest"))
                .col(big_integer("size_bytes"))
                .col(timestamp_with_time_zone("created_at"))
                .primary_key(Index::create().col("project_id").col("digest"))
                .foreign_key(
                    ForeignKey::create()
                        .from("blobs", "project_id")
                        .to("projects", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .take(),
        )
        .await?;
    Ok(())
}

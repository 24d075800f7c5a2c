//! Tables for organizations, their projects, the environments of those.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        organizations(manager).await?;
        projects(manager).await?;
        environments(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("environments").take()).await?;
        manager.drop_table(Table::drop().table("projects").take()).await?;
        manager.drop_table(Table::drop().table("organizations").take()).await?;
        Ok(())
    }
}

async fn organizations(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("organizations")
                .col(uuid("id").primary_key())
                .col(string("slug").unique_key())
                .col(string("name"))
                .col(uuid("team_id"))
                .col(timestamp_with_time_zone_null("suspended_at"))
                .col(timestamp_with_time_zone("created_at"))
                .col(integer("version"))
                .foreign_key(
                    ForeignKey::create()
                        .from("organizations", "team_id")
                        .to("teams", "id")
                        .on_delete(ForeignKeyAction::Restrict),
                )
                .take(),
        )
        .await?;
    manager
        .create_index(
            Index::create().name("ix_organizations_team_id_id").table("organizations").col("team_id").col("id").take(),
        )
        .await?;
    Ok(())
}

async fn projects(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("projects")
                .col(uuid("id").primary_key())
                .col(uuid("organization_id"))
                .col(string("slug"))
                .col(string("name"))
                .col(timestamp_with_time_zone("created_at"))
                .col(integer("version"))
                .foreign_key(
                    ForeignKey::create()
                        .from("projects", "organization_id")
                        .to("organizations", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .take(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("ux_projects_organization_id_slug")
                .table("projects")
                .col("organization_id")
                .col("slug")
                .unique()
                .take(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("ix_projects_organization_id_id")
                .table("projects")
                .col("organization_id")
                .col("id")
                .take(),
        )
        .await?;
    Ok(())
}

async fn environments(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("environments")
                .col(uuid("id").primary_key())
                .col(uuid("project_id"))
                .col(string("slug"))
                .col(string("name"))
                .col(boolean("production"))
                .col(timestamp_with_time_zone_null("frozen_at"))
                .col(uuid_null("active_deployment_id"))
                .col(uuid_null("pinned_deployment_id"))
                .col(integer("next_number"))
                .col(timestamp_with_time_zone("created_at"))
                .col(integer("version"))
                .foreign_key(
                    ForeignKey::create()
                        .from("environments", "project_id")
                        .to("projects", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .take(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("ux_environments_project_id_slug")
                .table("environments")
                .col("project_id")
                .col("slug")
                .unique()
                .take(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("ix_environments_project_id_id")
                .table("environments")
                .col("project_id")
                .col("id")
                .take(),
        )
        .await?;
    Ok(())
}

//! Tables for repositories, the deployments that were asked of them, and what asks by itself: pushes and deploy hooks.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// In the order in which they are made.
const TABLES: [&str; 5] = ["git_connections", "git_requests", "auto_deploys", "git_deliveries", "deploy_hooks"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        connections(manager).await?;
        requests(manager).await?;
        auto_deploys(manager).await?;
        deliveries(manager).await?;
        hooks(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES.into_iter().rev() {
            manager.drop_table(Table::drop().table(table).take()).await?;
        }
        Ok(())
    }
}

fn below(table: &'static str, column: &'static str, of: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create().from(table, column).to(of, "id").on_delete(ForeignKeyAction::Cascade).take()
}

async fn connections(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table("git_connections")
        .col(uuid("id").primary_key())
        .col(uuid("project_id").unique_key())
        .col(text("url"))
        .col(blob_null("sealed_credential"))
        .col(blob("sealed_webhook_secret"))
        .col(uuid("created_by"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone_null("checked_at"))
        .col(text_null("problem"))
        .foreign_key(&mut below("git_connections", "project_id", "projects"))
        .take();
    manager.create_table(table).await
}

async fn requests(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table("git_requests")
        .col(uuid("id").primary_key())
        .col(uuid("environment_id"))
        .col(uuid("connection_id"))
        .col(string("ref_kind"))
        .col(text("ref_name"))
        .col(string("origin"))
        .col(uuid("acts_as"))
        .col(string("state"))
        .col(text_null("failure"))
        .col(string_null("commit_id"))
        .col(uuid_null("deployment_id"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone_null("finished_at"))
        .col(string_null("lease_owner"))
        .col(big_integer("lease_until_ms"))
        .foreign_key(&mut below("git_requests", "environment_id", "environments"))
        .foreign_key(&mut below("git_requests", "connection_id", "git_connections"))
        .take();
    manager.create_table(table).await?;
    for (name, column) in
        [("ix_git_requests_environment_id_id", "environment_id"), ("ix_git_requests_state_id", "state")]
    {
        let index = Index::create().name(name).table("git_requests").col(column).col("id").take();
        manager.create_index(index).await?;
    }
    // What is asked for later is not to be overtaken by what was asked for before.
    let running =
        "CREATE UNIQUE INDEX ux_git_requests_running ON git_requests (environment_id) WHERE state = 'running'";
    manager.get_connection().execute_unprepared(running).await?;
    Ok(())
}

async fn auto_deploys(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table("auto_deploys")
        .col(uuid("environment_id").primary_key())
        .col(uuid("connection_id"))
        .col(text("branch"))
        .col(uuid("set_by"))
        .col(timestamp_with_time_zone("created_at"))
        .foreign_key(&mut below("auto_deploys", "environment_id", "environments"))
        .foreign_key(&mut below("auto_deploys", "connection_id", "git_connections"))
        .take();
    manager.create_table(table).await
}

async fn deliveries(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table("git_deliveries")
        .col(uuid("connection_id"))
        .col(string("delivery"))
        .col(timestamp_with_time_zone("created_at"))
        .primary_key(Index::create().col("connection_id").col("delivery"))
        .foreign_key(&mut below("git_deliveries", "connection_id", "git_connections"))
        .take();
    manager.create_table(table).await
}

async fn hooks(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table("deploy_hooks")
        .col(uuid("id").primary_key())
        .col(uuid("environment_id"))
        .col(uuid("connection_id"))
        .col(string("name"))
        .col(text("branch"))
        .col(string("hash").unique_key())
        .col(uuid("acts_as"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone_null("last_used_at"))
        .foreign_key(&mut below("deploy_hooks", "environment_id", "environments"))
        .foreign_key(&mut below("deploy_hooks", "connection_id", "git_connections"))
        .take();
    manager.create_table(table).await?;
    let page = Index::create()
        .name("ix_deploy_hooks_environment_id_id")
        .table("deploy_hooks")
        .col("environment_id")
        .col("id")
        .take();
    manager.create_index(page).await
}

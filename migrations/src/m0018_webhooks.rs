//! Tables for webhooks, for what people want to be told by mail, and for what is on its way to either.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// In the order in which they are made.
const TABLES: [&str; 4] = ["webhooks", "subscriptions", "deliveries", "delivery_attempts"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        webhooks(manager).await?;
        subscriptions(manager).await?;
        deliveries(manager).await?;
        attempts(manager).await
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

async fn webhooks(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table("webhooks")
        .col(uuid("id").primary_key())
        .col(uuid("project_id"))
        .col(uuid_null("environment_id"))
        .col(string("name"))
        .col(text("url"))
        .col(json_binary("events"))
        .col(blob("sealed_secret"))
        .col(blob_null("sealed_previous_secret"))
        .col(timestamp_with_time_zone_null("previous_until"))
        .col(uuid("acts_as"))
        .col(boolean("active"))
        .col(integer("dead_in_a_row"))
        .col(text_null("problem"))
        .col(timestamp_with_time_zone("created_at"))
        .foreign_key(&mut below("webhooks", "project_id", "projects"))
        .foreign_key(&mut below("webhooks", "environment_id", "environments"))
        .take();
    manager.create_table(table).await?;
    let page = Index::create().name("ix_webhooks_project_id_id").table("webhooks").col("project_id").col("id").take();
    manager.create_index(page).await
}

async fn subscriptions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table("subscriptions")
        .col(uuid("user_id"))
        .col(uuid("project_id"))
        .col(json_binary("events"))
        .col(boolean("own_failures"))
        .primary_key(Index::create().col("user_id").col("project_id"))
        .foreign_key(&mut below("subscriptions", "user_id", "users"))
        .foreign_key(&mut below("subscriptions", "project_id", "projects"))
        .take();
    manager.create_table(table).await?;
    let index = Index::create().name("ix_subscriptions_project_id").table("subscriptions").col("project_id").take();
    manager.create_index(index).await
}

/// No key but that of the webhook: a change of a deployment that waits for what is being removed above it would be in its way.
async fn deliveries(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table("deliveries")
        .col(uuid("id").primary_key())
        .col(uuid("event_id"))
        .col(string("event"))
        .col(uuid_null("webhook_id"))
        .col(uuid_null("user_id"))
        .col(text_null("recipient"))
        .col(uuid_null("environment_id"))
        .col(json_binary("content"))
        .col(string("state"))
        .col(integer("attempts"))
        .col(text_null("problem"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone_null("finished_at"))
        .col(big_integer("due_ms"))
        .col(string_null("lease_owner"))
        .foreign_key(&mut below("deliveries", "webhook_id", "webhooks"))
        .take();
    manager.create_table(table).await?;
    let page =
        Index::create().name("ix_deliveries_webhook_id_id").table("deliveries").col("webhook_id").col("id").take();
    manager.create_index(page).await?;
    let due = Index::create().name("ix_deliveries_state_due_ms").table("deliveries").col("state").col("due_ms").take();
    manager.create_index(due).await
}

async fn attempts(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table("delivery_attempts")
        .col(uuid("id").primary_key())
        .col(uuid("delivery_id"))
        .col(timestamp_with_time_zone("at"))
        .col(integer("duration_ms"))
        .col(integer_null("status_code"))
        .col(text("answer"))
        .foreign_key(&mut below("delivery_attempts", "delivery_id", "deliveries"))
        .take();
    manager.create_table(table).await?;
    let index = Index::create()
        .name("ix_delivery_attempts_delivery_id_id")
        .table("delivery_attempts")
        .col("delivery_id")
        .col("id")
        .take();
    manager.create_index(index).await
}

//! Tables for how people and programs come to hold something: invitations, service accounts, keys, offers of organizations;
//! and what they are told.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        invitations(manager).await?;
        service_accounts(manager).await?;
        api_keys(manager).await?;
        transfers(manager).await?;
        notices(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["notices", "transfers", "api_keys", "service_accounts", "invitations"] {
            manager.drop_table(Table::drop().table(table).take()).await?;
        }
        Ok(())
    }
}

/// The rows of a user go with the user.
fn of_user(table: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create().from(table, "user_id").to("users", "id").on_delete(ForeignKeyAction::Cascade).take()
}

async fn index(manager: &SchemaManager<'_>, table: &'static str, column: &'static str) -> Result<(), DbErr> {
    let name = format!("ix_{table}_{column}_id");
    manager.create_index(Index::create().name(name).table(table).col(column).col("id").take()).await
}

async fn invitations(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("invitations")
                .col(uuid("id").primary_key())
                .col(string("email"))
                .col(string("role"))
                .col(string("scope_kind"))
                .col(uuid("scope_id"))
                .col(uuid("invited_by"))
                .col(timestamp_with_time_zone("created_at"))
                .col(timestamp_with_time_zone("expires_at"))
                .take(),
        )
        .await?;
    index(manager, "invitations", "scope_id").await?;
    index(manager, "invitations", "email").await
}

async fn service_accounts(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("service_accounts")
                .col(uuid("user_id").primary_key())
                .col(string("scope_kind"))
                .col(uuid("scope_id"))
                .col(uuid("created_by"))
                .col(timestamp_with_time_zone("created_at"))
                .foreign_key(&mut of_user("service_accounts"))
                .take(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("ix_service_accounts_scope_id_user_id")
                .table("service_accounts")
                .col("scope_id")
                .col("user_id")
                .take(),
        )
        .await
}

async fn api_keys(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("api_keys")
                .col(uuid("id").primary_key())
                .col(uuid("user_id"))
                .col(string("name"))
                .col(string("hash").unique_key())
                .col(json_binary_null("capabilities"))
                .col(string_null("scope_kind"))
                .col(uuid_null("scope_id"))
                .col(uuid("created_by"))
                .col(timestamp_with_time_zone("created_at"))
                .col(timestamp_with_time_zone_null("expires_at"))
                .col(timestamp_with_time_zone_null("last_used_at"))
                .foreign_key(&mut of_user("api_keys"))
                .take(),
        )
        .await?;
    index(manager, "api_keys", "user_id").await
}

async fn transfers(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("transfers")
                .col(uuid("id").primary_key())
                .col(uuid("organization_id").unique_key())
                .col(uuid("team_id"))
                .col(uuid("offered_by"))
                .col(timestamp_with_time_zone("created_at"))
                .foreign_key(
                    ForeignKey::create()
                        .from("transfers", "organization_id")
                        .to("organizations", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .foreign_key(
                    ForeignKey::create()
                        .from("transfers", "team_id")
                        .to("teams", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .take(),
        )
        .await?;
    index(manager, "transfers", "team_id").await
}

async fn notices(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("notices")
                .col(uuid("id").primary_key())
                .col(uuid("user_id"))
                .col(string("subject"))
                .col(text("body"))
                .col(timestamp_with_time_zone("created_at"))
                .foreign_key(&mut of_user("notices"))
                .take(),
        )
        .await?;
    index(manager, "notices", "user_id").await
}

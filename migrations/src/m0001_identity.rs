//! Tables for users, their teams, their sessions, and the keys that sign tokens.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        users(manager).await?;
        teams(manager).await?;
        team_members(manager).await?;
        sessions(manager).await?;
        refresh_tokens(manager).await?;
        signing_keys(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("signing_keys").take()).await?;
        manager.drop_table(Table::drop().table("refresh_tokens").take()).await?;
        manager.drop_table(Table::drop().table("sessions").take()).await?;
        manager.drop_table(Table::drop().table("team_members").take()).await?;
        manager.drop_table(Table::drop().table("teams").take()).await?;
        manager.drop_table(Table::drop().table("users").take()).await?;
        Ok(())
    }
}

async fn users(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("users")
                .col(uuid("id").primary_key())
                .col(string("email").unique_key())
                .col(string("name"))
                .col(string("kind"))
                .col(string_null("password_hash"))
                .col(timestamp_with_time_zone_null("suspended_at"))
                .col(timestamp_with_time_zone("created_at"))
                .col(integer("version"))
                .take(),
        )
        .await?;
    Ok(())
}

async fn teams(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("teams")
                .col(uuid("id").primary_key())
                .col(string("name"))
                .col(uuid_null("personal_user_id").unique_key())
                .col(timestamp_with_time_zone("created_at"))
                .col(integer("version"))
                .foreign_key(
                    ForeignKey::create()
                        .from("teams", "personal_user_id")
                        .to("users", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .take(),
        )
        .await?;
    Ok(())
}

async fn team_members(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("team_members")
                .col(uuid("team_id"))
                .col(uuid("user_id"))
                .col(string("role"))
                .col(timestamp_with_time_zone("created_at"))
                .primary_key(Index::create().col("team_id").col("user_id"))
                .foreign_key(
                    ForeignKey::create()
                        .from("team_members", "team_id")
                        .to("teams", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .foreign_key(
                    ForeignKey::create()
                        .from("team_members", "user_id")
                        .to("users", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .take(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("ix_team_members_user_id_team_id")
                .table("team_members")
                .col("user_id")
                .col("team_id")
                .take(),
        )
        .await?;
    Ok(())
}

async fn sessions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("sessions")
                .col(uuid("id").primary_key())
                .col(uuid("user_id"))
                .col(timestamp_with_time_zone("created_at"))
                .col(timestamp_with_time_zone("expires_at"))
                .col(timestamp_with_time_zone_null("ended_at"))
                .col(string_null("ended_reason"))
                .foreign_key(
                    ForeignKey::create()
                        .from("sessions", "user_id")
                        .to("users", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .take(),
        )
        .await?;
    manager
        .create_index(Index::create().name("ix_sessions_user_id_id").table("sessions").col("user_id").col("id").take())
        .await?;
    Ok(())
}

async fn refresh_tokens(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("refresh_tokens")
                .col(string("hash").primary_key())
                .col(uuid("session_id"))
                .col(timestamp_with_time_zone("created_at"))
                .col(timestamp_with_time_zone_null("used_at"))
                .foreign_key(
                    ForeignKey::create()
                        .from("refresh_tokens", "session_id")
                        .to("sessions", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .take(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("ix_refresh_tokens_session_id_created_at")
                .table("refresh_tokens")
                .col("session_id")
                .col("created_at")
                .take(),
        )
        .await?;
    Ok(())
}

async fn signing_keys(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("signing_keys")
                .col(string("kid").primary_key())
                .col(blob("sealed_private_key"))
                .col(timestamp_with_time_zone("created_at"))
                .col(timestamp_with_time_zone_null("retired_at"))
                .take(),
        )
        .await?;
    Ok(())
}

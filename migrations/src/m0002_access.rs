//! Tables for role bindings, the policy epoch that grows with every change of authority, and the audit log.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        bindings(manager).await?;
        policy_epochs(manager).await?;
        audit_entries(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("audit_entries").take()).await?;
        manager.drop_table(Table::drop().table("policy_epochs").take()).await?;
        manager.drop_table(Table::drop().table("bindings").take()).await?;
        Ok(())
    }
}

async fn bindings(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("bindings")
                .col(uuid("id").primary_key())
                .col(string("subject_kind"))
                .col(uuid("subject_id"))
                .col(string_null("role"))
                .col(string_null("capability"))
                .col(string("scope_kind"))
                .col(uuid("scope_id"))
                .col(uuid_null("on_behalf_of"))
                .col(timestamp_with_time_zone_null("not_before"))
                .col(timestamp_with_time_zone_null("not_after"))
                .col(uuid_null("created_by"))
                .col(timestamp_with_time_zone("created_at"))
                .take(),
        )
        .await?;
    manager
        .create_index(
            Index::create().name("ix_bindings_subject_id_id").table("bindings").col("subject_id").col("id").take(),
        )
        .await?;
    manager
        .create_index(
            Index::create().name("ix_bindings_scope_id_id").table("bindings").col("scope_id").col("id").take(),
        )
        .await?;
    Ok(())
}

async fn policy_epochs(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create().table("policy_epochs").col(integer("id").primary_key()).col(big_integer("epoch")).take(),
        )
        .await?;
    manager
        .execute(
            Query::insert()
                .into_table("policy_epochs")
                .columns(["id", "epoch"])
                .values_panic([1.into(), 1i64.into()])
                .take(),
        )
        .await?;
    Ok(())
}

async fn audit_entries(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("audit_entries")
                .col(uuid("id").primary_key())
                .col(timestamp_with_time_zone("at"))
                .col(uuid_null("actor_id"))
                .col(string("operation"))
                .col(string("outcome"))
                .col(string("scope_kind"))
                .col(uuid("scope_id"))
                .col(string_null("subject"))
                .col(big_integer("epoch"))
                .col(string("request_id"))
                .col(json_binary("details"))
                .take(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("ix_audit_entries_scope_id_id")
                .table("audit_entries")
                .col("scope_id")
                .col("id")
                .take(),
        )
        .await?;
    Ok(())
}

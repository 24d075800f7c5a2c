//! Tables for the roles that organizations make or import, the roles that may be activated for a while, and the assertions
//! about access that a change must keep true.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Grows with every change of a role, so that roles are read again only then.
        let roles_epoch = Table::alter().table("policy_epochs").add_column(big_integer("roles").default(1)).take();
        manager.alter_table(roles_epoch).await?;
        for column in [text_null("reason"), uuid_null("eligible_role_id")] {
            manager.alter_table(Table::alter().table("bindings").add_column(column).take()).await?;
        }
        roles(manager).await?;
        eligible_roles(manager).await?;
        policy_tests(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("policy_tests").take()).await?;
        manager.drop_table(Table::drop().table("eligible_roles").take()).await?;
        manager.drop_table(Table::drop().table("roles").take()).await?;
        for column in ["eligible_role_id", "reason"] {
            manager.alter_table(Table::alter().table("bindings").drop_column(column).take()).await?;
        }
        manager.alter_table(Table::alter().table("policy_epochs").drop_column("roles").take()).await
    }
}

async fn roles(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("roles")
                .col(uuid("id").primary_key())
                .col(string("scope_kind"))
                .col(uuid("scope_id"))
                .col(string("pack"))
                .col(string("name"))
                .col(text_null("description"))
                .col(json_binary("rows"))
                .col(uuid("created_by"))
                .col(timestamp_with_time_zone("created_at"))
                .col(integer("version"))
                .take(),
        )
        .await?;
    let unique = Index::create()
        .name("ux_roles_scope_id_pack_name")
        .table("roles")
        .col("scope_id")
        .col("pack")
        .col("name")
        .unique()
        .take();
    manager.create_index(unique).await?;
    let page = Index::create().name("ix_roles_scope_id_id").table("roles").col("scope_id").col("id").take();
    manager.create_index(page).await
}

async fn eligible_roles(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("eligible_roles")
                .col(uuid("id").primary_key())
                .col(string("subject_kind"))
                .col(uuid("subject_id"))
                .col(string("role"))
                .col(string("scope_kind"))
                .col(uuid("scope_id"))
                .col(integer("max_seconds"))
                .col(uuid("created_by"))
                .col(timestamp_with_time_zone("created_at"))
                .take(),
        )
        .await?;
    for column in ["scope_id", "subject_id"] {
        let index = Index::create()
            .name(format!("ix_eligible_roles_{column}_id"))
            .table("eligible_roles")
            .col(column)
            .col("id")
            .take();
        manager.create_index(index).await?;
    }
    Ok(())
}

async fn policy_tests(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("policy_tests")
                .col(uuid("id").primary_key())
                .col(uuid("organization_id"))
                .col(string("name"))
                .col(string("subject_kind"))
                .col(uuid("subject_id"))
                .col(boolean("outside"))
                .col(string("capability"))
                .col(string("environments"))
                .col(string("scope_kind"))
                .col(uuid("scope_id"))
                .col(uuid("created_by"))
                .col(timestamp_with_time_zone("created_at"))
                .foreign_key(
                    ForeignKey::create()
                        .from("policy_tests", "organization_id")
                        .to("organizations", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .take(),
        )
        .await?;
    let page = Index::create()
        .name("ix_policy_tests_organization_id_id")
        .table("policy_tests")
        .col("organization_id")
        .col("id")
        .take();
    manager.create_index(page).await
}

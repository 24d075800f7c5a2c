//! Tables for custom domains, their certificates, the accounts that these are asked for with, and what the edge does beside
//! serving.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        domains(manager).await?;
        certificates(manager).await?;
        acme_accounts(manager).await?;
        edge_settings(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["edge_settings", "acme_accounts", "certificates", "domains"] {
            manager.drop_table(Table::drop().table(table).take()).await?;
        }
        Ok(())
    }
}

async fn domains(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("domains")
                .col(uuid("id").primary_key())
                .col(uuid("environment_id"))
                .col(string("name"))
                .col(string("token"))
                .col(boolean("owned"))
                .col(boolean("delegated"))
                .col(integer("misses"))
                .col(text("finding"))
                .col(boolean("redirect_to_https"))
                .col(timestamp_with_time_zone_null("verified_at"))
                .col(timestamp_with_time_zone("state_changed_at"))
                .col(timestamp_with_time_zone_null("checked_at"))
                .col(timestamp_with_time_zone("next_check_at"))
                .col(uuid("created_by"))
                .col(timestamp_with_time_zone("created_at"))
                .foreign_key(
                    ForeignKey::create()
                        .from("domains", "environment_id")
                        .to("environments", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .foreign_key(
                    ForeignKey::create()
                        .from("domains", "created_by")
                        .to("users", "id")
                        .on_delete(ForeignKeyAction::Restrict),
                )
                .take(),
        )
        .await?;
    let index = |name: &str, columns: [&'static str; 2], unique: bool| {
        let mut index = Index::create().name(name).table("domains").col(columns[0]).col(columns[1]).take();
        if unique {
            index.unique();
        }
        index
    };
    let unique = index("ux_domains_environment_id_name", ["environment_id", "name"], true);
    manager.create_index(unique).await?;
    manager.create_index(index("ix_domains_environment_id_id", ["environment_id", "id"], false)).await?;
    manager.create_index(index("ix_domains_next_check_at_id", ["next_check_at", "id"], false)).await?;
    // Anybody may claim a name; whoever has proved it has it alone. The database itself keeps it so.
    manager
        .get_connection()
        .execute_unprepared("CREATE UNIQUE INDEX ux_domains_owned ON domains (name) WHERE owned")
        .await?;
    Ok(())
}

async fn certificates(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("certificates")
                .col(uuid("domain_id").primary_key())
                .col(text_null("chain"))
                .col(blob_null("sealed_key"))
                .col(timestamp_with_time_zone_null("issued_at"))
                .col(timestamp_with_time_zone_null("expires_at"))
                .col(timestamp_with_time_zone("next_try_at"))
                .col(integer("failures"))
                .col(text_null("failure"))
                .foreign_key(
                    ForeignKey::create()
                        .from("certificates", "domain_id")
                        .to("domains", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .take(),
        )
        .await
}

async fn acme_accounts(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("acme_accounts")
                .col(string("directory").primary_key())
                .col(blob("sealed_credentials"))
                .col(timestamp_with_time_zone("created_at"))
                .take(),
        )
        .await
}

async fn edge_settings(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("edge_settings")
                .col(uuid("environment_id").primary_key())
                .col(json_binary("settings"))
                .col(integer("version"))
                .foreign_key(
                    ForeignKey::create()
                        .from("edge_settings", "environment_id")
                        .to("environments", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .take(),
        )
        .await
}

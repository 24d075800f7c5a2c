//! The table of builds: what has made the files of a deployment, and which files.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("builds")
                    .col(uuid("deployment_id").primary_key())
                    .col(timestamp_with_time_zone("started_at"))
                    .col(timestamp_with_time_zone_null("finished_at"))
                    .col(integer_null("exit_code"))
                    .col(json_null("entries"))
                    .col(integer("file_count").default(0))
                    .col(big_integer("size_bytes").default(0))
                    .foreign_key(
                        ForeignKey::create()
                            .from("builds", "deployment_id")
                            .to("deployments", "id")
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("builds").take()).await
    }
}

//! A table for what is measured over time.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("traffic_samples")
            .col(uuid("deployment_id"))
            .col(big_integer("minute"))
            .col(string("replica"))
            .col(json("traffic"))
            .primary_key(Index::create().col("deployment_id").col("minute").col("replica"))
            .foreign_key(
                ForeignKey::create()
                    .from("traffic_samples", "deployment_id")
                    .to("deployments", "id")
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .take();
        manager.create_table(table).await?;
        // What is too old is found by its time alone.
        let index = Index::create().name("ix_traffic_samples_minute").table("traffic_samples").col("minute").take();
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("traffic_samples").take()).await
    }
}

//! Events of a deployment's instances, beside those of its states.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLE: &str = "deployment_events";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add(manager, string("kind").default("state")).await?;
        add(manager, &mut integer_null("instance")).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // What happened to instances would read as a state that the deployment came to.
        let others = Query::delete().from_table(TABLE).and_where(Expr::col("kind").ne("state")).take();
        manager.execute(others).await?;
        for column in ["instance", "kind"] {
            manager.alter_table(Table::alter().table(TABLE).drop_column(column).take()).await?;
        }
        Ok(())
    }
}

async fn add(manager: &SchemaManager<'_>, column: &mut ColumnDef) -> Result<(), DbErr> {
    manager.alter_table(Table::alter().table(TABLE).add_column(column).take()).await
}

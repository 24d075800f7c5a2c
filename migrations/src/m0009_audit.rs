//! What an auditor needs: the bindings that allowed an entry, where it belongs even when that is gone, who used what when,
//! and a log that cannot be rewritten.

use sea_orm::DbBackend;
use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Where the entries before this migration belong, as far as it is there. The log of an organization or a project is asked
/// for by these columns: rows of the hierarchy come and go, and what was done below them stays.
const PLACES: [&str; 4] = [
    "UPDATE audit_entries SET organization_id = scope_id WHERE scope_kind = 'organization'",
    "UPDATE audit_entries SET project_id = scope_id WHERE scope_kind = 'project'",
    "UPDATE audit_entries SET project_id = (SELECT project_id FROM environments WHERE environments.id = scope_id) \
     WHERE scope_kind = 'environment'",
    "UPDATE audit_entries SET organization_id = \
     (SELECT organization_id FROM projects WHERE projects.id = audit_entries.project_id) WHERE project_id IS NOT NULL",
];
const INDEXES: [(&str, &str); 3] = [
    ("ix_audit_entries_actor_id_id", "actor_id"),
    ("ix_audit_entries_organization_id_id", "organization_id"),
    ("ix_audit_entries_project_id_id", "project_id"),
];
/// The log grows at its end and nowhere else, whoever is connected.
const SQLITE: [&str; 2] = [
    "CREATE TRIGGER audit_entries_no_update BEFORE UPDATE ON audit_entries \
     BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    "CREATE TRIGGER audit_entries_no_delete BEFORE DELETE ON audit_entries \
     BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
];
const POSTGRES: [&str; 3] = [
    "CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS \
     $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$",
    "CREATE TRIGGER audit_entries_no_change BEFORE UPDATE OR DELETE ON audit_entries \
     FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()",
    "CREATE TRIGGER audit_entries_no_truncate BEFORE TRUNCATE ON audit_entries \
     FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()",
];
const SQLITE_DOWN: [&str; 2] = ["DROP TRIGGER audit_entries_no_delete", "DROP TRIGGER audit_entries_no_update"];
const POSTGRES_DOWN: [&str; 3] = [
    "DROP TRIGGER audit_entries_no_truncate ON audit_entries",
    "DROP TRIGGER audit_entries_no_change ON audit_entries",
    "DROP FUNCTION refuse_audit_change()",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in [json_binary_null("bindings"), uuid_null("organization_id"), uuid_null("project_id")] {
            manager.alter_table(Table::alter().table("audit_entries").add_column(column).take()).await?;
        }
        run(manager, &PLACES, &PLACES).await?;
        for (name, column) in INDEXES {
            let mut index = Index::create();
            index.name(name).table("audit_entries").col(column).col("id");
            manager.create_index(index).await?;
        }
        run(manager, &SQLITE, &POSTGRES).await?;
        capability_uses(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("capability_uses").take()).await?;
        run(manager, &SQLITE_DOWN, &POSTGRES_DOWN).await?;
        for (name, _) in INDEXES {
            let mut index = Index::drop();
            index.name(name).table("audit_entries");
            manager.drop_index(index).await?;
        }
        for column in ["project_id", "organization_id", "bindings"] {
            manager.alter_table(Table::alter().table("audit_entries").drop_column(column).take()).await?;
        }
        Ok(())
    }
}

async fn run(manager: &SchemaManager<'_>, sqlite: &[&str], postgres: &[&str]) -> Result<(), DbErr> {
    let statements = if manager.get_database_backend() == DbBackend::Postgres { postgres } else { sqlite };
    for statement in statements {
        manager.get_connection().execute_unprepared(statement).await?;
    }
    Ok(())
}

async fn capability_uses(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    manager
        .create_table(
            Table::create()
                .table("capability_uses")
                .col(uuid("user_id"))
                .col(string("scope_kind"))
                .col(uuid("scope_id"))
                .col(string("capability"))
                .col(timestamp_with_time_zone("last_used_at"))
                .primary_key(Index::create().col("user_id").col("scope_id").col("capability"))
                .foreign_key(
                    ForeignKey::create()
                        .from("capability_uses", "user_id")
                        .to("users", "id")
                        .on_delete(ForeignKeyAction::Cascade),
                )
                .take(),
        )
        .await?;
    manager
        .create_index(
            Index::create()
                .name("ix_capability_uses_scope_id_user_id")
                .table("capability_uses")
                .col("scope_id")
                .col("user_id")
                .take(),
        )
        .await
}

//! Everything that a database holds, as somebody finds it who has a copy in hand.

use std::path::Path;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

/// All bytes of a database: for SQLite of its files, for PostgreSQL of every row of every table.
pub(crate) async fn dump(url: &str) -> Vec<u8> {
    if let Some(rest) = url.strip_prefix("sqlite://") {
        let file = rest.split('?').next().unwrap();
        let parts = ["", "-wal"].map(|end| std::fs::read(format!("{file}{end}")).unwrap_or_default());
        assert!(!parts[0].is_empty() && Path::new(file).exists());
        return parts.concat();
    }
    let database = sea_orm::Database::connect(url).await.unwrap();
    let tables =
        texts(&database, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'").await;
    assert!(tables.len() > 20, "{tables:?}");
    let mut all = Vec::new();
    for table in tables {
        for row in texts(&database, &format!("SELECT row_to_json(t)::text FROM \"{table}\" t")).await {
            all.extend(row.as_bytes());
            // Bytes are written in hexadecimal: what they would say as text stands beside.
            for word in row.split("\\\\x").skip(1) {
                let hex: String = word.chars().take_while(char::is_ascii_hexdigit).collect();
                all.extend(data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap_or_default());
            }
        }
    }
    database.close().await.unwrap();
    all
}

async fn texts(database: &DatabaseConnection, query: &str) -> Vec<String> {
    let rows = database.query_all_raw(Statement::from_string(DbBackend::Postgres, query)).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

/// Whether these bytes stand somewhere in those.
pub(crate) fn holds(all: &[u8], text: &str) -> bool {
    all.windows(text.len()).any(|window| window == text.as_bytes())
}

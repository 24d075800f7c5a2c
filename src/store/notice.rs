//! What users are told. A notice is its user's own; there is no permit for it.

use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use entities::ids::{NoticeId, UserId};
use entities::notice::{Column, Entity, Model};

use super::source::Connected;
use super::{Source, Write, page, sql};
use crate::error::Result;
use crate::sys::{clock, ids};

/// Tells each of these users the same.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn create(
    write: &mut Write,
    users: impl IntoIterator<Item = UserId>,
    subject: &str,
    body: &str,
) -> Result<()> {
    let row = |user_id| Model {
        id: ids::new::<NoticeId>(),
        user_id,
        subject: subject.to_owned(),
        body: body.to_owned(),
        created_at: clock::now(),
    };
    let rows: Vec<_> = users.into_iter().map(|user| row(user).into_active_model()).collect();
    // As many as fit into one statement of either database.
    for some in rows.chunks(500) {
        let insert = Entity::insert_many(some.to_vec());
        insert.exec_without_returning(write.connection()).await.map_err(sql)?;
    }
    Ok(())
}

/// A page of what a user was told.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn of_user(source: &impl Source, user: UserId, page: &page::Page) -> Result<page::Rows<Model>> {
    page::read(source, Entity::find().filter(Column::UserId.eq(user)), Column::Id, page).await
}

//! Invitations. Whom one is for is told by its address: whoever takes it has shown that it is theirs.

use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use entities::ids::{Id, InvitationId};
use entities::invitation::{Column, Entity, Model};
use entities::{binding, user};

use super::source::Connected;
use super::{Source, Write, page, sql};
use crate::authz::{Held, Permit};
use crate::error::{Error, Result};
use crate::sys::clock;

/// An invitation that its addressee took: the proof that lets them in.
#[derive(Debug)]
pub struct Taken(Model);

impl Taken {
    /// What it said.
    pub fn row(&self) -> &Model {
        &self.0
    }
}

/// Adds an invitation to the scope that the permit speaks for, in place of one that is there for the same address.
///
/// # Errors
/// `Internal` when the row leads elsewhere.
pub async fn create<C: Held>(write: &mut Write, permit: &Permit<C>, row: Model) -> Result<Model> {
    if row.scope_id != permit.key() {
        return Err(Error::Internal("an invitation to another scope than the permit's".to_owned()));
    }
    let connection = write.connection();
    let before = Entity::delete_many().filter(Column::ScopeId.eq(row.scope_id)).filter(Column::Email.eq(&row.email));
    before.exec(connection).await.map_err(sql)?;
    Entity::insert(row.clone().into_active_model()).exec_without_returning(connection).await.map_err(sql)?;
    Ok(row)
}

/// An invitation, for finding out what taking or revoking it needs; it is shown to nobody.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn find(source: &impl Source, id: InvitationId) -> Result<Option<Model>> {
    Entity::find_by_id(id).one(source.connection()).await.map_err(sql)
}

/// Takes an invitation for its addressee: it is gone.
///
/// # Errors
/// `NotFound` when there is none for them.
pub async fn take(write: &mut Write, id: InvitationId, user: &user::Model) -> Result<Taken> {
    let row = find(write, id).await?.filter(|row| row.email == user.email).ok_or_else(super::gone("invitation"))?;
    let gone = Entity::delete_by_id(id).exec(write.connection()).await.map_err(sql)?;
    if gone.rows_affected == 0 {
        return Err(super::gone("invitation")());
    }
    Ok(Taken(row))
}

/// Binds what a taken invitation carries; what is bound just so already stays as it is.
///
/// # Errors
/// `Internal` when the row says something else than the invitation.
pub async fn bind(write: &mut Write, taken: &Taken, row: binding::Model) -> Result<binding::Model> {
    let invited = taken.row();
    if (row.scope_id, row.role.as_deref()) != (invited.scope_id, Some(invited.role.as_str())) {
        return Err(Error::Internal("a binding of something else than the invitation's".to_owned()));
    }
    let same = binding::Entity::find()
        .filter(binding::Column::SubjectId.eq(row.subject_id))
        .filter(binding::Column::ScopeId.eq(row.scope_id))
        .filter(binding::Column::Role.eq(row.role.clone()))
        .filter(binding::Column::OnBehalfOf.is_null())
        .filter(binding::Column::NotBefore.is_null())
        .filter(binding::Column::NotAfter.is_null());
    match same.one(write.connection()).await.map_err(sql)? {
        Some(present) => Ok(present),
        None => super::binding::insert(write, row).await,
    }
}

/// Removes an invitation to the scope that the permit speaks for.
///
/// # Errors
/// `NotFound` when it is not there.
pub async fn revoke<C: Held>(write: &mut Write, permit: &Permit<C>, id: InvitationId) -> Result<()> {
    let gone = Entity::delete_by_id(id).filter(Column::ScopeId.eq(permit.key())).exec(write.connection()).await;
    if gone.map_err(sql)?.rows_affected == 0 {
        return Err(super::gone("invitation")());
    }
    Ok(())
}

/// A page of the invitations to the scope that the permit speaks for, those that have expired too.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn list<C: Held>(source: &impl Source, permit: &Permit<C>, page: &page::Page) -> Result<page::Rows<Model>> {
    page::read(source, Entity::find().filter(Column::ScopeId.eq(permit.key())), Column::Id, page).await
}

/// A page of the invitations that a user may accept.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn for_user(source: &impl Source, user: &user::Model, page: &page::Page) -> Result<page::Rows<Model>> {
    let open = Entity::find().filter(Column::Email.eq(&user.email)).filter(Column::ExpiresAt.gt(clock::now()));
    page::read(source, open, Column::Id, page).await
}

/// The scope that an invitation leads to.
pub fn scope(row: &Model) -> crate::authz::Scope {
    super::facts::scope(row.scope_kind, row.scope_id)
}

/// The team that an invitation leads to, when it is one.
pub fn team(row: &Model) -> Option<entities::ids::TeamId> {
    let team = row.scope_kind == entities::values::ScopeKind::Team;
    team.then(|| entities::ids::TeamId::from_uuid(row.scope_id))
}

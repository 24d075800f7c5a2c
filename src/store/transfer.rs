//! Offers of organizations to teams. An organization is offered to one team at a time.

use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use entities::ids::{Id, OrganizationId, TeamId, TransferId};
use entities::organization;
use entities::transfer::{Column, Entity, Model};

use super::source::Connected;
use super::{Source, Write, page, sql, sql_or_taken};
use crate::authz::{Permit, cap};
use crate::error::{Error, Result};

/// Offers the organization that the permit speaks for.
///
/// # Errors
/// `Conflict` when it is offered already.
pub async fn create(write: &mut Write, permit: &Permit<cap::OrganizationTransfer>, row: Model) -> Result<Model> {
    if row.organization_id.uuid() != permit.key() {
        return Err(Error::Internal("an offer of another organization than the permit's".to_owned()));
    }
    let active = row.clone().into_active_model();
    Entity::insert(active).exec_without_returning(write.connection()).await.map_err(|e| {
        sql_or_taken(e, || {
            Error::Conflict("this organization is offered already; withdraw that offer first".to_owned())
        })
    })?;
    Ok(row)
}

/// An offer, for finding out what answering it needs; it is shown to nobody.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn find(source: &impl Source, id: TransferId) -> Result<Option<Model>> {
    Entity::find_by_id(id).one(source.connection()).await.map_err(sql)
}

/// The team that the permit speaks for accepts: it manages the organization from now on.
///
/// # Errors
/// `NotFound` when the offer is not for it, or has gone.
pub async fn accept(
    write: &mut Write,
    permit: &Permit<cap::TeamOrganizationCreate>,
    id: TransferId,
) -> Result<organization::Model> {
    let offer = find(write, id).await?.filter(|row| row.team_id.uuid() == permit.key());
    let offer = offer.ok_or_else(super::gone("transfer"))?;
    delete(write, id).await?;
    super::organization::hand_over(write, offer.organization_id, offer.team_id).await
}

/// Takes back an offer of the organization that the permit speaks for.
///
/// # Errors
/// `NotFound` when there is none.
pub async fn withdraw(write: &mut Write, permit: &Permit<cap::OrganizationTransfer>, id: TransferId) -> Result<()> {
    let offer = find(write, id).await?.filter(|row| row.organization_id.uuid() == permit.key());
    offer.ok_or_else(super::gone("transfer"))?;
    delete(write, id).await
}

/// Declines an offer to the team that the permit speaks for.
///
/// # Errors
/// `NotFound` when there is none.
pub async fn decline(write: &mut Write, permit: &Permit<cap::TeamOrganizationCreate>, id: TransferId) -> Result<()> {
    let offer = find(write, id).await?.filter(|row| row.team_id.uuid() == permit.key());
    offer.ok_or_else(super::gone("transfer"))?;
    delete(write, id).await
}

async fn delete(write: &Write, id: TransferId) -> Result<()> {
    let gone = Entity::delete_by_id(id).exec(write.connection()).await.map_err(sql)?;
    if gone.rows_affected == 0 { Err(super::gone("transfer")()) } else { Ok(()) }
}

/// The offer of the organization that the permit speaks for, if there is one.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn of_organization(
    source: &impl Source,
    permit: &Permit<cap::OrganizationTransfer>,
) -> Result<Option<Model>> {
    let select = Entity::find().filter(Column::OrganizationId.eq(OrganizationId(permit.key())));
    select.one(source.connection()).await.map_err(sql)
}

/// A page of what is offered to the team that the permit speaks for.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn to_team(
    source: &impl Source,
    permit: &Permit<cap::TeamOrganizationCreate>,
    page: &page::Page,
) -> Result<page::Rows<Model>> {
    page::read(source, Entity::find().filter(Column::TeamId.eq(TeamId(permit.key()))), Column::Id, page).await
}

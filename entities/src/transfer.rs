//! An organization that is offered to another team.

use sea_orm::entity::prelude::*;

use crate::ids::{OrganizationId, TeamId, TransferId, UserId};

/// An organization that is offered to another team.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "transfers")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TransferId,
    /// What is offered.
    #[sea_orm(unique)]
    pub organization_id: OrganizationId,
    /// To whom.
    pub team_id: TeamId,
    /// Who offers it.
    pub offered_by: UserId,
    /// When.
    pub created_at: DateTimeUtc,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

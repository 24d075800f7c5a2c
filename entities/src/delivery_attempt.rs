//! One attempt to deliver, and what came of it.

use sea_orm::entity::prelude::*;

use crate::ids::{DeliveryAttemptId, DeliveryId};

/// One attempt to deliver.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "delivery_attempts")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DeliveryAttemptId,
    /// Of which delivery.
    pub delivery_id: DeliveryId,
    /// When it began.
    pub at: DateTimeUtc,
    /// How long it took.
    pub duration_ms: i32,
    /// The HTTP status that was answered; none where there was no answer.
    pub status_code: Option<i32>,
    /// The beginning of the answer, or why there was none.
    #[sea_orm(column_type = "Text")]
    pub answer: String,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

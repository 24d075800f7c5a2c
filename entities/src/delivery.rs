//! Something that is on its way to a webhook, or to somebody by mail. It is written with the change that it tells of.

use sea_orm::entity::prelude::*;

use crate::ids::{DeliveryId, EnvironmentId, EventId, UserId, WebhookId};
use crate::values::{DeliveryState, EventKind};

/// Something that is on its way to a webhook, or to somebody by mail.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "deliveries")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DeliveryId,
    /// What happened: the same for everybody who is told of it, however often.
    pub event_id: EventId,
    /// What sort of thing.
    pub event: EventKind,
    /// The webhook; none for a mail.
    pub webhook_id: Option<WebhookId>,
    /// Whom the mail is for, if they have an account.
    pub user_id: Option<UserId>,
    /// The address of the mail.
    #[sea_orm(column_type = "Text", nullable)]
    pub recipient: Option<String>,
    /// Where it happened: whoever may not see that is not told.
    pub environment_id: Option<EnvironmentId>,
    /// What is told.
    pub content: Json,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: i32,
    /// Why it is not delivered.
    #[sea_orm(column_type = "Text", nullable)]
    pub problem: Option<String>,
    /// When it happened.
    pub created_at: DateTimeUtc,
    /// When it came to its end.
    pub finished_at: Option<DateTimeUtc>,
    /// From when on it is to be sent, in Unix milliseconds; while somebody sends it, until when nobody else does.
    pub due_ms: i64,
    /// Who sends it.
    pub lease_owner: Option<String>,
}

/// None: joins are written where they are used.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

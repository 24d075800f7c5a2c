//! Makes new ids: sortable by the time they were made (UUID version 7).

use entities::ids::Id;

/// A fresh id of the wanted kind.
#[expect(clippy::disallowed_methods, reason = "this is the one place that makes ids")]
pub fn new<I: Id>() -> I {
    I::from_uuid(uuid::Uuid::now_v7())
}

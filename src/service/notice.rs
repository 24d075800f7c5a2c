//! Telling people what concerns them: kept with the change that it tells of, both or neither.

use entities::ids::UserId;

use crate::error::Result;
use crate::store::{self, Write};

/// Tells each of these users the same, when the change is committed: `subject` in a few words, `body` in full.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn tell(write: &mut Write, users: impl IntoIterator<Item = UserId>, subject: &str, body: &str) -> Result<()> {
    store::notice::create(write, users, subject, body).await
}

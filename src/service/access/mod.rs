//! Who holds what where, and the one way of changing it. Nobody gives more than they hold; what a change breaks is refused;
//! and what it would do can be asked before it is done.

use chrono::{DateTime, Utc};

use entities::ids::{EligibleRoleId, TeamId, UserId};

use crate::audit::Entry;
use crate::authz::{Capability, Packs, Scope};
use crate::domain::email::EmailAddress;
use crate::domain::quote;
use crate::error::{Error, Result};
use crate::store::{self, Store};

mod change;
pub mod eligible;
pub mod exchange;
mod grant;
pub mod invitation;
pub mod lock;
pub mod person;
pub mod policy_test;
mod rails;
pub mod review;
pub mod role;
mod standing;
pub mod team;
mod transfer;
pub mod watching;
pub mod who;

pub use change::{Change, Changed, Preview, commit, preview};
pub(in crate::service) use change::{Watch, settle};
pub use rails::Rail;
pub use standing::{Difference, Shift};

/// Who something is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// One user.
    User(UserId),
    /// Every member of a team.
    Team(TeamId),
}

/// What is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gift {
    /// A role, by its full name or id.
    Role(String),
    /// One capability.
    Capability(Capability),
}

/// Something for somebody on a scope.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Who.
    pub subject: Subject,
    /// What.
    pub gift: Gift,
    /// Where.
    pub scope: Scope,
    /// Counts only while the user is in this team and the team manages the organization.
    pub on_behalf_of: Option<TeamId>,
    /// From when it counts.
    pub not_before: Option<DateTime<Utc>>,
    /// Until when it counts.
    pub not_after: Option<DateTime<Utc>>,
    /// Why, when somebody had to say so.
    pub reason: Option<String>,
    /// The eligible role that is activated by it.
    pub eligible_role: Option<EligibleRoleId>,
}

/// Gives somebody a role on the console, for whoever has the database in hand: how the first administrator comes to be.
///
/// # Errors
/// `NotFound` for an address without an account, `InvalidInput` for a role that no pack knows.
pub async fn bootstrap(store: &Store, packs: &Packs, email: &EmailAddress, role: &str, entry: Entry) -> Result<()> {
    if packs.role(role).is_none() {
        return Err(Error::invalid("role", "unknown", format!("there is no role {}", quote(role))));
    }
    let user = store::user::find_by_email(store, email).await?;
    let user = user.ok_or_else(|| Error::not_found(format!("account with the address {}", quote(email.as_str()))))?;
    let mut write = store.write_access(entry).await?;
    write.entry().subject = Some(user.id.to_string());
    write.entry().details = serde_json::json!({ "role": role });
    store::binding::create_for_maker(&mut write, user.id, role, Scope::Console).await?;
    write.commit().await
}

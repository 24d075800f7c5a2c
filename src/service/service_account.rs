//! Service accounts: programs with roles and keys of their own. They hold what they are given, like anybody.

use entities::ids::UserId;
use entities::values::UserKind;
use entities::{service_account, user};

use crate::authz::{Level, Scope, cap};
use crate::domain::name::DisplayName;
use crate::error::{Error, Result};
use crate::op::Op;
use crate::store::{self, facts};
use crate::sys::{clock, ids};

/// Nobody reads mail there (RFC 2606), and nobody signs up there by accident.
const DOMAIN: &str = "service-accounts.invalid";

/// Makes a service account of an organization, a project or the console.
///
/// # Errors
/// `Forbidden`, `NotFound` by `service_account.manage`.
pub async fn create(op: &Op, scope: Scope, name: DisplayName) -> Result<user::Model> {
    if !matches!(scope.level(), Level::Console | Level::Organization | Level::Project) {
        let text = "a service account belongs to an organization, a project or the console";
        return Err(Error::invalid("scope", "not_an_owner", text));
    }
    let (mut write, permit) = op.change::<cap::ServiceAccountManage>("service_account.create", scope).await?;
    let (id, now) = (ids::new::<UserId>(), clock::now());
    let account = user::Model {
        id,
        email: format!("{id}@{DOMAIN}"),
        name: name.as_str().to_owned(),
        kind: UserKind::Bot,
        password_hash: None,
        suspended_at: None,
        created_at: now,
        version: 1,
    };
    let row = service_account::Model {
        user_id: id,
        scope_kind: facts::scope_kind(scope),
        scope_id: scope.uuid(),
        created_by: op.user()?,
        created_at: now,
    };
    let account = store::service_account::create(&mut write, &permit, account, row).await?;
    write.entry().subject = Some(id.to_string());
    write.entry().details = serde_json::json!({ "name": account.name });
    write.commit().await?;
    Ok(account)
}

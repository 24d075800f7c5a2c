//! What the edge does for an environment beside serving it, as its people set it. It must not know how the edge does it.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use entities::ids::EnvironmentId;

use super::{App, blocking};
use crate::authn::passwords;
use crate::authz::cap;
use crate::domain::edge_settings::{EdgeSettings, Redirect, check_redirects};
use crate::domain::password::Password;
use crate::error::{Error, Result};
use crate::op::Op;
use crate::store::edge_settings;

/// What may be changed; none leaves it as it is.
#[derive(Debug, Default)]
pub struct Update {
    /// In the order in which they are tried.
    pub redirects: Option<Vec<Redirect>>,
    /// A new password, or none from now on.
    pub password: Option<Option<Password>>,
    /// HTML by status.
    pub error_pages: Option<BTreeMap<u16, String>>,
    /// A bound, or none from now on.
    pub requests_per_minute: Option<Option<NonZeroU32>>,
    /// Whether answers are compressed.
    pub compression: Option<bool>,
}

/// The settings of an environment, and their version.
///
/// # Errors
/// `Forbidden`, `NotFound` by `edge.manage`.
pub async fn settings(op: &Op, id: EnvironmentId) -> Result<(EdgeSettings, i32)> {
    let permit = op.permit::<cap::EdgeManage>(id).await?;
    edge_settings::get(op.store(), &permit).await
}

/// Changes the settings of an environment.
///
/// # Errors
/// `Conflict` when they are no longer at `expected_version`; `Forbidden`, `NotFound` by `edge.manage`.
pub async fn update(
    app: &App,
    op: &Op,
    id: EnvironmentId,
    update: Update,
    expected_version: i32,
) -> Result<(EdgeSettings, i32)> {
    if let Some(redirects) = &update.redirects {
        check_redirects(redirects)?;
    }
    op.permit_to_begin::<cap::EdgeManage>("edge.update", id).await?;
    let password_hash = match update.password {
        None => None,
        Some(None) => Some(None),
        Some(Some(password)) => Some(Some(hashed(app, password).await?)),
    };
    let (mut write, permit) = op.change::<cap::EdgeManage>("edge.update", id).await?;
    let (before, _) = edge_settings::get(&write, &permit).await?;
    let settings = EdgeSettings {
        redirects: update.redirects.unwrap_or(before.redirects),
        password_hash: password_hash.unwrap_or(before.password_hash),
        error_pages: update.error_pages.unwrap_or(before.error_pages),
        requests_per_minute: update.requests_per_minute.unwrap_or(before.requests_per_minute),
        compression: update.compression.unwrap_or(before.compression),
    };
    let version = edge_settings::set(&mut write, &permit, &settings, expected_version).await?;
    write.entry().details = serde_json::json!({
        "redirects": settings.redirects.len(),
        "passwordProtected": settings.password_hash.is_some(),
        "errorPages": settings.error_pages.keys().collect::<Vec<_>>(),
        "requestsPerMinute": settings.requests_per_minute,
        "compression": settings.compression,
    });
    write.commit().await?;
    app.ring();
    Ok((settings, version))
}

async fn hashed(app: &App, password: Password) -> Result<String> {
    let _turn = app.limits.hashing.acquire().await.map_err(|e| Error::Internal(e.to_string()))?;
    blocking(move || passwords::hash(&password)).await?.map_err(|_| Error::Internal("hashing failed".into()))
}

//! What the viewer may do, asked on every object in a scope: the same derivation that a mutation asks.

use async_graphql::{Context, SimpleObject};

use crate::authz::{Capability, Mask, Scope};
use crate::domain::quote;
use crate::error::{Error, Result};
use crate::graphql::context::loaders;

/// Whether the viewer holds a capability on an object.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ViewerCapability {
    /// The capability.
    capability: String,
    /// Whether the viewer holds it here.
    allowed: bool,
    /// Why not; `accessDecision` has the whole derivation.
    reason: Option<String>,
}

pub(in crate::graphql) async fn mask(ctx: &Context<'_>, scope: Scope) -> Result<Mask> {
    Ok(loaders(ctx).masks.one(scope).await?.map_or(Mask::EMPTY, |mask| *mask))
}

/// Reads the name of a capability, or one of its aliases.
pub(in crate::graphql) fn capability(field: &str, name: &str) -> Result<Capability> {
    Capability::parse(name).ok_or_else(|| {
        let text = format!("there is no capability {}; `capabilities` lists them", quote(name));
        Error::invalid(field, "unknown", text)
    })
}

pub(in crate::graphql) async fn viewer_can(
    ctx: &Context<'_>,
    scope: Scope,
    names: Vec<String>,
) -> Result<Vec<ViewerCapability>> {
    let wanted: Vec<Capability> =
        names.iter().map(|name| capability("capabilities", name)).collect::<Result<Vec<_>>>()?;
    let held = mask(ctx, scope).await?;
    let answer = wanted.into_iter().zip(names).map(|(wanted, name)| {
        let allowed = held.contains(wanted);
        ViewerCapability { capability: name, allowed, reason: (!allowed).then(|| lacks(wanted)) }
    });
    Ok(answer.collect())
}

pub(in crate::graphql) async fn viewer_capabilities(ctx: &Context<'_>, scope: Scope) -> Result<Vec<String>> {
    let held = mask(ctx, scope).await?;
    let here = held.iter().filter(|capability| capability.level() == scope.level());
    Ok(here.map(|capability| capability.name().to_owned()).collect())
}

/// A refusal in words.
pub(in crate::graphql) fn lacks(capability: Capability) -> String {
    format!("you lack `{}` here", capability.name())
}

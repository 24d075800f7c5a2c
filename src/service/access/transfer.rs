//! An organization goes over to another team: what was held through or on behalf of the old one counts no longer, and comes
//! back to life if it returns. An offer is weighed again when it is accepted, since whoever made it may have lost the right
//! to in the meantime.

use entities::binding::Model as Row;
use entities::ids::{TeamId, TransferId};
use entities::transfer::Model;

use super::change::{Changed, place};
use super::grant::affected_by;
use super::standing::{Affected, facts_of_one};
use crate::authz::{Authority, Capability, Scope, cap};
use crate::error::{Error, Result};
use crate::op::Op;
use crate::service::notice;
use crate::store::{self, Write, population, team_member, transfer};

/// Whom accepting touches: who may hold something through the old team or the new one, and whoever holds something on
/// behalf of a team, wherever in the organization.
pub(super) async fn affected(write: &Write, id: TransferId) -> Result<Affected> {
    let Some(offer) = transfer::find(write, id).await? else { return Ok(Affected::default()) };
    let scope = Scope::from(offer.organization_id);
    let packs = store::role::packs(write).await?;
    let mut on_behalf: Vec<Row> = population::bound_within(write, scope).await?;
    on_behalf.retain(|row| row.on_behalf_of.is_some());
    let mut affected = affected_by(write, &on_behalf).await?;
    affected.users.extend(population::candidates(write, &packs, scope).await?);
    let at_team = population::bound_within(write, offer.team_id.into()).await?;
    affected.users.extend(affected_by(write, &at_team).await?.users);
    affected.scopes.insert(scope);
    Ok(affected)
}

pub(super) async fn accept(op: &Op, write: &mut Write, id: TransferId) -> Result<Changed> {
    write.entry().subject = Some(id.to_string());
    let unseen = || Error::not_found("transfer");
    let permit = op.permit_in::<cap::TeamOrganizationCreate>(write, id).await?;
    let offer = transfer::find(write, id).await?.ok_or_else(unseen)?;
    if !still_offered(write, &offer).await? {
        return Err(Error::FailedPrecondition {
            reason: "TRANSFER_STALE",
            message: "whoever offered this organization may not do so any more; ask for another offer".to_owned(),
        });
    }
    let before = store::organization::find(write, offer.organization_id).await?.ok_or_else(unseen)?.team_id;
    let row = transfer::accept(write, &permit, id).await?;
    place(write, row.id.into()).await?;
    write.entry().details = serde_json::json!({ "from": before.to_string(), "to": offer.team_id.to_string() });
    tell(write, &offer, before, &row.slug).await?;
    Ok(Changed::Organization(row))
}

/// Whether whoever made the offer might make it today.
async fn still_offered(write: &Write, offer: &Model) -> Result<bool> {
    let (packs, scope) = (store::role::packs(write).await?, Scope::from(offer.organization_id));
    let facts = facts_of_one(write, &packs, offer.offered_by, &[scope]).await?;
    Ok(facts.is_some_and(|facts| Authority::of(&facts, &packs).allows(&facts, scope, Capability::OrganizationTransfer)))
}

async fn tell(write: &mut Write, offer: &Model, before: TeamId, slug: &str) -> Result<()> {
    let mut owners = team_member::owners(write, before).await?;
    owners.extend(team_member::owners(write, offer.team_id).await?);
    owners.sort_unstable();
    owners.dedup();
    let name = store::team::find(write, offer.team_id).await?.map_or_else(String::new, |team| team.name);
    let body = format!("the organization `{slug}` is managed by the team `{name}` from now on");
    notice::tell(write, owners, &format!("`{slug}` was transferred"), &body).await
}

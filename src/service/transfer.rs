//! Offering an organization to another team, and taking the offer back or declining it. Accepting one changes who holds what
//! and is the matter of [`super::access`].

use entities::ids::{Id, OrganizationId, TeamId, TransferId};
use entities::transfer::Model;

use super::notice;
use crate::authz::{Scope, cap};
use crate::error::{Error, Result};
use crate::op::Op;
use crate::store::{self, team_member};
use crate::sys::{clock, ids};

/// Offers an organization to a team. Whoever knows the id of a team may offer it something: whether it has members, and who
/// they are, shows in no answer.
///
/// # Errors
/// `Conflict` when it is offered already; `NotFound` when there is no such team; `Forbidden`, `NotFound` by
/// `organization.transfer`.
pub async fn offer(op: &Op, organization: OrganizationId, team: TeamId) -> Result<Model> {
    let (mut write, permit) = op.change::<cap::OrganizationTransfer>("transfer.offer", organization).await?;
    let row = store::organization::find(&write, organization).await?.ok_or_else(|| Error::not_found("organization"))?;
    if row.team_id == team {
        return Err(Error::invalid("teamId", "same", "this team manages the organization already"));
    }
    store::team::find(&write, team).await?.ok_or_else(|| Error::not_found("team"))?;
    let offer = Model {
        id: ids::new::<TransferId>(),
        organization_id: organization,
        team_id: team,
        offered_by: op.user()?,
        created_at: clock::now(),
    };
    let offer = store::transfer::create(&mut write, &permit, offer).await?;
    let owners = team_member::owners(&write, team).await?;
    let body = format!("the organization `{}` is offered to a team of yours; accept or decline it", row.slug);
    notice::tell(&mut write, owners, &format!("`{}` is offered to you", row.slug), &body).await?;
    write.entry().details = serde_json::json!({ "transfer": offer.id.to_string(), "team": team.to_string() });
    write.commit().await?;
    Ok(offer)
}

/// Ends an offer: whoever may offer takes it back, whoever may accept declines it.
///
/// # Errors
/// `NotFound` when there is none that the actor may answer, by `organization.transfer` or `team.organization.create`.
pub async fn withdraw(op: &Op, id: TransferId) -> Result<Model> {
    op.user()?;
    let unseen = || Error::not_found("transfer");
    let offer = store::transfer::find(op.store(), id).await?;
    // What is not there takes the same way, and the same time, as what is somebody else's.
    let nowhere = (Scope::Team(id.uuid().as_u128()), Scope::Organization(id.uuid().as_u128()));
    let places = |offer: &Model| (Scope::from(offer.team_id), Scope::from(offer.organization_id));
    let (team, organization) = offer.as_ref().map_or(nowhere, places);
    let held = op.masks(&[team]).await?;
    let receives = held.get(&team).is_some_and(|mask| mask.contains(crate::authz::Capability::TeamOrganizationCreate));
    let mut write = if receives {
        let (mut write, permit) = op.change::<cap::TeamOrganizationCreate>("transfer.decline", team).await?;
        store::transfer::decline(&mut write, &permit, id).await?;
        write
    } else {
        let begun = op.change::<cap::OrganizationTransfer>("transfer.withdraw", organization).await;
        // Who may not answer the offer is not told that there is one.
        let hidden = |e| if matches!(e, Error::Forbidden { .. } | Error::NotFound { .. }) { unseen() } else { e };
        let (mut write, permit) = begun.map_err(hidden)?;
        store::transfer::withdraw(&mut write, &permit, id).await?;
        write
    };
    write.entry().details = serde_json::json!({ "transfer": id.to_string() });
    write.commit().await?;
    offer.ok_or_else(unseen)
}

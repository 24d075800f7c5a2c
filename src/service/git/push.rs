//! What a forge tells of a push. Nobody is signed in: the secret of the repository is the proof, and whoever has an environment
//! follow the branch is the one in whose name it is deployed.

use chrono::TimeDelta;

use entities::git_delivery;
use entities::ids::GitConnectionId;
use entities::values::GitOrigin;
use serde::Deserialize;

use super::super::{App, vault};
use crate::audit::Entry;
pub use crate::authn::webhook::Proof;
use crate::domain::git::GitRef;
use crate::error::{Error, Result};
use crate::store::{self, facts};
use crate::sys::clock;

/// A delivery is known again for so long.
const REMEMBERED: TimeDelta = TimeDelta::days(30);
/// Characters of a delivery's name.
const LONGEST_DELIVERY: usize = 200;

/// What came, as it came.
pub struct Delivery<'a> {
    /// Address of the client.
    pub client: &'a str,
    /// The repository, as the address names it.
    pub connection: &'a str,
    /// What proves where it comes from.
    pub proof: Option<Proof<'a>>,
    /// What it is about, in the sender's word.
    pub event: &'a str,
    /// Its name, of the sender's choosing.
    pub name: &'a str,
    /// All of it.
    pub body: &'a [u8],
}

/// What became of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// So many deployments were asked for.
    Asked(usize),
    /// It was taken before.
    Before,
    /// It is about nothing that is deployed.
    Ignored,
}

/// The part of a push that counts; GitHub, GitLab and Gitea name it alike.
#[derive(Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    name: String,
    after: Option<String>,
}

/// Takes a delivery: once, and only with a proof that is good.
///
/// # Errors
/// `Unauthenticated` without a good proof, or for a repository that is not connected; `InvalidInput` for a push that cannot be
/// read; `RateLimited`.
pub async fn take(app: &App, delivery: &Delivery<'_>, request_id: String) -> Result<Taken> {
    let refused =
        || Error::Unauthenticated("the webhook is not signed with the secret of a repository here".to_owned());
    let id: GitConnectionId = delivery.connection.parse().map_err(|_| refused())?;
    app.limits.hook(delivery.client)?;
    let connection = store::git::find(&app.store, id).await?.ok_or_else(refused)?;
    let secret = super::open(app, &connection.sealed_webhook_secret, &vault::of_git_webhook(id))?;
    if !delivery.proof.as_ref().is_some_and(|proof| proof.holds(&secret, delivery.body)) {
        return Err(refused());
    }
    app.limits.hook(delivery.connection)?;
    if !matches!(delivery.event, "push" | "Push Hook") {
        return Ok(Taken::Ignored);
    }
    if delivery.name.is_empty() || delivery.name.len() > LONGEST_DELIVERY {
        return Err(Error::invalid("delivery", "missing", "the delivery has no id that it could be known again by"));
    }
    let push: Push = serde_json::from_slice(delivery.body)
        .map_err(|_| Error::invalid("body", "syntax", "the push cannot be read; send it as JSON"))?;
    let Some(branch) = push.name.strip_prefix("refs/heads/") else { return Ok(Taken::Ignored) };
    let deleted = push.after.is_some_and(|after| after.bytes().all(|byte| byte == b'0'));
    let Ok(GitRef::Branch(branch)) = GitRef::branch(branch) else { return Ok(Taken::Ignored) };
    if deleted {
        return Ok(Taken::Ignored);
    }
    let mut write = app.store.write(Entry::new("git.push", None, request_id)).await?;
    let scope = connection.project_id.into();
    let known = facts::of_scopes(&write, &[scope]).await?;
    write.concerns(scope, &known);
    let now = clock::now();
    // The name is not signed: who has seen a push once could send it again under another.
    for known_by in [format!("name {}", delivery.name), format!("body {}", blake3::hash(delivery.body).to_hex())] {
        let row = git_delivery::Model { connection_id: id, delivery: known_by, created_at: now };
        if !store::git::take_delivery(&mut write, row, now - REMEMBERED).await? {
            return Ok(Taken::Before);
        }
    }
    let mut asked = 0;
    for follower in store::git::followers(&write, id, &branch).await? {
        let wanted = GitRef::Branch(branch.clone());
        let request = super::new_request(follower.environment_id, id, &wanted, GitOrigin::Push, follower.set_by);
        asked += usize::from(store::git_request::arrange(&mut write, request).await?);
    }
    write.entry().subject = Some(id.to_string());
    write.entry().details = serde_json::json!({ "branch": branch, "delivery": delivery.name });
    write.commit().await?;
    app.fetch_wanted.notify_waiters();
    Ok(Taken::Asked(asked))
}

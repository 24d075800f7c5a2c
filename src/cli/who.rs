//! Who can do something, and the review of everybody who holds something somewhere. The answers are the server's.

use chrono::{DateTime, Utc};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    client::Client,
    exit::Exit,
    failure::Failure,
    measure::age,
    output::{Output, table},
};
use crate::sys::clock;

const WHO_CAN: &str = "query WhoCan($capability: String!, $resource: String!, $after: String) {
  whoCan(capability: $capability, resource: $resource, first: 100, after: $after) {
    totalCount endCursor nodes { user { id name email } grants bindingIds }
  }
}";

const REVIEW: &str = "query Review($scope: String!, $days: Int!, $after: String) {
  accessReview(scope: $scope, days: $days, first: 100, after: $after) {
    totalCount endCursor
    nodes {
      user { id name email } lastUsedAt neverUsed suggestedRole
      capabilities { capability environments } bindings { id role scope } used { capability lastUsedAt }
    }
  }
}";

/// Arguments of `reeve who-can`.
#[derive(Args, Debug)]
pub struct WhoCanArgs {
    /// What they can do, such as deployment.create
    capability: String,
    /// On what: a path, an id, or `console`
    resource: String,
}

/// Arguments of `reeve review`.
#[derive(Args, Debug)]
pub struct ReviewArgs {
    /// A path, an id, or `console`
    scope: String,
    /// How far back uses count that a suggested role has to be enough for
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(i32).range(1..=3650))]
    days: i32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Person {
    id: String,
    name: String,
    email: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WhoCanAnswer {
    who_can: Page<Able>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReviewAnswer {
    access_review: Page<Reviewed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    end_cursor: Option<String>,
    nodes: Vec<T>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Able {
    user: Option<Person>,
    grants: Vec<String>,
    binding_ids: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reviewed {
    user: Option<Person>,
    capabilities: Vec<serde_json::Value>,
    bindings: Vec<Bound>,
    used: Vec<serde_json::Value>,
    last_used_at: Option<DateTime<Utc>>,
    never_used: Vec<String>,
    suggested_role: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bound {
    id: String,
    role: String,
    scope: String,
}

fn name(user: Option<&Person>) -> String {
    user.map_or_else(|| "(account gone)".to_owned(), |user| user.email.clone())
}

/// `reeve who-can`
pub(super) async fn who_can(client: &Client, output: Output, args: WhoCanArgs) -> Result<Exit, Failure> {
    let (mut able, mut after) = (Vec::<Able>::new(), None);
    loop {
        let variables = json!({ "capability": args.capability, "resource": args.resource, "after": after });
        let page = client.query::<WhoCanAnswer>(WHO_CAN, variables).await?.who_can;
        able.extend(page.nodes);
        after = page.end_cursor;
        if after.is_none() {
            break;
        }
    }
    let rows = able.iter().map(|it| [name(it.user.as_ref()), it.grants.join(", "), it.binding_ids.join(", ")]);
    let text = table(["WHO", "THROUGH", "BINDINGS"], rows);
    if able.is_empty() {
        output.note("nobody can");
    }
    output.result(&json!({ "whoCan": able }), if able.is_empty() { "" } else { &text })?;
    Ok(Exit::Ok)
}

/// `reeve review`
pub(super) async fn review(client: &Client, output: Output, args: ReviewArgs) -> Result<Exit, Failure> {
    let (mut people, mut after) = (Vec::<Reviewed>::new(), None);
    loop {
        let variables = json!({ "scope": args.scope, "days": args.days, "after": after });
        let page = client.query::<ReviewAnswer>(REVIEW, variables).await?.access_review;
        people.extend(page.nodes);
        after = page.end_cursor;
        if after.is_none() {
            break;
        }
    }
    let now = clock::now();
    let rows = people.iter().map(|it| {
        let roles: Vec<&str> = it.bindings.iter().map(|bound| bound.role.as_str()).collect();
        [
            name(it.user.as_ref()),
            roles.join(", "),
            it.last_used_at.map_or_else(|| "never".to_owned(), |at| age(at, now)),
            format!("{} of {}", it.never_used.len(), it.capabilities.len()),
            it.suggested_role.clone().unwrap_or_default(),
        ]
    });
    let text = table(["WHO", "ROLES", "LAST USED", "NEVER USED", "ENOUGH WOULD BE"], rows);
    output.result(&json!({ "accessReview": people }), &text)?;
    Ok(Exit::Ok)
}

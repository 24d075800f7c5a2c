//! Who may do what: granting, revoking, listing and explaining. The decision and its reasons are the server's.

use chrono::{DateTime, Utc};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    arguments::{self, Scope},
    client::Client,
    exit::Exit,
    failure::Failure,
    measure::age,
    output::{Output, Words, one_line, table},
};
use crate::sys::clock;

const GRANT: &str = "mutation Grant($input: GrantRoleInput!) {
  grantRole(input: $input) { binding { ...bindingFields } }
}";

const BINDING_FIELDS: &str = "
fragment bindingFields on RoleBinding {
  id role scope notBefore notAfter createdAt
  subject { __typename ... on User { id name email } ... on Team { id name } }
}";

const REVOKE: &str = "mutation Revoke($input: RevokeBindingInput!) { revokeBinding(input: $input) { revokedId } }";

const ROLES: &str = "query Roles { roles { name pack boundAt } }";

const EXPLAIN: &str = "query Explain($subject: String, $capability: String!, $resource: String!) {
  accessDecision(subject: $subject, capability: $capability, resource: $resource) {
    allowed summary
    because {
      bindingId role subject throughTeam boundAt scope distance environments sentence
    }
    refusal { reason sentence bindingId }
    missingGrant { role capability scope givers { id name email } }
  }
}";

/// Arguments of `reeve grant`.
#[derive(Args, Debug)]
pub struct GrantArgs {
    /// For whom: an e-mail address, a user's id, or a team's id
    subject: String,
    /// The role, as `reeve roles` lists it
    role: String,
    /// Where: a path, an id, or `console`
    scope: String,
    /// Until when, such as 2030-12-31T18:00:00Z [default: until it is revoked]
    #[arg(long, value_name = "RFC3339", value_parser = arguments::time)]
    until: Option<DateTime<Utc>>,
}

/// Arguments of `reeve revoke`.
#[derive(Args, Debug)]
pub struct RevokeArgs {
    /// The binding's id, as `reeve bindings` lists it
    binding_id: String,
}

/// Arguments of `reeve bindings`.
#[derive(Args, Debug)]
pub struct BindingsArgs {
    /// Path or id of an organization, a project, or an environment
    #[arg(value_parser = arguments::scope)]
    scope: Scope,
}

/// How the values of `reeve explain` are told apart, which clap cannot say: the first one may be left out.
const EXPLAIN_ARGUMENTS: &str = "\
Arguments:
  [SUBJECT]     Who: an e-mail address or a user's id [default: you]
  <CAPABILITY>  What they may do or not, such as deployment.create
  <RESOURCE>    On what: a path, an id, or `console`

The exit code is 0 when it is allowed and 4 when it is refused.";

/// Arguments of `reeve explain`.
#[derive(Args, Debug)]
#[command(override_usage = "reeve explain [OPTIONS] [SUBJECT] <CAPABILITY> <RESOURCE>", after_help = EXPLAIN_ARGUMENTS)]
pub struct ExplainArgs {
    /// Subject, capability and resource
    #[arg(value_name = "SUBJECT CAPABILITY RESOURCE", num_args = 2..=3, required = true, hide = true)]
    question: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GrantAnswer {
    grant_role: Granted,
}

#[derive(Serialize, Deserialize)]
struct Granted {
    binding: Binding,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RevokeAnswer {
    revoke_binding: Revoked,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Revoked {
    revoked_id: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Binding {
    id: String,
    /// Nothing when the viewer may not know.
    subject: Option<Subject>,
    role: String,
    scope: String,
    not_before: Option<DateTime<Utc>>,
    not_after: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

/// A user or a team.
#[derive(Serialize, Deserialize)]
struct Subject {
    #[serde(rename = "__typename")]
    kind: String,
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
}

impl Binding {
    fn subject(&self) -> String {
        match &self.subject {
            Some(Subject { email: Some(email), .. }) => email.clone(),
            Some(Subject { name, kind, .. }) => format!("{} {name}", kind.to_lowercase()),
            None => "(not visible)".to_owned(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct RolesAnswer {
    roles: Vec<Role>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Role {
    name: String,
    pack: String,
    bound_at: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExplainAnswer {
    access_decision: Decision,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Decision {
    allowed: bool,
    summary: String,
    because: Vec<Witness>,
    refusal: Option<Refusal>,
    missing_grant: Option<MissingGrant>,
}

/// The least that would have to be given, and who could.
#[derive(Serialize, Deserialize)]
struct MissingGrant {
    role: Option<String>,
    capability: String,
    scope: String,
    givers: Vec<Giver>,
}

#[derive(Serialize, Deserialize)]
struct Giver {
    id: String,
    name: String,
    email: String,
}

impl MissingGrant {
    fn sentence(&self) -> String {
        let gift = self.role.as_ref().unwrap_or(&self.capability);
        let givers: Vec<&str> = self.givers.iter().map(|giver| giver.email.as_str()).collect();
        let whom = if givers.is_empty() { "nobody here".to_owned() } else { givers.join(", ") };
        format!("`{gift}` on `{}` would be enough; it can be given by {whom}", self.scope)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Witness {
    binding_id: Option<String>,
    role: Option<String>,
    subject: String,
    through_team: Option<String>,
    bound_at: String,
    scope: String,
    distance: i64,
    environments: String,
    sentence: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refusal {
    reason: String,
    sentence: String,
    binding_id: Option<String>,
}

/// `reeve grant`
pub(super) async fn grant(client: &Client, output: Output, args: GrantArgs) -> Result<Exit, Failure> {
    let input = json!({ "subject": args.subject, "role": args.role, "scope": args.scope, "notAfter": args.until });
    let granted = client.mutate::<GrantAnswer>(&[GRANT, BINDING_FIELDS].concat(), input).await?.grant_role;
    let mut words = Words::default();
    words.say("granted", &format!("{} to {} on {}", granted.binding.role, granted.binding.subject(), args.scope));
    words.say("binding", &granted.binding.id);
    if let Some(until) = granted.binding.not_after {
        words.say("until", &until.to_rfc3339());
    }
    output.result(&granted, &words.text())?;
    Ok(Exit::Ok)
}

/// `reeve revoke`
pub(super) async fn revoke(client: &Client, output: Output, args: RevokeArgs) -> Result<Exit, Failure> {
    let input = json!({ "id": args.binding_id });
    let revoked = client.mutate::<RevokeAnswer>(REVOKE, input).await?.revoke_binding;
    output.result(&revoked, &format!("revoked {}", one_line(&revoked.revoked_id)))?;
    Ok(Exit::Ok)
}

/// `reeve bindings`
pub(super) async fn bindings(client: &Client, output: Output, args: BindingsArgs) -> Result<Exit, Failure> {
    let Scope { field, key, value } = args.scope;
    let kind = if key == "id" { "ID!" } else { "String!" };
    let document = format!(
        "query Bindings($value: {kind}, $after: String) {{
          scope: {field}({key}: $value) {{ bindings(first: 100, after: $after) {{
            nodes {{ ...bindingFields }} pageInfo {{ hasNextPage endCursor }}
          }} }}
        }}{BINDING_FIELDS}"
    );
    let found: Vec<Binding> = client.list(&document, json!({ "value": value }), "/scope/bindings").await?;
    let now = clock::now();
    let time = |at: Option<DateTime<Utc>>| at.map(|at| at.format("%Y-%m-%d %H:%M").to_string()).unwrap_or_default();
    let rows = found.iter().map(|it| {
        let from = time(it.not_before);
        [it.subject(), it.role.clone(), from, time(it.not_after), age(it.created_at, now), it.id.clone()]
    });
    let text = table(["SUBJECT", "ROLE", "FROM (UTC)", "UNTIL (UTC)", "GRANTED", "ID"], rows);
    if found.is_empty() {
        output.note("nobody has a role here directly; roles may be inherited from above");
    }
    output.result(&json!({ "bindings": found }), if found.is_empty() { "" } else { &text })?;
    Ok(Exit::Ok)
}

/// `reeve roles`
pub(super) async fn roles(client: &Client, output: Output) -> Result<Exit, Failure> {
    let answer: RolesAnswer = client.query(ROLES, json!({})).await?;
    let rows = answer.roles.iter().map(|it| [it.name.clone(), it.bound_at.join(", ").to_lowercase()]);
    output.result(&answer, &table(["ROLE", "BOUND AT"], rows))?;
    Ok(Exit::Ok)
}

/// `reeve explain`: a refusal is an answer and no failure, and still has an exit code of its own.
pub(super) async fn explain(client: &Client, output: Output, args: ExplainArgs) -> Result<Exit, Failure> {
    let variables = match &args.question[..] {
        [capability, resource] => json!({ "capability": capability, "resource": resource }),
        [subject, capability, resource] => {
            json!({ "subject": subject, "capability": capability, "resource": resource })
        }
        _ => return Err(Failure::usage("write `reeve explain [SUBJECT] CAPABILITY RESOURCE`")),
    };
    let answer: ExplainAnswer = client.query(EXPLAIN, variables).await?;
    let decision = &answer.access_decision;
    let mut lines =
        vec![format!("{}: {}", if decision.allowed { "allowed" } else { "refused" }, one_line(&decision.summary))];
    let reasons = decision.because.iter().map(|it| &it.sentence);
    let reasons = reasons.chain(decision.refusal.iter().map(|it| &it.sentence)).filter(|it| **it != decision.summary);
    lines.extend(reasons.map(|sentence| format!("  - {}", one_line(sentence))));
    lines.extend(decision.missing_grant.iter().map(|it| format!("  - {}", one_line(&it.sentence()))));
    output.result(&answer, &lines.join("\n"))?;
    Ok(if decision.allowed { Exit::Ok } else { Exit::Refused })
}

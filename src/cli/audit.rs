//! What was attempted, by whom, and what allowed or refused it.

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    arguments,
    client::{Client, unreachable},
    exit::Exit,
    failure::Failure,
    output::{Output, table},
};

const AUDIT: &str = "query Audit($scope: String!, $first: Int!, $filter: AuditFilter!) {
  auditLog(scope: $scope, first: $first, filter: $filter) {
    nodes { at actor { email } actorId operation outcome scope subject details }
  }
}";

/// Bytes of an entry at most, far above any honest one.
const LONGEST_LINE: usize = 1 << 20;

/// Arguments of `reeve audit`.
#[derive(Args, Debug)]
pub struct AuditArgs {
    /// Of what, and of everything below it: a path, an id, or `console`
    #[arg(long, default_value = "console")]
    scope: String,
    /// Only by this user: an e-mail address or an id
    #[arg(long, value_name = "USER")]
    actor: Option<String>,
    /// Only this operation, such as access.grant, or all that begin so, such as access.
    #[arg(long)]
    operation: Option<String>,
    /// Only what was refused
    #[arg(long)]
    refused: bool,
    /// Only from then on, such as 2030-12-31T18:00:00Z
    #[arg(long, value_name = "RFC3339", value_parser = arguments::time)]
    since: Option<DateTime<Utc>>,
    /// Only before then
    #[arg(long, value_name = "RFC3339", value_parser = arguments::time)]
    until: Option<DateTime<Utc>>,
    /// How many, newest first; with --json all are written, oldest first, each as a JSON document on a line
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100))]
    last: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    audit_log: Nodes,
}

#[derive(Deserialize)]
struct Nodes {
    nodes: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    at: DateTime<Utc>,
    actor: Option<Actor>,
    actor_id: Option<String>,
    operation: String,
    outcome: String,
    scope: String,
    subject: Option<String>,
    details: Value,
}

#[derive(Deserialize)]
struct Actor {
    email: String,
}

impl Entry {
    fn row(self) -> [String; 6] {
        let reason = self.details.get("reason").and_then(Value::as_str);
        let outcome = self.outcome.to_lowercase();
        [
            self.at.format("%Y-%m-%d %H:%M:%S").to_string(),
            self.actor.map(|actor| actor.email).or(self.actor_id).unwrap_or_else(|| "-".to_owned()),
            self.operation,
            reason.filter(|_| outcome == "refused").map_or_else(|| outcome.clone(), |it| format!("{outcome}: {it}")),
            self.scope,
            self.subject.unwrap_or_default(),
        ]
    }
}

/// `reeve audit`
pub(super) async fn audit(client: &Client, output: Output, args: AuditArgs) -> Result<Exit, Failure> {
    if output.json {
        return lines(client, output, &args).await;
    }
    let filter = json!({
        "actor": args.actor,
        "operation": args.operation,
        "outcome": args.refused.then_some("REFUSED"),
        "since": args.since,
        "until": args.until,
    });
    let variables = json!({ "scope": args.scope, "first": args.last, "filter": filter });
    let found = client.query::<Answer>(AUDIT, variables).await?.audit_log.nodes;
    if found.is_empty() {
        output.note("there is no such entry");
        return Ok(Exit::Ok);
    }
    let header = ["AT (UTC)", "WHO", "OPERATION", "OUTCOME", "SCOPE", "SUBJECT"];
    output.result(&(), &table(header, found.into_iter().map(Entry::row)))?;
    Ok(Exit::Ok)
}

/// As the server sends them, however many there are.
async fn lines(client: &Client, output: Output, args: &AuditArgs) -> Result<Exit, Failure> {
    let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let query = [
        ("scope", Some(args.scope.clone())),
        ("actor", args.actor.clone()),
        ("operation", args.operation.clone()),
        ("outcome", args.refused.then(|| "REFUSED".to_owned())),
        ("since", args.since.map(time)),
        ("until", args.until.map(time)),
    ];
    let query: Vec<(&str, String)> = query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let mut response = client.download("/audit.jsonl", &query).await?;
    let mut rest = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(client.server(), &error))? {
        rest.extend_from_slice(&chunk);
        let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let next = rest.split_off(whole);
        for line in String::from_utf8_lossy(&std::mem::replace(&mut rest, next)).lines() {
            if !output.raw_line(line)? {
                return Ok(Exit::Ok);
            }
        }
        if rest.len() > LONGEST_LINE {
            return Err(Failure::new(Exit::Failed, "the server sends a line without end"));
        }
    }
    Ok(Exit::Ok)
}

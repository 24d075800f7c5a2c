//! Teams and invitations: who belongs together, and who is asked to come in. It must not know who may.

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    arguments,
    client::Client,
    exit::Exit,
    failure::Failure,
    measure::age,
    output::{Output, Words, one_line, table},
};
use crate::{domain::email::EmailAddress, sys::clock};

const CREATE: &str = "mutation CreateTeam($input: CreateTeamInput!) { createTeam(input: $input) { team { id name } } }";

const ADD: &str = "mutation AddTeamMember($input: TeamMemberInput!) {
  addTeamMember(input: $input) { member { role user { id name email } } }
}";

const REMOVE: &str = "mutation RemoveTeamMember($input: RemoveTeamMemberInput!) {
  removeTeamMember(input: $input) { removedId }
}";

const MEMBERS: &str = "query Members($id: ID!, $after: String) {
  team(id: $id) { members(first: 100, after: $after) {
    nodes { role createdAt user { id name email } } pageInfo { hasNextPage endCursor }
  } }
}";

const INVITE: &str = "mutation Invite($input: InviteUsersInput!) {
  inviteUsers(input: $input) { invitations { id email role destination expiresAt } }
}";

const ACCEPT: &str = "mutation Accept($input: InvitationInput!) {
  acceptInvitation(input: $input) { binding { id role scope } member { role } }
}";

const INVITATIONS: &str = "query Invitations($after: String) {
  viewer { invitations(first: 100, after: $after) {
    nodes { id email role destination expiresAt } pageInfo { hasNextPage endCursor }
  } }
}";

/// What to do with teams.
#[derive(Subcommand, Debug)]
pub enum TeamCommand {
    /// Make a team
    Create(TeamCreateArgs),
    /// Let somebody into a team
    Add(TeamAddArgs),
    /// Put somebody out of a team, or leave it
    Remove(TeamRemoveArgs),
    /// List who is in a team
    Members(TeamMembersArgs),
}

/// Arguments of `reeve team create`.
#[derive(Args, Debug)]
pub struct TeamCreateArgs {
    /// Its name
    name: String,
}

/// Arguments of `reeve team add`.
#[derive(Args, Debug)]
pub struct TeamAddArgs {
    /// The team's id
    team: String,
    /// Whom: an e-mail address or a user's id
    user: String,
    /// As an owner, who manages the team
    #[arg(long)]
    owner: bool,
}

/// Arguments of `reeve team remove`.
#[derive(Args, Debug)]
pub struct TeamRemoveArgs {
    /// The team's id
    team: String,
    /// Whom: an e-mail address or a user's id
    user: String,
}

/// Arguments of `reeve team members`.
#[derive(Args, Debug)]
pub struct TeamMembersArgs {
    /// The team's id
    team: String,
}

/// Arguments of `reeve invite`.
#[derive(Args, Debug)]
pub struct InviteArgs {
    /// Where: a path, an id, or a team's id
    scope: String,
    /// The role, as `reeve roles` lists it; for a team `owner` or `member`
    role: String,
    /// Whom
    #[arg(required = true, value_name = "EMAIL", value_parser = arguments::email)]
    emails: Vec<EmailAddress>,
    /// Days until the invitation expires
    #[arg(long, value_name = "DAYS", default_value_t = 14)]
    days: u8,
}

/// Arguments of `reeve accept`.
#[derive(Args, Debug)]
pub struct AcceptArgs {
    /// The invitation's id [default: list those that wait for you]
    invitation: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Member {
    role: String,
    created_at: Option<DateTime<Utc>>,
    user: Option<User>,
}

#[derive(Serialize, Deserialize)]
struct User {
    id: String,
    name: String,
    email: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Invitation {
    id: String,
    email: String,
    role: String,
    destination: Option<String>,
    expires_at: DateTime<Utc>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InviteAnswer {
    invite_users: Invited,
}

#[derive(Serialize, Deserialize)]
struct Invited {
    invitations: Vec<Invitation>,
}

/// `reeve team`
pub(super) async fn team(client: &Client, output: Output, command: TeamCommand) -> Result<Exit, Failure> {
    match command {
        TeamCommand::Create(args) => {
            let answer: Value = client.mutate(CREATE, json!({ "name": args.name })).await?;
            let team = &answer["createTeam"]["team"];
            let mut words = Words::default();
            words.say("team", text(&team["name"]));
            words.say("id", text(&team["id"]));
            output.result(&answer["createTeam"], &words.text())?;
        }
        TeamCommand::Add(args) => {
            let role = if args.owner { "OWNER" } else { "MEMBER" };
            let input = json!({ "teamId": args.team, "user": args.user, "role": role });
            let answer: Value = client.mutate(ADD, input).await?;
            output.result(&answer["addTeamMember"], &format!("added {}", one_line(&args.user)))?;
        }
        TeamCommand::Remove(args) => {
            let input = json!({ "teamId": args.team, "user": args.user });
            let answer: Value = client.mutate(REMOVE, input).await?;
            output.result(&answer["removeTeamMember"], &format!("removed {}", one_line(&args.user)))?;
        }
        TeamCommand::Members(args) => {
            let found: Vec<Member> = client.list(MEMBERS, json!({ "id": args.team }), "/team/members").await?;
            let now = clock::now();
            let rows = found.iter().map(|it| {
                let (email, name) = it.user.as_ref().map_or(("", ""), |user| (&user.email, &user.name));
                let since = it.created_at.map(|at| age(at, now)).unwrap_or_default();
                [email.to_owned(), name.to_owned(), it.role.to_lowercase(), since]
            });
            let text = table(["E-MAIL", "NAME", "ROLE", "JOINED"], rows);
            output.result(&json!({ "members": found }), &text)?;
        }
    }
    Ok(Exit::Ok)
}

/// `reeve invite`
pub(super) async fn invite(client: &Client, output: Output, args: InviteArgs) -> Result<Exit, Failure> {
    let emails: Vec<&str> = args.emails.iter().map(EmailAddress::as_str).collect();
    let input = json!({ "scope": args.scope, "role": args.role, "emails": emails, "expiresInDays": args.days });
    let invited = client.mutate::<InviteAnswer>(INVITE, input).await?.invite_users;
    output.result(&invited, &listed(&invited.invitations))?;
    Ok(Exit::Ok)
}

/// `reeve accept`
pub(super) async fn accept(client: &Client, output: Output, args: AcceptArgs) -> Result<Exit, Failure> {
    let Some(id) = args.invitation else {
        let found: Vec<Invitation> = client.list(INVITATIONS, json!({}), "/viewer/invitations").await?;
        if found.is_empty() {
            output.note("no invitation waits for you");
        }
        let text = if found.is_empty() { String::new() } else { listed(&found) };
        output.result(&json!({ "invitations": found }), &text)?;
        return Ok(Exit::Ok);
    };
    let answer: Value = client.mutate(ACCEPT, json!({ "id": id })).await?;
    output.result(&answer["acceptInvitation"], &format!("accepted {}", one_line(&id)))?;
    Ok(Exit::Ok)
}

fn listed(invitations: &[Invitation]) -> String {
    let rows = invitations.iter().map(|it| {
        let until = it.expires_at.format("%Y-%m-%d %H:%M").to_string();
        [it.email.clone(), it.role.clone(), it.destination.clone().unwrap_or_default(), until, it.id.clone()]
    });
    table(["E-MAIL", "ROLE", "WHERE", "UNTIL (UTC)", "ID"], rows)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

//! Roles that an organization, or the console, makes or imports: what they may give, where they may be bound, and how they
//! travel as text.

use std::collections::BTreeSet;

use entities::ids::RoleId;
use entities::role::Model;

use super::grant::affected_by;
use super::rails::Rail;
use super::standing::Affected;
use super::{Change, Changed, commit};
use crate::authz::pack_file::{is_name, read_pack, write_pack};
use crate::authz::packs::BUILT_IN;
use crate::authz::{BadLine, Level, Packs, RoleIndex, Row, RowWords, Scope, cap, missing_to_define};
use crate::domain::{Invalid, quote};
use crate::error::{Error, Result};
use crate::op::Op;
use crate::store::{Source, Write, facts, role};
use crate::sys::{clock, ids};

/// The pack of roles that are made one by one.
pub const CUSTOM: &str = "custom";

/// The key of a role that is weighed; no binding names it, since it is neither a full name nor an id.
const CANDIDATE: &str = "candidate";

/// Rows that one role may have, and roles that one pack may have.
const MOST: usize = 2_000;

/// A new role.
#[derive(Debug, Clone)]
pub struct Create {
    /// The organization or the console.
    pub scope: Scope,
    /// The pack that it belongs to: [`CUSTOM`], or the one that is imported.
    pub pack: String,
    /// Its name inside the pack.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it gives.
    pub rows: Vec<RowWords>,
}

/// Another content for a role.
#[derive(Debug, Clone)]
pub struct Update {
    /// Which.
    pub id: RoleId,
    /// What it is for.
    pub description: Option<String>,
    /// What it gives.
    pub rows: Vec<RowWords>,
    /// The version that this was made from.
    pub expected_version: i32,
}

/// The role that a name means to those who bind it on a scope: a full name, an id, or the name of one that was made here.
///
/// # Errors
/// `InvalidInput` when there is none that may be bound there.
pub async fn find(source: &impl Source, packs: &Packs, name: &str, scope: Scope) -> Result<RoleIndex> {
    let owners = owners(source, scope).await?;
    let own = format!("{CUSTOM}/{name}");
    let fits = |index: &RoleIndex| {
        packs.key(*index) == name || packs.name((*index).into()) == name || packs.name((*index).into()) == own
    };
    packs.roles_of(&owners).find(fits).ok_or_else(|| {
        let known: Vec<&str> = packs.roles_of(&owners).map(|index| packs.name(index.into())).collect();
        Error::invalid(
            "role",
            "unknown",
            format!("there is no role {} here; there are {}", quote(name), known.join(", ")),
        )
    })
}

/// The scopes whose roles may be bound on a scope: its organization and the console.
///
/// # Errors
/// `Unavailable` when the database does not answer.
pub async fn owners(source: &impl Source, scope: Scope) -> Result<Vec<Scope>> {
    let known = facts::of_scopes(source, &[scope]).await?;
    let organization = known.keys().copied().find(|scope| scope.level() == Level::Organization);
    Ok(organization.into_iter().chain([Scope::Console]).collect())
}

pub(super) async fn affected(write: &Write, id: RoleId) -> Result<Affected> {
    affected_by(write, &role::bindings_of(write, id).await?).await
}

pub(super) async fn create(op: &Op, write: &mut Write, rails: &mut Vec<Rail>, input: Create) -> Result<Model> {
    if !matches!(input.scope, Scope::Console | Scope::Organization(_)) {
        return Err(Error::invalid("scope", "not_an_owner", "a role belongs to an organization or to the console"));
    }
    let permit = op.permit_in::<cap::AccessManage>(write, input.scope).await?;
    check_name("name", &input.name)?;
    let row = Model {
        id: ids::new::<RoleId>(),
        scope_kind: facts::scope_kind(input.scope),
        scope_id: input.scope.uuid(),
        pack: input.pack,
        name: input.name,
        description: input.description,
        rows: rows_as_json(&input.rows)?,
        created_by: op.user()?,
        created_at: clock::now(),
        version: 1,
    };
    weigh(op, write, rails, &row).await?;
    let row = role::create(write, &permit, row).await?;
    tell(write, &row);
    Ok(row)
}

pub(super) async fn update(op: &Op, write: &mut Write, rails: &mut Vec<Rail>, input: Update) -> Result<Model> {
    write.entry().subject = Some(input.id.to_string());
    let permit = op.permit_in::<cap::AccessManage>(write, input.id).await?;
    let rows = rows_as_json(&input.rows)?;
    let before = role::get(write, &permit, input.id).await?;
    weigh(op, write, rails, &Model { rows: rows.clone(), ..before }).await?;
    let row = role::update(write, &permit, input.id, input.description, rows, input.expected_version).await?;
    tell(write, &row);
    Ok(row)
}

pub(super) async fn delete(op: &Op, write: &mut Write, id: RoleId) -> Result<()> {
    write.entry().subject = Some(id.to_string());
    let permit = op.permit_in::<cap::AccessManage>(write, id).await?;
    role::delete(write, &permit, id).await
}

/// What the actor lacks to give, anywhere in the scope, what the role is to give (rule 8). It is weighed before it is so, as a
/// role that nobody has: who has the one that is edited would else hold its new content already.
async fn weigh(op: &Op, write: &Write, rails: &mut Vec<Rail>, row: &Model) -> Result<()> {
    let scope = facts::scope(row.scope_kind, row.scope_id);
    let rows: Vec<Row> = role::words(row)?.iter().filter_map(|words| words.parse().ok()).collect();
    let mut packs = Packs::clone(&*role::packs(write).await?);
    let index = packs.add_made(CANDIDATE.to_owned(), role::full_name(row), scope, &rows);
    let facts = op.facts_about_gift(write, &packs, scope).await?;
    let missing = missing_to_define(&facts, &packs, index, scope);
    if !missing.is_empty() {
        rails.push(Rail::Beyond { gift: role::full_name(row), scope, missing });
    }
    Ok(())
}

fn tell(write: &mut Write, row: &Model) {
    write.entry().subject = Some(row.id.to_string());
    write.entry().details = serde_json::json!({ "role": role::full_name(row), "rows": row.rows });
}

fn check_name(field: &str, name: &str) -> Result<()> {
    if is_name(name) {
        return Ok(());
    }
    let text = format!("{} is no name here: use 1 to 63 small letters, digits and `-`", quote(name));
    Err(Error::invalid(field, "not_a_name", text))
}

/// Rows as they are kept; every row that cannot be is told.
fn rows_as_json(rows: &[RowWords]) -> Result<serde_json::Value> {
    if rows.is_empty() || rows.len() > MOST {
        return Err(Error::invalid("rows", "out_of_range", format!("a role has from 1 to {MOST} rows")));
    }
    let problems: Vec<Invalid> = (0..)
        .zip(rows)
        .filter_map(|(place, words)| words.parse().err().map(|reason| (place, reason)))
        .map(|(place, reason): (usize, String)| Invalid::new("unknown", reason).within(&format!("rows[{place}]")))
        .collect();
    if !problems.is_empty() {
        return Err(Error::InvalidInput(problems));
    }
    let canonical: Vec<RowWords> = rows.iter().map(RowWords::canonical).collect();
    serde_json::to_value(canonical).map_err(|e| Error::Internal(e.to_string()))
}

/// Makes every role of a pack file at an organization or the console, all or none. Roles of the pack that are there already
/// get what the file gives them; those that the file does not name stay.
///
/// # Errors
/// `InvalidInput` with every line that is refused, with its reason; else as [`commit`].
pub async fn import(op: &Op, scope: Scope, pack: &str, text: &str) -> Result<Vec<Model>> {
    let permit = op.permit::<cap::AccessManage>(scope).await?;
    check_name("pack", pack)?;
    if BUILT_IN.iter().any(|(name, _)| *name == pack) {
        let text = format!("{} comes with the program; import it under another name", quote(pack));
        return Err(Error::invalid("pack", "taken", text));
    }
    let roles = read_pack(pack, text).map_err(|lines| Error::InvalidInput(lines.iter().map(refused_line).collect()))?;
    let names: BTreeSet<&str> = roles.iter().map(|(name, _)| name.as_str()).collect();
    if names.is_empty() || names.len() > MOST {
        return Err(Error::invalid("text", "out_of_range", format!("a pack has from 1 to {MOST} roles")));
    }
    let present = role::of_pack(op.store(), &permit, pack).await?;
    let changes = roles.into_iter().map(|(name, rows)| match present.iter().find(|row| row.name == name) {
        Some(row) => Change::UpdateRole(Update {
            id: row.id,
            description: row.description.clone(),
            rows,
            expected_version: row.version,
        }),
        None => Change::CreateRole(Create { scope, pack: pack.to_owned(), name, description: None, rows }),
    });
    let changed = commit(op, changes.collect(), None).await?;
    let role = |changed| if let Changed::Role(row) = changed { Some(row) } else { None };
    Ok(changed.into_iter().filter_map(role).collect())
}

fn refused_line(bad: &BadLine) -> Invalid {
    Invalid::new("refused_line", format!("line {}: {}", bad.line, bad.reason)).within(&format!("text:{}", bad.line))
}

/// The text of a pack: one that comes with the program, or one of the scope's own.
///
/// # Errors
/// `Forbidden`, `NotFound` by `member.view`; `NotFound` when there is no such pack.
pub async fn export(op: &Op, scope: Scope, pack: &str) -> Result<String> {
    let permit = op.permit::<cap::MemberView>(scope).await?;
    if let Some((_, text)) = BUILT_IN.iter().find(|(name, _)| *name == pack) {
        return Ok((*text).to_owned());
    }
    let rows = role::of_pack(op.store(), &permit, pack).await?;
    if rows.is_empty() {
        return Err(Error::not_found("pack"));
    }
    let roles: Result<Vec<_>> = rows.iter().map(|row| Ok((row.name.clone(), role::words(row)?))).collect();
    Ok(write_pack(&roles?))
}

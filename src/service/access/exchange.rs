//! Bindings as other consoles write them, in and out: `{bindingId, subjects[], groups[], roles[], permissions[], resource?:
//! {resourceType, resourceId}}`. A list is taken whole or not at all, and everything that is wrong with it is told at once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use entities::binding::Model;
use entities::ids::{Id, TeamId, UserId};
use entities::values::SubjectKind;

use super::{Change, Changed, Gift, Grant, Subject, commit, role};
use crate::authz::{Capability, Level, Packs, Scope, cap};
use crate::domain::email::EmailAddress;
use crate::domain::{Invalid, quote};
use crate::error::{Error, Result};
use crate::op::{Op, scope_name};
use crate::store::{self, facts, population};

/// Bindings that one import may make.
const MOST: usize = 1_000;

/// One binding of the console form.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConsoleBinding {
    /// What the other console calls it; it is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding_id: Option<String>,
    /// E-mail addresses or ids of users.
    #[serde(default)]
    pub subjects: Vec<String>,
    /// Ids of teams.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Names of roles; without a pack they are of the pack that is said with the import.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Names or aliases of capabilities.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// Where; the console if it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<ConsoleResource>,
}

/// Where a binding of the console form sits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConsoleResource {
    /// `company`, `organization`, `tenant`, `account`, `project` or `environment`.
    pub resource_type: String,
    /// Its id or path.
    pub resource_id: String,
}

/// Makes every binding of a list, all or none. `within` is the scope that all of them have to be in.
///
/// # Errors
/// `InvalidInput` with everything that is not understood, by its place in the list; else as [`commit`].
pub async fn import(op: &Op, within: Scope, pack: Option<&str>, text: &str) -> Result<Vec<Model>> {
    op.permit::<cap::AccessManage>(within).await?;
    let listed: Vec<ConsoleBinding> = serde_json::from_str(text).map_err(|e| {
        let text = format!("no list of bindings in the console form, line {}: {e}", e.line());
        Error::invalid("bindings", "syntax", text)
    })?;
    let packs = store::role::packs(op.store()).await?;
    let mut reader = Reader { op, within, pack, packs: &packs, problems: Vec::new() };
    let mut changes = Vec::new();
    for (place, binding) in listed.iter().enumerate() {
        changes.extend(reader.read(place, binding).await?);
    }
    if !reader.problems.is_empty() {
        return Err(Error::InvalidInput(reader.problems));
    }
    if changes.is_empty() || changes.len() > MOST {
        let text = format!("the list makes {} bindings; it has to be from 1 to {MOST}", changes.len());
        return Err(Error::invalid("bindings", "out_of_range", text));
    }
    let bound = |changed| if let Changed::Bound(row) = changed { Some(row) } else { None };
    Ok(commit(op, changes, None).await?.into_iter().filter_map(bound).collect())
}

struct Reader<'a> {
    op: &'a Op,
    within: Scope,
    pack: Option<&'a str>,
    packs: &'a Packs,
    problems: Vec<Invalid>,
}

impl Reader<'_> {
    fn refuse(&mut self, place: usize, field: &str, text: String) {
        let place = format!("bindings[{place}].{field}");
        self.problems.push(Invalid::new("unknown", text).within(&place));
    }

    async fn read(&mut self, place: usize, binding: &ConsoleBinding) -> Result<Vec<Change>> {
        let scope = self.scope(place, binding.resource.as_ref()).await?;
        let mut subjects = Vec::new();
        for text in &binding.subjects {
            match self.user(text).await? {
                Some(user) => subjects.push(Subject::User(user)),
                None => self.refuse(place, "subjects", format!("there is no user {}", quote(text))),
            }
        }
        for text in &binding.groups {
            match text.parse::<TeamId>() {
                Ok(team) => subjects.push(Subject::Team(team)),
                Err(_) => self.refuse(place, "groups", format!("{} is no id of a team", quote(text))),
            }
        }
        let mut gifts = Vec::new();
        for name in &binding.permissions {
            match Capability::parse(name) {
                Some(capability) => gifts.push(Gift::Capability(capability)),
                None => self.refuse(place, "permissions", format!("there is no capability {}", quote(name))),
            }
        }
        let Some(scope) = scope else { return Ok(Vec::new()) };
        for name in &binding.roles {
            let full = if name.contains('/') || name.parse::<entities::ids::RoleId>().is_ok() {
                name.clone()
            } else {
                self.pack.map_or_else(|| name.clone(), |pack| format!("{pack}/{name}"))
            };
            match role::find(self.op.store(), self.packs, &full, scope).await {
                Ok(index) => gifts.push(Gift::Role(self.packs.key(index).to_owned())),
                Err(Error::InvalidInput(_)) => {
                    self.refuse(place, "roles", format!("there is no role {}", quote(&full)))
                }
                Err(other) => return Err(other),
            }
        }
        if subjects.is_empty() || gifts.is_empty() {
            let text = "a binding needs a subject or group, and a role or permission".to_owned();
            self.refuse(place, "subjects", text);
        }
        let pairs = subjects.iter().flat_map(|subject| gifts.iter().map(move |gift| (*subject, gift.clone())));
        Ok(pairs
            .map(|(subject, gift)| {
                Change::Grant(Grant {
                    subject,
                    gift,
                    scope,
                    on_behalf_of: None,
                    not_before: None,
                    not_after: None,
                    reason: None,
                    eligible_role: None,
                })
            })
            .collect())
    }

    async fn user(&self, text: &str) -> Result<Option<UserId>> {
        let found = match (text.parse::<UserId>(), EmailAddress::parse(text)) {
            (Ok(id), _) => store::user::find(self.op.store(), id).await?,
            (Err(_), Ok(email)) => store::user::find_by_email(self.op.store(), &email).await?,
            (Err(_), Err(_)) => None,
        };
        Ok(found.map(|user| user.id))
    }

    /// The scope, if it is one, of the kind that is said, and within what is imported into; whoever may not view it is told
    /// the same as when it is not there.
    async fn scope(&mut self, place: usize, resource: Option<&ConsoleResource>) -> Result<Option<Scope>> {
        let Some(resource) = resource else {
            return self.inside(place, Scope::Console, "the console").await;
        };
        let level = match resource.resource_type.as_str() {
            "company" | "organization" | "tenant" | "account" => Level::Organization,
            "project" => Level::Project,
            "environment" => Level::Environment,
            "console" => Level::Console,
            other => {
                self.refuse(place, "resource.resourceType", format!("there is no kind of scope {}", quote(other)));
                return Ok(None);
            }
        };
        match crate::service::resolve::scope(self.op, &resource.resource_id).await {
            Ok(scope) if scope.level() == level => self.inside(place, scope, &resource.resource_id).await,
            Ok(_) | Err(Error::NotFound { .. } | Error::InvalidInput(_)) => {
                let text = format!("there is no {} {} here", level.name(), quote(&resource.resource_id));
                self.refuse(place, "resource.resourceId", text);
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }

    async fn inside(&mut self, place: usize, scope: Scope, text: &str) -> Result<Option<Scope>> {
        let known = facts::of_scopes(self.op.store(), &[scope]).await?;
        let held = self.op.masks(&[scope]).await?;
        let seen = held.get(&scope).is_some_and(|mask| mask.contains(scope.view()));
        let mut lineage = std::iter::successors(Some(scope), |at| known.get(at).and_then(|fact| fact.parent));
        if (seen || scope == self.within) && lineage.any(|at| at == self.within) {
            return Ok(Some(scope));
        }
        self.refuse(place, "resource.resourceId", format!("there is no {} {} here", scope.level().name(), quote(text)));
        Ok(None)
    }
}

/// The bindings on a scope, and on what the actor may see below it, in the console form, that anybody may import elsewhere.
///
/// # Errors
/// `Forbidden`, `NotFound` by `member.view`.
pub async fn export(op: &Op, scope: Scope) -> Result<String> {
    super::who::may_see_people(op, scope).await?;
    let packs = store::role::packs(op.store()).await?;
    let rows = population::seen_within(op.store(), scope, &op.sight().await?).await?;
    let users: Vec<UserId> =
        rows.iter().filter(|row| row.subject_kind == SubjectKind::User).map(|row| UserId(row.subject_id)).collect();
    let emails: BTreeMap<UserId, String> =
        store::user::by_ids(op.store(), &users).await?.into_iter().map(|user| (user.id, user.email)).collect();
    let told: Vec<ConsoleBinding> = rows.iter().map(|row| console_form(&packs, &emails, row)).collect();
    serde_json::to_string_pretty(&told).map_err(|e| Error::Internal(e.to_string()))
}

fn console_form(packs: &Packs, emails: &BTreeMap<UserId, String>, row: &Model) -> ConsoleBinding {
    let (mut subjects, mut groups) = (Vec::new(), Vec::new());
    match row.subject_kind {
        SubjectKind::User => {
            let user = UserId::from_uuid(row.subject_id);
            subjects.push(emails.get(&user).cloned().unwrap_or_else(|| user.to_string()));
        }
        SubjectKind::Team => groups.push(TeamId(row.subject_id).to_string()),
    }
    let role = row.role.as_deref().map(|key| packs.role(key).map_or(key, |index| packs.name(index.into())).to_owned());
    let scope = facts::scope(row.scope_kind, row.scope_id);
    let resource = (scope != Scope::Console)
        .then(|| ConsoleResource { resource_type: scope.level().name().to_owned(), resource_id: scope_name(scope) });
    ConsoleBinding {
        binding_id: Some(row.id.to_string()),
        subjects,
        groups,
        roles: role.into_iter().collect(),
        permissions: row.capability.clone().into_iter().collect(),
        resource,
    }
}

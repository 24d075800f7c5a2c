//! What an organization asserts of its access: that somebody does not hold something somewhere. A change that makes it false
//! is refused and named. What is given on the whole console is not the organization's to assert about.

use std::collections::BTreeSet;

use entities::ids::{Id, OrganizationId, PolicyTestId, TeamId, UserId};
use entities::policy_test::Model;
use entities::values::SubjectKind;

use super::Subject;
use super::standing::Affected;
use crate::authz::{Authority, Capability, EnvironmentKind, Packs, Scope, cap};
use crate::error::{Error, Result};
use crate::op::Op;
use crate::store::population::{self, Counted};
use crate::store::{self, Source, Write, facts, policy_test};
use crate::sys::{clock, ids};

/// Windows that open after each other before one gives up looking ahead.
const MOMENTS: usize = 32;

/// A new assertion.
pub struct Create {
    /// Whose it is.
    pub organization: OrganizationId,
    /// What people call it.
    pub name: String,
    /// Who must not hold it.
    pub subject: Subject,
    /// Everybody who is not in the team, instead of those who are.
    pub outside: bool,
    /// What must not be held.
    pub capability: Capability,
    /// On environments of these kinds.
    pub environments: &'static str,
    /// On this scope and everything below it.
    pub scope: Scope,
}

/// Somebody holds what an assertion says that they do not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Broken {
    /// The assertion.
    pub test: PolicyTestId,
    /// What people call it.
    pub name: String,
    /// Who.
    pub user: UserId,
}

/// Adds an assertion, which has to be true.
///
/// # Errors
/// `Forbidden`, `NotFound` by `access.manage`; `FailedPrecondition` when it is not true; `InvalidInput` for a scope outside
/// the organization.
pub async fn create(op: &Op, input: Create) -> Result<Model> {
    let organization = Scope::from(input.organization);
    let (mut write, permit) = op.change_access::<cap::AccessManage>("access.create_policy_test", organization).await?;
    if let Subject::Team(team) = input.subject {
        op.permit_in::<cap::TeamView>(&mut write, team).await?;
    } else if input.outside {
        return Err(Error::invalid("outside", "not_a_team", "`outside` goes with a team"));
    }
    op.permit_in::<cap::AccessManage>(&mut write, input.scope).await?;
    let within = population::organizations_of(&write, &BTreeSet::from([input.scope])).await?;
    if !within.contains(&organization) {
        return Err(Error::invalid("scope", "elsewhere", "the scope has to be the organization or lie in it"));
    }
    let (subject_kind, subject_id) = input.subject.columns();
    let row = Model {
        id: ids::new::<PolicyTestId>(),
        organization_id: input.organization,
        name: input.name,
        subject_kind,
        subject_id,
        outside: input.outside,
        capability: input.capability.name().to_owned(),
        environments: input.environments.to_owned(),
        scope_kind: facts::scope_kind(input.scope),
        scope_id: input.scope.uuid(),
        created_by: op.user()?,
        created_at: clock::now(),
    };
    let packs = store::role::packs(&write).await?;
    let rows = population::bound_within(&write, organization).await?;
    let mut people = population::people(&write, rows.iter().map(|row| (row.subject_kind, row.subject_id))).await?;
    people.extend(population::candidates(&write, &packs, organization).await?);
    let broken = evaluate(&write, &packs, std::slice::from_ref(&row), &people).await?;
    if !broken.is_empty() {
        let names = named(&write, &broken).await?;
        return Err(Error::FailedPrecondition {
            reason: "POLICY_TEST_BROKEN",
            message: format!("this is not so now; it is held by {}", names.join(", ")),
        });
    }
    let row = policy_test::create(&mut write, &permit, row).await?;
    write.entry().subject = Some(row.id.to_string());
    write.entry().details = serde_json::json!({ "name": row.name, "capability": row.capability });
    write.commit().await?;
    Ok(row)
}

/// Removes an assertion.
///
/// # Errors
/// `Forbidden`, `NotFound` by `access.manage` on its organization.
pub async fn delete(op: &Op, id: PolicyTestId) -> Result<()> {
    let (mut write, permit) = op.change_access::<cap::AccessManage>("access.delete_policy_test", id).await?;
    policy_test::delete(&mut write, &permit, id).await?;
    write.commit().await
}

/// The assertions that a change could make false, and what was false of them before.
pub(super) struct Assertions {
    tests: Vec<Model>,
    users: BTreeSet<UserId>,
    before: BTreeSet<Broken>,
}

impl Assertions {
    pub(super) async fn read(write: &Write, packs: &Packs, affected: &Affected) -> Result<Self> {
        let tests = if affected.scopes.contains(&Scope::Console) {
            policy_test::all(write).await?
        } else {
            let organizations = population::organizations_of(write, &affected.scopes).await?;
            policy_test::of_organizations(write, &organizations).await?
        };
        let before = evaluate(write, packs, &tests, &affected.users).await?;
        Ok(Self { tests, users: affected.users.clone(), before })
    }

    /// What is false now and was not before.
    pub(super) async fn broken(&self, write: &Write, packs: &Packs) -> Result<Vec<Broken>> {
        let after = evaluate(write, packs, &self.tests, &self.users).await?;
        Ok(after.difference(&self.before).cloned().collect())
    }
}

/// Who of the people holds what a test says that they do not: now, or when a time window opens.
async fn evaluate(
    source: &impl Source,
    packs: &Packs,
    tests: &[Model],
    people: &BTreeSet<UserId>,
) -> Result<BTreeSet<Broken>> {
    let mut broken = BTreeSet::new();
    if tests.is_empty() || people.is_empty() {
        return Ok(broken);
    }
    let scopes: BTreeSet<Scope> = tests.iter().map(|test| facts::scope(test.scope_kind, test.scope_id)).collect();
    let mut moment = Some(clock::now().timestamp_millis());
    for _ in 0..MOMENTS {
        let Some(now) = moment.take() else { break };
        for (user, facts, teams) in
            population::members(source, packs, people, &scopes, now, Counted::BelowConsole).await?
        {
            let authority = Authority::of(&facts, packs);
            moment = match (moment, authority.valid_until()) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            for test in tests.iter().filter(|test| is_about(test, user, &teams)) {
                let Some(capability) = Capability::parse(&test.capability) else { continue };
                let scope = facts::scope(test.scope_kind, test.scope_id);
                if authority.reaches(&facts, capability, scope, kinds(&test.environments)) {
                    broken.insert(Broken { test: test.id, name: test.name.clone(), user });
                }
            }
        }
    }
    Ok(broken)
}

fn is_about(test: &Model, user: UserId, teams: &[TeamId]) -> bool {
    match test.subject_kind {
        SubjectKind::User => test.subject_id == user.uuid(),
        SubjectKind::Team => teams.contains(&TeamId(test.subject_id)) != test.outside,
    }
}

fn kinds(environments: &str) -> &'static [EnvironmentKind] {
    match environments {
        "production" => &[EnvironmentKind::Production],
        "nonproduction" => &[EnvironmentKind::Nonproduction],
        _ => &EnvironmentKind::BOTH,
    }
}

/// The people in words.
pub(super) async fn named(source: &impl Source, broken: &BTreeSet<Broken>) -> Result<Vec<String>> {
    let ids: Vec<UserId> = broken.iter().map(|broken| broken.user).collect();
    let mut names: Vec<String> =
        store::user::by_ids(source, &ids).await?.into_iter().map(|user| user.email).take(10).collect();
    names.sort_unstable();
    Ok(names)
}

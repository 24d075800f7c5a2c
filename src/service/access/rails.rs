//! What a change must not break: nobody gives more than they hold (rule 8), no organization is left without somebody who
//! manages its access and no team without an owner (rule 10), and what an organization asserts of its access stays true.

use std::collections::BTreeSet;

use crate::authz::{Capability, EnvironmentKind, Guarded, Packs, Scope, Violation, explain, violations};
use crate::error::{Error, Result};
use crate::op::scope_name;
use crate::store::{Write, population, team_member};
use crate::sys::clock;

use super::policy_test::{Assertions, Broken};
use super::standing::Affected;

/// Something that forbids a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rail {
    /// The actor gives what they do not hold.
    Beyond {
        /// The role or capability that is given.
        gift: String,
        /// Where.
        scope: Scope,
        /// What of it they do not hold.
        missing: Vec<(Capability, EnvironmentKind)>,
    },
    /// What an organization asserts would not be so any more.
    PolicyTest(Broken),
    /// Nobody would be left who manages the access of the organization.
    NobodyManages {
        /// It.
        organization: Scope,
    },
    /// The team would have no owner.
    NobodyOwns {
        /// It.
        team: Scope,
    },
    /// A personal team would have somebody else in it, or not its person.
    NotAlone {
        /// It.
        team: Scope,
    },
}

impl Rail {
    /// In words, for whoever wants to make the change.
    pub fn sentence(&self) -> String {
        match self {
            Self::Beyond { gift, scope, missing } => {
                let names: BTreeSet<&str> = missing.iter().map(|(capability, _)| capability.name()).collect();
                let names: Vec<&str> = names.into_iter().collect();
                format!("`{gift}` on `{}` gives what you do not hold there: {}", scope_name(*scope), names.join(", "))
            }
            Self::PolicyTest(broken) => format!("the policy test `{}` forbids it", broken.name),
            Self::NobodyManages { .. } => "nobody would be left who manages the access of this organization; give \
                                           somebody else the role first"
                .to_owned(),
            Self::NobodyOwns { .. } => "the team would have no owner; make somebody else one first".to_owned(),
            Self::NotAlone { .. } => "a personal team has exactly its one member, for ever".to_owned(),
        }
    }

    /// What of a gift is not held; nothing for another rail.
    pub fn missing(&self) -> &[(Capability, EnvironmentKind)] {
        match self {
            Self::Beyond { missing, .. } => missing,
            Self::PolicyTest(_) | Self::NobodyManages { .. } | Self::NobodyOwns { .. } | Self::NotAlone { .. } => &[],
        }
    }

    fn refusal(&self) -> Option<Error> {
        let failed = |reason| Error::FailedPrecondition { reason, message: self.sentence() };
        match self {
            Self::Beyond { scope, missing, .. } => {
                let (capability, _) = *missing.first()?;
                Some(Error::Forbidden { capability, resource: scope_name(*scope) })
            }
            Self::PolicyTest(_) => Some(failed("POLICY_TEST_BROKEN")),
            Self::NobodyManages { .. } => Some(failed("LAST_ACCESS_MANAGER")),
            Self::NobodyOwns { .. } => Some(failed("LAST_OWNER")),
            Self::NotAlone { .. } => Some(failed("PERSONAL_TEAM")),
        }
    }
}

/// What the audit log keeps of a change that rails forbid.
pub(super) fn told(rails: &[Rail]) -> serde_json::Value {
    let told = rails.iter().map(|rail| match rail {
        Rail::Beyond { gift, missing, .. } => {
            let names: BTreeSet<&str> = missing.iter().map(|(capability, _)| capability.name()).collect();
            serde_json::json!({
                "reason": "GRANTS_MORE_THAN_HELD",
                "role": gift,
                "capability": missing.first().map(|(capability, _)| capability.name()),
                "lacking": names,
            })
        }
        Rail::PolicyTest(broken) => serde_json::json!({
            "reason": "POLICY_TEST_BROKEN",
            "policyTest": broken.test.to_string(),
            "user": broken.user.to_string(),
        }),
        Rail::NobodyManages { organization } => {
            serde_json::json!({ "reason": "LAST_ACCESS_MANAGER", "organization": scope_name(*organization) })
        }
        Rail::NobodyOwns { team } => serde_json::json!({ "reason": "LAST_OWNER", "team": scope_name(*team) }),
        Rail::NotAlone { team } => serde_json::json!({ "reason": "PERSONAL_TEAM", "team": scope_name(*team) }),
    });
    let mut told: Vec<serde_json::Value> = told.collect();
    if told.len() == 1 { told.swap_remove(0) } else { told.into() }
}

/// The refusal that the first rail means.
pub(super) fn refusal(rails: &[Rail]) -> Option<Error> {
    rails.iter().find_map(Rail::refusal)
}

/// What has to stay true of what a change touches, and was true before. A team has its owner, and a personal one its person,
/// from the moment it is made, so there only what is after is looked at.
pub(super) struct Guard {
    organizations: Vec<Scope>,
    assertions: Assertions,
}

impl Guard {
    pub(super) async fn read(write: &Write, packs: &Packs, affected: &Affected) -> Result<Self> {
        let mut organizations = Vec::new();
        for organization in population::organizations_of(write, &affected.scopes).await? {
            if !managers(write, packs, organization).await?.is_empty() {
                organizations.push(organization);
            }
        }
        let assertions = Assertions::read(write, packs, affected).await?;
        Ok(Self { organizations, assertions })
    }

    /// What is true no longer.
    pub(super) async fn broken(&self, write: &Write, packs: &Packs, affected: &Affected) -> Result<Vec<Rail>> {
        let mut guarded = Guarded { teams: team_member::facts(write, &affected.scopes).await?, ..Guarded::default() };
        for &organization in &self.organizations {
            let managers = managers(write, packs, organization).await?;
            guarded.organizations.push((organization.uuid().as_u128(), managers));
        }
        let mut broken: Vec<Rail> = violations(&guarded).into_iter().filter_map(rail).collect();
        broken.extend(self.assertions.broken(write, packs).await?.into_iter().map(Rail::PolicyTest));
        Ok(broken)
    }
}

fn rail(violation: Violation) -> Option<Rail> {
    match violation {
        Violation::OrganizationWithoutManager { organization } => {
            Some(Rail::NobodyManages { organization: Scope::Organization(organization) })
        }
        Violation::TeamWithoutOwner { team } => Some(Rail::NobodyOwns { team: Scope::Team(team) }),
        Violation::PersonalTeamNotAlone { team } => Some(Rail::NotAlone { team: Scope::Team(team) }),
        Violation::Beyond { .. } | Violation::NotUnderKind { .. } => None,
    }
}

/// The people who manage the access of the organization and were given that there, not on the whole console: it has to be
/// able to look after itself, also when it was suspended and is no longer.
async fn managers(write: &Write, packs: &Packs, organization: Scope) -> Result<Vec<u128>> {
    let people = population::candidates(write, packs, organization).await?;
    let now = clock::now().timestamp_millis();
    let people = population::facts_of_people(write, packs, &people, organization, now).await?;
    let manages = people.into_iter().filter(|(_, facts)| {
        let decision = explain(facts, packs, Capability::AccessManage, organization);
        decision.because.iter().any(|witness| witness.bound != Scope::Console)
    });
    Ok(manages.map(|(user, _)| user.into()).collect())
}

//! What a change must not break: nobody gives more than they hold (rule 8), no organization is left without somebody who
//! manages its access (rule 10), and what an organization asserts of its access stays true.

use std::collections::BTreeSet;

use crate::authz::{Capability, EnvironmentKind, Packs, Scope, explain};
use crate::error::{Error, Result};
use crate::op::scope_name;
use crate::store::{Write, population};
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
    });
    let mut told: Vec<serde_json::Value> = told.collect();
    if told.len() == 1 { told.swap_remove(0) } else { told.into() }
}

/// The refusal that the first rail means.
pub(super) fn refusal(rails: &[Rail]) -> Option<Error> {
    rails.iter().find_map(Rail::refusal)
}

/// What has to stay true of what a change touches, and was true before.
pub(super) struct Guard {
    organizations: Vec<Scope>,
    assertions: Assertions,
}

impl Guard {
    pub(super) async fn read(write: &Write, packs: &Packs, affected: &Affected) -> Result<Self> {
        let mut organizations = Vec::new();
        for organization in population::organizations_of(write, &affected.scopes).await? {
            if is_managed(write, packs, organization).await? {
                organizations.push(organization);
            }
        }
        let assertions = Assertions::read(write, packs, affected).await?;
        Ok(Self { organizations, assertions })
    }

    /// What is true no longer.
    pub(super) async fn broken(&self, write: &Write, packs: &Packs) -> Result<Vec<Rail>> {
        let mut broken = Vec::new();
        for &organization in &self.organizations {
            if !is_managed(write, packs, organization).await? {
                broken.push(Rail::NobodyManages { organization });
            }
        }
        broken.extend(self.assertions.broken(write, packs).await?.into_iter().map(Rail::PolicyTest));
        Ok(broken)
    }
}

/// Whether somebody manages the access of the organization who was given that there, not on the whole console: it has to be
/// able to look after itself.
async fn is_managed(write: &Write, packs: &Packs, organization: Scope) -> Result<bool> {
    let people = population::candidates(write, packs, organization).await?;
    let now = clock::now().timestamp_millis();
    let people = population::facts_of(write, packs, &people, &BTreeSet::from([organization]), now).await?;
    Ok(people.iter().any(|(_, facts)| {
        let decision = explain(facts, packs, Capability::AccessManage, organization);
        decision.because.iter().any(|witness| witness.bound != Scope::Console)
    }))
}

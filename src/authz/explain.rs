//! Why a decision is what it is: the bindings that gave it, or the nearest reason why none did.
//!
//! It presents the witnesses of the program and must not know a rule: an explanation that drew conclusions of its own
//! could disagree with the decision.

use super::capability::{Capability, Level};
use super::facts::{EnvironmentKind, Facts, Grant, Scope, Subject};
use super::mask::Masks;
use super::packs::{Packs, Reach};
use super::program;
use super::terms::{Origin, Via};

/// Why something is refused, the nearest to being allowed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The user or service account is suspended (rule 5).
    ActorSuspended,
    /// The organization is suspended (rule 5).
    OrganizationSuspended,
    /// The environment is frozen (rule 6).
    EnvironmentFrozen,
    /// It is held, but the key does not carry it (rule 11).
    KeyNarrowed,
    /// The binding counts no longer (rule 4).
    Expired,
    /// The binding does not count yet (rule 4).
    NotYetValid,
    /// The binding is on behalf of a team that the actor is not in (rule 3).
    NotInTeam,
    /// The binding is on behalf of a team that does not manage the organization (rule 3).
    TeamDoesNotManage,
    /// It is given on the other kind of environment only.
    OtherEnvironmentKind,
    /// It is given, but on other scopes.
    HeldElsewhere,
    /// Something is bound here, but it does not give this.
    RoleLacksIt,
    /// Nothing is bound here.
    NoBinding,
}

impl Reason {
    /// The word by which programs know it, the same as in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ActorSuspended => "ACTOR_SUSPENDED",
            Self::OrganizationSuspended => "ORGANIZATION_SUSPENDED",
            Self::EnvironmentFrozen => "ENVIRONMENT_FROZEN",
            Self::KeyNarrowed => "KEY_NARROWED",
            Self::Expired => "EXPIRED",
            Self::NotYetValid => "NOT_YET_VALID",
            Self::NotInTeam => "NOT_IN_TEAM",
            Self::TeamDoesNotManage => "TEAM_DOES_NOT_MANAGE",
            Self::OtherEnvironmentKind => "OTHER_ENVIRONMENT_KIND",
            Self::HeldElsewhere => "HELD_ELSEWHERE",
            Self::RoleLacksIt => "ROLE_LACKS_IT",
            Self::NoBinding => "NO_BINDING",
        }
    }
}

/// The environments on which a row counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Environments {
    /// All of them; also when the capability is not judged on an environment.
    Any,
    /// Of this kind only.
    Only(EnvironmentKind),
}

/// A binding and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Witness {
    /// How many steps above the scope in question the grant landed; nothing when it landed elsewhere.
    pub distance: Option<u8>,
    /// The database id of the binding.
    pub binding: u128,
    /// Who is bound.
    pub subject: Subject,
    /// The team through which it reaches the actor: the one that is bound, or the one on whose behalf.
    pub through_team: Option<u128>,
    /// What is bound; [`Packs::name`] has the words.
    pub grant: Grant,
    /// Where it is bound.
    pub bound: Scope,
    /// Where it counts from: the bound scope, its parent, or an organization that the bound team manages.
    pub at: Scope,
    /// The kind of scope and the reach of the row that gives it; nothing when no row does or one capability is bound.
    pub row: Option<(Level, Reach)>,
    /// The environments on which it is given; nothing when it is not.
    pub environments: Option<Environments>,
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The nearest reason.
    pub reason: Reason,
    /// The nearest binding to which it applies, when there is one.
    pub witness: Option<Witness>,
}

/// A decision with its derivation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether the capability is held on the scope.
    pub allowed: bool,
    /// Everything that gives it, the nearest first.
    pub because: Vec<Witness>,
    /// What stands against it.
    pub refusal: Option<Refusal>,
}

/// Decides whether the actor holds the capability on the scope, as [`super::Authority::allows`] does, and says why.
#[must_use]
pub fn explain(facts: &Facts, packs: &Packs, capability: Capability, scope: Scope) -> Decision {
    let (because, nearest) = program::explain(facts, packs, capability, scope);
    let present = |origin: Origin| witness(packs, capability, origin);
    let mut because: Vec<Witness> = because.into_iter().map(present).collect();
    because.sort_unstable();
    let reasons = nearest.into_iter();
    let refusals = reasons.map(|(reason, origin)| Refusal { reason, witness: origin.map(present) });
    let refusal = refusals.min_by(|one, other| one.witness.cmp(&other.witness));
    Decision { allowed: refusal.is_none(), because, refusal }
}

fn witness(packs: &Packs, capability: Capability, origin: Origin<'_>) -> Witness {
    let Via { binding, reach } = origin.via;
    let subject_team = match binding.subject {
        Subject::Team(team) => Some(team),
        Subject::User(_) => None,
    };
    let bound_at = binding.scope.level();
    let role = binding.grant.role();
    let mut rows = role.map_or(&[][..], |role| packs.rows(role)).iter();
    let row = rows.find(|row| row.bound_at == bound_at && Some(row.reach) == reach);
    let masks = match binding.grant {
        Grant::Role(_) => row.map(|row| row.masks),
        Grant::Capability(capability) => reach.map(|_| Masks::both(capability.mask())),
    };
    Witness {
        distance: origin.distance,
        binding: binding.id,
        subject: binding.subject,
        through_team: subject_team.or(binding.on_behalf_of),
        grant: binding.grant,
        bound: binding.scope,
        at: origin.at,
        row: row.map(|row| (row.bound_at, row.reach)),
        environments: masks.and_then(|masks| environments(masks, capability)),
    }
}

fn environments(masks: Masks, capability: Capability) -> Option<Environments> {
    match EnvironmentKind::BOTH.map(|kind| masks.of(kind).contains(capability)) {
        [true, true] => Some(Environments::Any),
        [true, false] => Some(Environments::Only(EnvironmentKind::Production)),
        [false, true] => Some(Environments::Only(EnvironmentKind::Nonproduction)),
        [false, false] => None,
    }
}

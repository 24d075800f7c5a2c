//! Decisions in words. The derivation is the program's; this only names what it names, as far as the asker may see it.

use std::collections::HashMap;
use std::sync::Arc;

use entities::ids::{BindingId, TeamId, UserId};

use crate::authz::{
    self, Capability, Decision, EnvironmentKind, Environments, Packs, Reason, Refusal, Scope, Witness, cap,
};
use crate::error::{Error, Result};
use crate::op::{Op, scope_name};
use crate::service::access::who::{self, MissingGrant};
use crate::service::resolve;
use crate::store;

/// A decision in words.
#[derive(Debug, Clone)]
pub struct Explained {
    /// Whether the capability is held.
    pub allowed: bool,
    /// One sentence.
    pub summary: String,
    /// Everything that gives it, the nearest first.
    pub because: Vec<ExplainedWitness>,
    /// What stands against it.
    pub refusal: Option<ExplainedRefusal>,
    /// The least that would have to be given; none when it is allowed, or nothing that is given would help.
    pub missing: Option<MissingGrant>,
}

/// A derivation in words.
#[derive(Debug, Clone)]
pub struct ExplainedWitness {
    /// The binding.
    pub binding: BindingId,
    /// The role or capability that is bound.
    pub grant: String,
    /// Who is bound, by name.
    pub subject: String,
    /// The team in between, by name.
    pub through_team: Option<String>,
    /// Where it is bound.
    pub bound: Scope,
    /// Levels between where it counts from and the resource.
    pub distance: i32,
    /// `any`, `production` or `nonproduction`.
    pub environments: &'static str,
    /// One sentence.
    pub sentence: String,
}

/// A refusal in words.
#[derive(Debug, Clone)]
pub struct ExplainedRefusal {
    /// The nearest reason.
    pub reason: Reason,
    /// One sentence.
    pub sentence: String,
    /// The nearest binding that it applies to.
    pub binding: Option<BindingId>,
}

/// Why somebody may or may not do something. Everybody may ask about themselves where they may view the scope; asking about
/// others takes `member.view` there.
///
/// # Errors
/// `Forbidden`, `NotFound` by `member.view`.
pub async fn decision(op: &Op, subject: Option<&str>, capability: Capability, scope: Scope) -> Result<Explained> {
    let subject = match subject {
        None => op.user()?,
        Some(text) => resolve::user(op, scope, text).await?,
    };
    let held = op.masks(&[scope]).await?;
    if subject == op.user()? && !held.get(&scope).is_some_and(|mask| mask.contains(scope.view())) {
        return Err(Error::not_found("resource"));
    }
    let (decision, packs) = op.explain(subject, capability, scope).await?;
    let names = Names::read(op, packs, subject, scope, &decision).await?;
    let who = names.user(subject);
    let because: Vec<ExplainedWitness> = decision.because.iter().map(|witness| names.witness(&who, witness)).collect();
    let refusal = decision.refusal.as_ref().map(|refusal| ExplainedRefusal {
        reason: refusal.reason,
        sentence: names.refusal(capability, refusal),
        binding: refusal.witness.as_ref().map(|witness| BindingId::from(witness.binding)),
    });
    let summary = match (decision.allowed, &refusal) {
        (true, _) => format!("{who} may `{}` on {}", capability.name(), names.scope(scope)),
        (false, Some(refusal)) => {
            format!("{who} may not `{}` on {}: {}", capability.name(), names.scope(scope), refusal.sentence)
        }
        (false, None) => format!("{who} may not `{}` on {}", capability.name(), names.scope(scope)),
    };
    let missing = match decision.refusal.as_ref().map(|refusal| refusal.reason) {
        None | Some(Reason::ActorSuspended | Reason::OrganizationSuspended | Reason::EnvironmentFrozen) => None,
        // What the holder has, the key may not carry.
        Some(Reason::KeyNarrowed) => None,
        Some(_) => Some(who::missing_grant(op, capability, scope).await?),
    };
    Ok(Explained { allowed: decision.allowed, summary, because, refusal, missing })
}

/// Names for the words of an explanation. A scope or team that the asker may not view stays an id.
struct Names {
    packs: Arc<Packs>,
    users: HashMap<UserId, String>,
    teams: HashMap<TeamId, String>,
    scopes: HashMap<Scope, String>,
}

impl Names {
    async fn read(op: &Op, packs: Arc<Packs>, subject: UserId, scope: Scope, decision: &Decision) -> Result<Self> {
        let witnesses: Vec<&Witness> = decision
            .because
            .iter()
            .chain(decision.refusal.iter().filter_map(|refusal| refusal.witness.as_ref()))
            .collect();
        let scopes: Vec<Scope> = witnesses.iter().flat_map(|w| [w.bound, w.at]).chain([scope]).collect();
        let held = op.masks(&scopes).await?;
        let seen: Vec<Scope> = scopes
            .into_iter()
            .filter(|scope| held.get(scope).is_some_and(|mask| mask.contains(scope.view())))
            .collect();
        let teams: Vec<TeamId> = witnesses.iter().filter_map(|w| w.through_team).map(TeamId::from).collect();
        let teams = store::team::by_ids(op.store(), &op.visible::<cap::TeamView>().await?, &teams).await?;
        let users = store::user::by_ids(op.store(), &[subject]).await?;
        Ok(Self {
            packs,
            users: users.into_iter().map(|row| (row.id, row.email)).collect(),
            teams: teams.into_iter().map(|row| (row.id, row.name)).collect(),
            scopes: store::path::of_scopes(op.store(), &seen).await?.into_iter().collect(),
        })
    }

    fn user(&self, id: UserId) -> String {
        self.users.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }

    fn team(&self, id: TeamId) -> String {
        self.teams.get(&id).map_or_else(|| id.to_string(), |name| format!("team {name}"))
    }

    fn scope(&self, scope: Scope) -> String {
        let kind = scope.level().name();
        match self.scopes.get(&scope) {
            Some(path) => format!("{kind} `{path}`"),
            None if scope == Scope::Console => "the console".to_owned(),
            None => format!("{kind} `{}`", scope_name(scope)),
        }
    }

    fn witness(&self, who: &str, witness: &Witness) -> ExplainedWitness {
        let environments = match witness.environments {
            None | Some(Environments::Any) => "any",
            Some(Environments::Only(EnvironmentKind::Production)) => "production",
            Some(Environments::Only(EnvironmentKind::Nonproduction)) => "nonproduction",
        };
        let grant = self.packs.name(witness.grant).to_owned();
        let through_team = witness.through_team.map(|team| self.team(TeamId::from(team)));
        let subject = match witness.subject {
            authz::Subject::User(id) => self.user(UserId::from(id)),
            authz::Subject::Team(id) => self.team(TeamId::from(id)),
        };
        let mut sentence = format!("{who} holds `{grant}` on {}", self.scope(witness.bound));
        if let Some(team) = &through_team {
            sentence += &format!(" through {team}");
        }
        if witness.at != witness.bound {
            sentence += &format!(", which reaches {}", self.scope(witness.at));
        }
        sentence += &match witness.distance {
            Some(0) | None => String::new(),
            Some(1) => ", inherited one level down".to_owned(),
            Some(levels) => format!(", inherited {levels} levels down"),
        };
        if environments != "any" {
            sentence += &format!("; it counts on {environments} environments only");
        }
        ExplainedWitness {
            binding: BindingId::from(witness.binding),
            grant,
            subject,
            through_team,
            bound: witness.bound,
            distance: witness.distance.map_or(0, i32::from),
            environments,
            sentence,
        }
    }

    fn refusal(&self, capability: Capability, refusal: &Refusal) -> String {
        let held = refusal.witness.as_ref().map_or_else(String::new, |witness| {
            format!(" (`{}` on {})", self.packs.name(witness.grant), self.scope(witness.bound))
        });
        let name = capability.name();
        match refusal.reason {
            Reason::ActorSuspended => "the account is suspended".to_owned(),
            Reason::OrganizationSuspended => "the organization is suspended".to_owned(),
            Reason::EnvironmentFrozen => "the environment is frozen".to_owned(),
            Reason::KeyNarrowed => format!("the key does not carry `{name}` here"),
            Reason::Expired => format!("the binding that gave it has ended{held}"),
            Reason::NotYetValid => format!("the binding that will give it does not count yet{held}"),
            Reason::NotInTeam => format!("the binding counts only for members of its team{held}"),
            Reason::TeamDoesNotManage => format!("the binding's team does not manage the organization{held}"),
            Reason::OtherEnvironmentKind => format!("it is given on the other kind of environment only{held}"),
            Reason::HeldElsewhere => format!("it is given elsewhere, not here{held}"),
            Reason::RoleLacksIt => format!("no role that is held here gives `{name}`{held}"),
            Reason::NoBinding => "no role is held here".to_owned(),
        }
    }
}

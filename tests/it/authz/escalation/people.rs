//! Random calls about people: teams, invitations, programs and their keys, transfers, and locks.

use entities::ids::{InvitationId, TransferId, UserId};
use reeve::authz::{Capability, Scope, Subject};
use serde_json::{Value, json};

use super::super::estate::{Given, bit};
use super::calls::Call;
use super::draw::word;
use super::{GROUP, Plot};

impl Plot {
    fn some_team(&mut self, who: usize, capability: Capability) -> Scope {
        self.scope_of(who, capability, |scope| matches!(scope, Scope::Team(_)))
    }

    fn some_place(&mut self, who: usize, capability: Capability) -> Scope {
        let is_place = |scope| matches!(scope, Scope::Organization(_) | Scope::Project(_) | Scope::Environment(_));
        self.scope_of(who, capability, is_place)
    }

    fn colluder(&mut self) -> u128 {
        let place = GROUP.start + self.dice.below(GROUP.len());
        self.estate.people[place].id
    }

    fn member(&mut self, who: usize, name: &'static str) -> Call {
        let team = self.some_team(who, Capability::TeamMemberManage);
        let user = UserId::from(self.colluder()).to_string();
        let role = self.dice.pick(&["OWNER", "MEMBER"]);
        Call::of(name, "TeamMember", json!({ "teamId": word(team), "user": user, "role": role }))
    }

    fn removal(&mut self, who: usize) -> Call {
        let team = self.some_team(who, Capability::TeamMemberManage);
        let user = UserId::from(self.colluder()).to_string();
        Call::new("removeTeamMember", json!({ "teamId": word(team), "user": user }))
    }

    /// Invitations go to the group, so that they are taken.
    fn invitation(&mut self, who: usize) -> Call {
        let place = GROUP.start + self.dice.below(GROUP.len());
        let emails = [format!("u{place}@example.com")];
        if self.dice.chance(30) {
            let team = self.some_team(who, Capability::TeamMemberManage);
            let role = self.dice.pick(&["owner", "member"]);
            return Call::new("inviteUsers", json!({ "scope": word(team), "emails": emails, "role": role }));
        }
        let held = self.estate.held(self.user(who));
        let scope = self.some_place(who, Capability::MemberInvite);
        let mut role = "ownstak/admin".to_owned();
        for _ in 0..12 {
            if let (given @ Given::Role(_), _) = self.estate.draw_gift(&mut self.dice) {
                let fits = self.estate.covers(&held, &given, scope) && !self.estate.landings(&given, scope).is_empty();
                if let Given::Role(key) = given {
                    role = key;
                }
                if fits {
                    break;
                }
            }
        }
        Call::new("inviteUsers", json!({ "scope": word(scope), "emails": emails, "role": role }))
    }

    fn invitation_id(&mut self, who: usize) -> Option<String> {
        let place = self.estate.people.iter().position(|person| person.id == self.user(who))?;
        let email = format!("u{place}@example.com");
        let mine: Vec<InvitationId> =
            self.invitations.iter().filter(|row| row.email == email).map(|row| row.id).collect();
        let all: Vec<InvitationId> = self.invitations.iter().map(|row| row.id).collect();
        let from = if mine.is_empty() || self.dice.chance(10) { all } else { mine };
        (!from.is_empty()).then(|| self.dice.pick(&from).to_string())
    }

    fn account(&mut self) -> Option<u128> {
        let bots: Vec<u128> = self.estate.people.iter().filter(|each| each.bot.is_some()).map(|each| each.id).collect();
        (!bots.is_empty()).then(|| self.dice.pick(&bots))
    }

    fn key(&mut self, who: usize) -> Option<Call> {
        let narrowed = self.dice.chance(30);
        let account = self.account().filter(|_| self.dice.chance(75));
        let scope = self.dice.chance(20).then(|| word(self.some_place(who, Capability::ProjectView)));
        let some = [self.dice.pick(Capability::ALL), Capability::AccessManage, Capability::MemberInvite];
        let names: Vec<&str> = some.iter().map(|each| each.name()).collect();
        let capabilities = narrowed.then_some(names);
        let id = account.map(|id| UserId::from(id).to_string());
        let input = json!({ "serviceAccountId": id, "name": "a key", "capabilities": capabilities, "scope": scope });
        let holder = account.unwrap_or_else(|| self.user(who));
        Some(Call { key_of: Some(holder), ..Call::new("createApiKey", input) })
    }

    fn offer(&mut self, who: usize) -> Call {
        let at = self.scope_of(who, Capability::OrganizationTransfer, |at| matches!(at, Scope::Organization(_)));
        // Mostly to one that can take it.
        let often = self.dice.chance(80);
        let team = self.dice.pick(if often { &self.first.teams } else { &self.estate.teams });
        let input = json!({ "organizationId": word(at), "teamId": word(Scope::Team(team)) });
        Call { needs: Some((Capability::OrganizationTransfer, at)), ..Call::new("offerTransfer", input) }
    }

    fn answer(&mut self, who: usize) -> Option<Call> {
        if self.transfers.is_empty() {
            return None;
        }
        let held = self.estate.held(self.user(who));
        let may = |team: u128| self.estate.allows(&held, Scope::Team(team), Capability::TeamOrganizationCreate);
        let mine: Vec<_> = self.transfers.iter().filter(|row| may(row.team_id.into())).cloned().collect();
        if mine.is_empty() && self.dice.chance(80) {
            return None;
        }
        let from = if mine.is_empty() { self.transfers.clone() } else { mine };
        let row = self.dice.pick(&from);
        let id: TransferId = row.id;
        let (team, organization) = (Scope::Team(row.team_id.into()), row.organization_id.into());
        Some(Call {
            needs: Some((Capability::TeamOrganizationCreate, team)),
            transfers: Some(organization),
            ..Call::of("acceptTransfer", "Transfer", json!({ "id": id.to_string() }))
        })
    }

    fn lock(&mut self, who: usize) -> Call {
        let name = self.dice.pick(&["freezeEnvironment", "thawEnvironment", "thawEnvironment"]);
        let at = self.scope_of(who, Capability::EnvironmentFreeze, |at| matches!(at, Scope::Environment(_)));
        let input = json!({ "id": word(at) });
        Call { needs: Some((Capability::EnvironmentFreeze, at)), ..Call::of(name, "Lock", input) }
    }

    fn suspension(&mut self) -> Call {
        let user = UserId::from(self.colluder()).to_string();
        let name = self.dice.pick(&["suspendUser", "resumeUser"]);
        let needs = Some((Capability::UserManage, Scope::Console));
        Call { needs, ..Call::of(name, "SuspensionOfUser", json!({ "user": user })) }
    }

    pub(super) fn people_call(&mut self, who: usize) -> Option<Call> {
        self.serial += 1;
        let call = match self.dice.below(100) {
            0..=4 => Call::new("createTeam", json!({ "name": "a team" })),
            5..=22 => self.member(who, "addTeamMember"),
            23..=28 => self.member(who, "changeTeamMember"),
            29..=36 => self.removal(who),
            37..=50 => self.invitation(who),
            51..=64 => Call::of("acceptInvitation", "Invitation", json!({ "id": self.invitation_id(who)? })),
            65..=66 => Call::of("revokeInvitation", "Invitation", json!({ "id": self.invitation_id(who)? })),
            67..=70 => {
                let at = self.some_place(who, Capability::ServiceAccountManage);
                Call::new("createServiceAccount", json!({ "scope": word(at), "name": "a program" }))
            }
            71..=79 => self.key(who)?,
            80..=85 => self.offer(who),
            86..=91 => self.answer(who)?,
            92..=93 => {
                let (at, user) = (self.some_place(who, Capability::MemberRemove), self.colluder());
                Call::new("removeMember", json!({ "scope": word(at), "user": UserId::from(user).to_string() }))
            }
            94..=97 => self.lock(who),
            _ => self.suspension(),
        };
        Some(call)
    }

    /// What comes of a call that was accepted: a key is used from then on, a transfer entails what the team holds where
    /// it manages.
    pub(super) fn follow(&mut self, call: &Call, data: &Value) {
        if let Some(holder) = call.key_of {
            let secret = data["createApiKey"]["secret"].as_str().unwrap().to_owned();
            let client = self.clients[0].with_token(secret);
            if !self.group.contains(&holder) {
                self.group.push(holder);
            }
            if self.actors.len() > 24 {
                let place = GROUP.len() + self.dice.below(self.actors.len() - GROUP.len());
                self.actors.remove(place);
            }
            self.actors.push((holder, client));
        }
        if call.transfers.is_some() {
            self.limit.entails(&self.estate, &self.group);
        }
    }

    /// By the rules alone.
    pub(super) fn check_held(&self, user: u128, call: &Call, before: &super::Estate) {
        let Some((capability, scope)) = call.needs else { return };
        let held = before.held(user);
        let [production, nonproduction] = before.under(&held, scope);
        assert!(production & nonproduction & bit(capability) != 0, "{user:x} lacks {capability:?}: {call:?}");
    }

    /// The subject of an honest gift: mostly one of the group, sometimes a program.
    pub(super) fn given_to(&mut self) -> Subject {
        let bot = self.account();
        match self.dice.below(10) {
            0..=2 => Subject::Team(self.dice.pick(&self.first.teams)),
            3 => bot.map_or_else(|| Subject::User(0), Subject::User),
            _ => Subject::User(self.colluder()),
        }
    }
}

//! Explanations: each reason of a refusal, the witness of what is allowed, and the guard rails around giving.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use reeve::authz::Capability::{AccessManage, DeploymentCreate, EnvironmentView, LogView, ProjectCreate, TeamView};
use reeve::authz::*;

use super::world::{ACTOR, Narrowed, PACKS, TEAMS, World};

const PRODUCTION: Scope = Scope::Environment(41);
const STAGING: Scope = Scope::Environment(42);
const PROJECT: Scope = Scope::Project(31);
const ORGANIZATION: Scope = Scope::Organization(21);

fn bound(grant: impl Into<Grant>, scope: Scope) -> Binding {
    Binding {
        id: 7,
        subject: Subject::User(ACTOR),
        grant: grant.into(),
        scope,
        on_behalf_of: None,
        not_before: None,
        not_after: None,
    }
}

fn role(name: &str) -> RoleIndex {
    PACKS.role(name).unwrap()
}

fn reason(world: &World, capability: Capability, scope: Scope) -> Reason {
    let decision = explain(&world.facts(), &PACKS, capability, scope);
    assert!(!decision.allowed && decision.because.is_empty());
    decision.refusal.unwrap().reason
}

fn allowed(world: &World, capability: Capability, scope: Scope) -> bool {
    let decision = explain(&world.facts(), &PACKS, capability, scope);
    decision.allowed
}

#[test]
fn a_witness_tells_binding_row_and_distance() {
    let world = World::plain(vec![
        bound(LogView, STAGING),
        Binding {
            id: 8,
            subject: Subject::Team(TEAMS[0]),
            ..bound(role("devops-console/project-operations-noprod"), PROJECT)
        },
    ]);
    let decision = explain(&world.facts(), &PACKS, LogView, STAGING);
    assert!(decision.allowed);
    let [near, far] = &decision.because[..] else {
        unreachable!("{decision:?}");
    };
    assert_eq!((near.binding, near.distance, near.at, near.row), (7, Some(0), STAGING, None));
    assert_eq!(near.environments, Some(Environments::Any));
    assert_eq!((far.binding, far.distance, far.at), (8, Some(1), PROJECT));
    assert_eq!(far.row, Some((Level::Project, Reach::Itself)));
    assert_eq!(far.through_team, Some(TEAMS[0]));
    assert_eq!(far.environments, Some(Environments::Only(EnvironmentKind::Nonproduction)));
    assert_eq!(PACKS.name(far.grant), "devops-console/project-operations-noprod");
}

#[test]
fn locks_come_before_everything_but_a_suspended_actor() {
    let mut world = World::plain(vec![bound(DeploymentCreate, PROJECT)]);
    assert!(allowed(&world, DeploymentCreate, PRODUCTION));
    world.frozen[0] = true;
    assert_eq!(reason(&world, DeploymentCreate, PRODUCTION), Reason::EnvironmentFrozen);
    world.suspended[0] = true;
    assert_eq!(reason(&world, DeploymentCreate, PRODUCTION), Reason::OrganizationSuspended);
    world.actor_suspended = true;
    assert_eq!(reason(&world, DeploymentCreate, PRODUCTION), Reason::ActorSuspended);
}

#[test]
fn a_key_carries_what_its_holder_holds_and_it_lets_through() {
    let mut world = World::plain(vec![bound(DeploymentCreate, PROJECT), bound(LogView, ORGANIZATION)]);
    world.narrowing = Some(Narrowed { capabilities: vec![DeploymentCreate, AccessManage], scope: Some(PRODUCTION) });
    assert!(allowed(&world, DeploymentCreate, PRODUCTION));
    assert_eq!(reason(&world, DeploymentCreate, STAGING), Reason::KeyNarrowed);
    assert_eq!(reason(&world, LogView, PRODUCTION), Reason::KeyNarrowed);
    assert_eq!(reason(&world, AccessManage, PRODUCTION), Reason::RoleLacksIt);
    let facts = world.facts();
    let seen = Authority::of(&facts, &PACKS).visible(&facts, DeploymentCreate);
    assert_eq!(seen, VisibleScopes { environments: vec![41], unless_frozen: true, ..VisibleScopes::default() });
    world.frozen[0] = true;
    assert_eq!(reason(&world, DeploymentCreate, PRODUCTION), Reason::EnvironmentFrozen);
}

#[test]
fn a_window_is_open_from_its_first_moment_until_before_its_last() {
    let binding = |not_before, not_after| Binding { not_before, not_after, ..bound(LogView, PROJECT) };
    let world = |from, until| World::plain(vec![binding(from, until)]);
    assert!(allowed(&world(Some(5), Some(6)), LogView, STAGING));
    assert_eq!(reason(&world(None, Some(5)), LogView, STAGING), Reason::Expired);
    assert_eq!(reason(&world(Some(6), None), LogView, STAGING), Reason::NotYetValid);
    let valid_until = |world: World| Authority::of(&world.facts(), &PACKS).valid_until();
    assert_eq!(valid_until(world(Some(5), Some(9))), Some(9));
    assert_eq!(valid_until(world(Some(7), Some(9))), Some(7));
    assert_eq!(valid_until(world(Some(1), Some(5))), None);
}

#[test]
fn what_is_given_on_behalf_of_a_team_needs_the_member_and_the_manager() {
    let binding = |team, scope| Binding { on_behalf_of: Some(team), ..bound(LogView, scope) };
    let mut world = World::plain(vec![binding(TEAMS[0], PROJECT)]);
    assert!(allowed(&world, LogView, STAGING));
    world.managing[0] = Some(TEAMS[1]);
    assert_eq!(reason(&world, LogView, STAGING), Reason::TeamDoesNotManage);
    world.bindings = vec![binding(TEAMS[1], PROJECT)];
    assert_eq!(reason(&world, LogView, STAGING), Reason::NotInTeam);
    world.bindings = vec![binding(TEAMS[0], Scope::Console)];
    assert_eq!(reason(&world, LogView, STAGING), Reason::TeamDoesNotManage);
}

#[test]
fn the_nearest_of_the_other_reasons_is_told() {
    let noprod = role("devops-console/project-operations-noprod");
    let world = World::plain(vec![bound(noprod, PROJECT)]);
    assert_eq!(reason(&world, DeploymentCreate, PRODUCTION), Reason::OtherEnvironmentKind);
    assert_eq!(reason(&world, DeploymentCreate, PROJECT), Reason::OtherEnvironmentKind);
    assert_eq!(reason(&world, DeploymentCreate, Scope::Environment(44)), Reason::HeldElsewhere);
    assert_eq!(reason(&world, ProjectCreate, PROJECT), Reason::RoleLacksIt);
    assert_eq!(reason(&world, ProjectCreate, ORGANIZATION), Reason::NoBinding);
    assert_eq!(reason(&world, LogView, Scope::Environment(99)), Reason::HeldElsewhere);
    // The role means nothing on an environment, though it is bound there.
    let world = World::plain(vec![bound(role("mia-console/developer"), STAGING)]);
    assert_eq!(reason(&world, EnvironmentView, STAGING), Reason::RoleLacksIt);
}

#[test]
fn nobody_gives_what_they_do_not_hold() {
    let owner = World::plain(vec![bound(role("launch/organization-owner"), ORGANIZATION)]).facts();
    let admin = role("launch/admin");
    let missing = missing_to_give(&owner, &PACKS, admin, PROJECT);
    assert_eq!(missing, []);
    assert!(!missing_to_give(&owner, &PACKS, admin, Scope::Project(33)).is_empty());
    assert!(!missing_to_give(&owner, &PACKS, TeamView, Scope::Team(TEAMS[0])).is_empty());

    let manager = World::plain(vec![bound(AccessManage, PROJECT)]).facts();
    let kinds = EnvironmentKind::BOTH;
    assert_eq!(missing_to_give(&manager, &PACKS, LogView, PROJECT), kinds.map(|kind| (LogView, kind)));
    assert_eq!(missing_to_give(&manager, &PACKS, AccessManage, PROJECT), []);
    let invite = kinds.map(|kind| (Capability::MemberInvite, kind));
    assert_eq!(missing_to_invite(&manager, &PACKS, AccessManage, PROJECT), invite);
}

#[test]
fn what_would_change_its_kind_is_judged_under_both() {
    let world = World::plain(vec![bound(role("devops-console/project-operations-noprod"), PROJECT)]);
    let facts = world.facts();
    let authority = Authority::of(&facts, &PACKS);
    assert!(authority.allows(&facts, STAGING, DeploymentCreate));
    assert!(!authority.allows_in_both_kinds(&facts, STAGING, DeploymentCreate));
}

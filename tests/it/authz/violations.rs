//! Rule 10: every small state of a team and of an organization, against the rule written out.

use reeve::authz::*;

/// Every subset of three people.
fn subsets() -> impl Iterator<Item = Vec<u128>> {
    (0..8_u32).map(|set| (1..=3).filter(|person| set >> (person - 1) & 1 == 1).collect())
}

#[test]
fn a_team_has_an_owner_and_a_personal_one_its_person_alone() {
    let mut teams = Vec::new();
    let mut expected = Vec::new();
    for personal_user in [None, Some(1), Some(3)] {
        for owners in subsets() {
            for members in subsets() {
                let team = 100 + teams.len() as u128;
                if owners.is_empty() {
                    expected.push(Violation::TeamWithoutOwner { team });
                }
                if personal_user.is_some_and(|person| members != [person]) {
                    expected.push(Violation::PersonalTeamNotAlone { team });
                }
                teams.push(TeamFact { team, personal_user, owners: owners.clone(), members });
            }
        }
    }
    expected.sort_unstable();
    for team in &teams {
        let alone = Guarded { teams: vec![team.clone()], organizations: Vec::new() };
        let of_team = |violation: &&Violation| match violation {
            Violation::TeamWithoutOwner { team: each } | Violation::PersonalTeamNotAlone { team: each } => {
                *each == team.team
            }
            other => unreachable!("{other:?}"),
        };
        assert_eq!(violations(&alone), expected.iter().filter(of_team).copied().collect::<Vec<_>>(), "{team:?}");
    }
    assert_eq!(violations(&Guarded { teams, organizations: Vec::new() }), expected);
}

#[test]
fn an_organization_has_somebody_who_manages_access() {
    let organizations = vec![(1, vec![7]), (2, vec![]), (3, vec![7, 8]), (4, vec![])];
    let guarded = Guarded { teams: Vec::new(), organizations };
    let expected = [2, 4].map(|organization| Violation::OrganizationWithoutManager { organization });
    assert_eq!(violations(&guarded), expected);
    assert_eq!(violations(&Guarded::default()), []);
}

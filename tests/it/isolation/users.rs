//! The users of projects: each project keeps its own, and no two living ones have the same.

use entities::ids::ProjectId;
use reeve::error::Error;
use reeve::store::project_user;
use serde_json::json;

use crate::harness::TestServer;

#[tokio::test]
async fn a_project_keeps_its_user_and_leaves_it_to_another_when_it_is_gone() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let organization = ada.create_organization("acme").await;
    let (store, _) = server.keys().await;
    let mut projects: Vec<ProjectId> = Vec::new();
    for slug in ["one", "two", "three"] {
        projects.push(ada.create_project(&organization, slug).await.parse().unwrap());
    }
    let range = 5000..=5001;
    let user = async |project: usize| project_user::of(&store, projects[project], &range).await;
    let taken = async |project: usize| user(project).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!((taken(0).await, taken(1).await, taken(0).await), (5000, 5001, 5000));
    assert!(matches!(user(2).await, Err(Error::Unavailable(why)) if why.contains("`users`")));
    let document = "mutation($input: DeleteProjectInput!) { deleteProject(input: $input) { deletedId } }";
    ada.ok(document, json!({ "input": { "id": projects[0].to_string() } })).await;
    assert_eq!((taken(2).await, taken(1).await), (5000, 5001));
}

#[tokio::test]
async fn projects_that_ask_at_the_same_time_get_different_ones() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let organization = ada.create_organization("acme").await;
    let (store, _) = server.keys().await;
    let mut asked = Vec::new();
    for number in 0..6 {
        let project: ProjectId = ada.create_project(&organization, &format!("p{number}")).await.parse().unwrap();
        asked.extend([project, project]);
    }
    let range = 5000..=6000;
    let given = asked.iter().map(|project| project_user::of(&store, *project, &range));
    let given = futures_util::future::join_all(given).await;
    let given: Vec<u32> = given.into_iter().map(|one| one.unwrap_or_else(|error| panic!("{error:?}"))).collect();
    assert!(given.chunks(2).all(|pair| pair[0] == pair[1]), "{given:?}");
    let different: std::collections::BTreeSet<u32> = given.iter().copied().collect();
    assert_eq!(different.len(), 6, "{given:?}");
}

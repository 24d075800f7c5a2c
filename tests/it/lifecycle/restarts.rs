//! Restarting the instances of a deployment: one after the other, under the eyes of a crowd that never waits.

use serde_json::json;

use super::crowd::{Crowd, runs};
use super::{Ground, document};
use crate::durability::machine;
use crate::harness::{Deployment, ROLLBACK, eventually};

async fn restarted(ground: &Ground, deployment: &Deployment) {
    ground.ask("RESTART", deployment).await;
    let found = ground.settled(&deployment.id, "ACTIVE").await;
    assert_eq!((&found["action"]["kind"], &found["action"]["state"]), (&json!("RESTART"), &json!("SUCCEEDED")));
}

async fn nobody_notices(instances: u32) {
    let ground = Ground::new().await;
    let environment = ground.environment().await;
    let deployment = ground.several(&environment, instances, "").await;
    let crowd = Crowd::gather(&ground, &environment.url);
    let before = runs(&crowd.settle().await);
    assert_eq!(before.keys().copied().collect::<Vec<_>>(), (1..=instances).collect::<Vec<_>>(), "all have visitors");
    for _ in 0..3 {
        restarted(&ground, &deployment).await;
    }
    runs(&crowd.take());
    let after = runs(&crowd.settle().await);
    assert!(after.iter().all(|(number, runs)| runs.len() == 1 && runs.is_disjoint(&before[number])), "{after:?}");
    assert_eq!(after.len(), instances as usize);
    runs(&crowd.end().await);
    let names: Vec<String> = machine::programs(ground.data.path()).into_keys().collect();
    let expected: Vec<String> = (1..=instances).map(|number| format!("{}-{number}-3", deployment.id)).collect();
    assert_eq!(names, expected, "nothing of the programs before is left");
    let one = |number: u32| ("RESTARTED".to_owned(), i64::from(number), "ada".to_owned(), String::new());
    let told: Vec<_> = (0..3).flat_map(|_| (1..=instances).map(one)).collect();
    assert_eq!(ground.told(&deployment).await, told);
    let instances = ground.instances(&deployment).await;
    assert!(instances.iter().all(|it| it["state"] == "RUNNING" && it["restarts"] == 0), "{instances:?}");
    // The log of the one before comes first.
    let log = "query($id: ID!) { deployment(id: $id) { log { text } } }";
    let data = ground.ada.ok(log, json!({ "id": deployment.id })).await;
    let lines: Vec<&str> =
        data["deployment"]["log"].as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap()).collect();
    for (number, run) in &after {
        let of = format!("starting {number} ");
        let mine: Vec<&&str> = lines.iter().filter(|line| line.starts_with(&of)).collect();
        assert_eq!(mine.len(), 2, "{lines:?}");
        assert_eq!(mine[1].strip_prefix(&of), run.first().map(String::as_str), "{lines:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_that_the_only_instance_is_restarted() {
    nobody_notices(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_that_three_instances_are_restarted() {
    nobody_notices(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_is_under_way_it_is_the_only_one_and_can_be_cancelled() {
    let ground = Ground::new().await;
    let environment = ground.environment().await;
    let deployment = ground.several(&environment, 2, "probe_threshold = 20\n").await;
    let crowd = Crowd::gather(&ground, &environment.url);
    let before = runs(&crowd.settle().await);
    // The second one does not become healthy; the one before it goes on meanwhile.
    std::fs::write(ground.file(&deployment, "sick-2"), "").unwrap();
    ground.ask("RESTART", &deployment).await;
    let new = format!("{}-2-1", deployment.id);
    eventually("the second one was started", async || {
        machine::programs(ground.data.path()).contains_key(&new).then_some(())
    })
    .await;
    let found = ground.read(&deployment.id).await;
    assert_eq!((&found["state"], &found["action"]["state"]), (&json!("ACTIVE"), &json!("RUNNING")));
    for action in found["availableActions"].as_array().unwrap() {
        let offered = ["REDEPLOY", "CANCEL"].contains(&action["action"].as_str().unwrap());
        assert_eq!(action["allowed"], offered, "{action}");
    }
    let input = json!({ "input": { "id": deployment.id } });
    for (document, variables, reason) in [
        (document("RESTART"), input.clone(), "DEPLOYMENT_IN_PROGRESS"),
        (document("RETIRE"), input.clone(), "DEPLOYMENT_ACTIVE"),
        (document("DELETE"), input.clone(), "DEPLOYMENT_ACTIVE"),
        (ROLLBACK, json!({ "input": { "id": deployment.id, "reason": "no" } }), "DEPLOYMENT_ACTIVE"),
    ] {
        assert_eq!(ground.ada.refusal(document, variables).await.extensions["reason"], reason, "{document}");
    }
    ground.ask("CANCEL", &deployment).await;
    let found = ground.settled(&deployment.id, "ACTIVE").await;
    assert_eq!((&found["action"]["kind"], &found["action"]["state"]), (&json!("RESTART"), &json!("CANCELLED")));
    runs(&crowd.take());
    let after = runs(&crowd.settle().await);
    runs(&crowd.end().await);
    assert!(after[&1].is_disjoint(&before[&1]), "what was restarted stays: {after:?}");
    assert_eq!(after[&2], before[&2], "what was under way is taken back");
    let names: Vec<String> = machine::programs(ground.data.path()).into_keys().collect();
    assert_eq!(names, [format!("{}-1-1", deployment.id), format!("{}-2-0", deployment.id)]);
    // And it can be asked for again.
    std::fs::remove_file(ground.file(&deployment, "sick-2")).unwrap();
    restarted(&ground, &deployment).await;
    let names: Vec<String> = machine::programs(ground.data.path()).into_keys().collect();
    assert_eq!(names, [format!("{}-1-2", deployment.id), format!("{}-2-2", deployment.id)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_does_not_come_up_leaves_the_one_before_in_place() {
    let ground = Ground::new().await;
    let environment = ground.environment().await;
    let deployment = ground.several(&environment, 1, "").await;
    let before = ground.asked(&environment.url, "/").await;
    std::fs::write(ground.file(&deployment, "bar-1"), "").unwrap();
    ground.ask("RESTART", &deployment).await;
    let found = ground.settled(&deployment.id, "ACTIVE").await;
    assert_eq!(found["action"]["state"], "FAILED");
    assert!(found["action"]["error"].as_str().unwrap().contains("exited with code 3"), "{found}");
    assert_eq!(ground.asked(&environment.url, "/").await, before);
    assert_eq!(ground.told(&deployment).await, []);
    let log = "query($id: ID!) { deployment(id: $id) { log { text } } }";
    let data = ground.ada.ok(log, json!({ "id": deployment.id })).await;
    assert_eq!(data["deployment"]["log"].as_array().unwrap().len(), 2, "what it said last is kept: {data}");
}

/// The server dies while a restart of two instances is under way, or is taken back, or the power goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_ends_as_it_should_after_a_death_in_the_middle_of_several() {
    for (place, power_cut) in [("restart.roll.published", true), ("restart.roll.started", true)] {
        let mut ground = Ground::new().await;
        let environment = ground.environment().await;
        let deployment = ground.several(&environment, 2, "").await;
        let before = ground.asked(&environment.url, "/").await;
        ground.server.kill().await;
        ground.server.start_again_with(&[("REEVE_CRASH_AT", place)]).await;
        ground.ada.http = ground.server.client().http;
        let body = json!({ "query": document("RESTART"), "variables": { "input": { "id": deployment.id } } });
        let request = ground.ada.http.post(format!("{}/graphql", ground.ada.base)).json(&body);
        let _ = request.bearer_auth(ground.ada.token.as_deref().unwrap()).send().await;
        ground.server.ended().await;
        if power_cut {
            machine::cut_power(ground.data.path());
        }
        ground.server.start_again().await;
        ground.ada.http = ground.server.client().http;
        let found = ground.settled(&deployment.id, "ACTIVE").await;
        assert_eq!(found["action"]["state"], "SUCCEEDED", "{place}: {found}");
        assert_ne!(ground.asked(&environment.url, "/").await, before);
        eventually("nothing else is left", async || {
            let names: Vec<String> = machine::programs(ground.data.path()).into_keys().collect();
            (names == [format!("{}-1-1", deployment.id), format!("{}-2-1", deployment.id)]).then_some(())
        })
        .await;
    }
}

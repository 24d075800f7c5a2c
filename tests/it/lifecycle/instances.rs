//! Several instances of one program: they share the visitors, and one that ends is missed by nobody and comes back.

use serde_json::json;

use super::Ground;
use super::crowd::{Crowd, runs};
use crate::durability::machine;
use crate::harness::eventually;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_is_killed_is_missed_by_nobody_and_comes_back() {
    let ground = Ground::new().await;
    let environment = ground.environment().await;
    let deployment = ground.several(&environment, 3, "").await;
    let crowd = Crowd::gather(&ground, &environment.url);
    let seen = crowd.settle().await;
    let before = runs(&seen);
    assert_eq!(before.len(), 3, "{seen:?}");
    let (least, most) = (seen.values().min().unwrap(), seen.values().max().unwrap());
    assert!(least * 4 > *most, "they share: {seen:?}");
    let programs = machine::programs(ground.data.path());
    let victim = programs[&format!("{}-2-0", deployment.id)].child;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(victim), nix::sys::signal::Signal::SIGKILL).unwrap();
    let back = ground.instance(&deployment, 2, "is back", |it| it["restarts"] == 1 && it["state"] == "RUNNING").await;
    assert_eq!((&back["lastExit"]["signal"], &back["lastExit"]["code"]), (&json!(9), &json!(null)), "{back}");
    assert!(back["healthy"] == true && back["problem"].is_null() && back["restartsAt"].is_null(), "{back}");
    runs(&crowd.take());
    let after = eventually("it has visitors again", async || {
        let after = runs(&crowd.settle().await);
        (after.len() == 3).then_some(after)
    })
    .await;
    assert!(after[&2].is_disjoint(&before[&2]) && after[&1] == before[&1] && after[&3] == before[&3], "{after:?}");
    runs(&crowd.end().await);
    let told = ground.told(&deployment).await;
    let words = |kind: &str, detail: &str| (kind.to_owned(), 2, "UPKEEP".to_owned(), detail.to_owned());
    assert_eq!(told, [words("CRASHED", "the program was ended by signal 9"), words("RESTARTED", "")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_ends_again_and_again_is_left_alone_for_longer_each_time() {
    let ground = Ground::new().await;
    let environment = ground.environment().await;
    let deployment = ground.several(&environment, 1, "").await;
    let bar = ground.file(&deployment, "bar-1");
    std::fs::write(&bar, "").unwrap();
    assert!(ground.asked(&environment.url, "/quit").await.starts_with("50"), "it ends while it is asked");
    let waits = ground
        .instance(&deployment, 1, "waits", |it| {
            it["state"] == "WAITING" && it["restarts"].as_i64().unwrap() >= 2 && !it["restartsAt"].is_null()
        })
        .await;
    assert_eq!((&waits["lastExit"]["code"], &waits["healthy"]), (&json!(3), &json!(false)), "{waits}");
    assert!(waits["problem"].as_str().unwrap().contains("exited with code 3"), "{waits}");
    assert!(waits["cpuSeconds"].is_null() && waits["memoryBytes"].is_null(), "{waits}");
    assert!(ground.asked(&environment.url, "/").await.starts_with("503"), "nobody waits for it meanwhile");
    std::fs::remove_file(&bar).unwrap();
    ground.instance(&deployment, 1, "is back", |it| it["state"] == "RUNNING").await;
    assert!(ground.asked(&environment.url, "/").await.starts_with("1 "));
    let told = ground.told(&deployment).await;
    assert!(told.iter().filter(|event| event.0 == "CRASHED").count() >= 3, "{told:?}");
    // At once, then after one second, then after two, each a tenth less or more.
    let document = "query($id: ID!) { deployment(id: $id) { events(first: 100) { nodes { kind at } } } }";
    let data = ground.ada.ok(document, json!({ "id": deployment.id })).await;
    let starts: Vec<chrono::DateTime<chrono::Utc>> = data["deployment"]["events"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .filter(|event| event["kind"] == "RESTARTED")
        .map(|event| event["at"].as_str().unwrap().parse().unwrap())
        .collect();
    let pauses: Vec<i64> = starts.windows(2).map(|pair| (pair[1] - pair[0]).num_milliseconds()).collect();
    assert!(pauses[0] >= 900 && pauses[1] >= 1800, "{pauses:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_instances_use_is_told() {
    let ground = Ground::new().await;
    let environment = ground.environment().await;
    let deployment = ground.several(&environment, 2, "").await;
    let before = ground.instances(&deployment).await;
    for instance in &before {
        let (cpu, memory) = (instance["cpuSeconds"].as_f64().unwrap(), instance["memoryBytes"].as_i64().unwrap());
        assert!(cpu > 0.0 && (1 << 20..512 << 20).contains(&memory), "{instance}");
        assert!(!instance["startedAt"].is_null() && instance["lastExit"].is_null(), "{instance}");
    }
    let busy = ground.asked(&environment.url, "/burn").await;
    let busy: usize = busy.split(' ').next().unwrap().parse().unwrap();
    let used = |instances: &[serde_json::Value], number: usize| instances[number - 1]["cpuSeconds"].as_f64().unwrap();
    let after = ground.instances(&deployment).await;
    assert!(used(&after, busy) >= used(&before, busy) + 0.25, "{before:?} {after:?}");
    // Files have no instances.
    let page = ground.page(&environment, "v1").await;
    assert_eq!(ground.instances(&page).await, Vec::<serde_json::Value>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retired_one_has_stopped_instances_and_a_visit_brings_back_all() {
    let ground = Ground::new().await;
    let environment = ground.environment().await;
    let deployment = ground.several(&environment, 2, "").await;
    let newer = ground.page(&environment, "v2").await;
    ground.deploy(&newer).await;
    ground.settled(&newer.id, "ACTIVE").await;
    ground.ask("RETIRE", &deployment).await;
    ground.settled(&deployment.id, "RETIRED").await;
    assert!(machine::programs(ground.data.path()).is_empty());
    let stopped = ground.instances(&deployment).await;
    assert!(stopped.len() == 2 && stopped.iter().all(|it| it["state"] == "STOPPED"), "{stopped:?}");
    let answer = ground.asked(&deployment.url, "/").await;
    assert!(answer.starts_with("1 ") || answer.starts_with("2 "), "{answer}");
    ground.settled(&deployment.id, "READY").await;
    assert_eq!(machine::programs(ground.data.path()).len(), 2);
    let instances = ground.instances(&deployment).await;
    assert!(instances.iter().all(|it| it["state"] == "RUNNING" && it["restarts"] == 0), "{instances:?}");
    ground.ask("DELETE", &deployment).await;
    ground.settled(&deployment.id, "DELETED").await;
    assert!(machine::programs(ground.data.path()).is_empty());
}

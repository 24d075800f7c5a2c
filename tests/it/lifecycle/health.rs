//! Instances that run and are asked for their health: a sick one gets no visitors while others do, and is replaced.

use super::Ground;
use super::crowd::{Crowd, runs};
use crate::harness::eventually;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sick_instance_gets_no_visitors_and_is_started_again() {
    let ground = Ground::new().await;
    let environment = ground.environment().await;
    let deployment = ground.several(&environment, 2, "timeout_seconds = 2\nprobe_threshold = 2\n").await;
    let crowd = Crowd::gather(&ground, &environment.url);
    let before = runs(&crowd.settle().await);
    let sick = ground.file(&deployment, "sick-2");
    std::fs::write(&sick, "").unwrap();
    let events = eventually("it was started again", async || {
        let told = ground.told(&deployment).await;
        told.iter().any(|event| event.0 == "RESTARTED").then_some(told)
    })
    .await;
    assert_eq!(events[0].0, "UNHEALTHY");
    assert_eq!((events[0].1, events[0].2.as_str(), events[0].3.as_str()), (2, "UPKEEP", "`/health` answered 500"));
    ground.instance(&deployment, 2, "is out", |it| it["healthy"] == false && !it["problem"].is_null()).await;
    runs(&crowd.take());
    assert_eq!(runs(&crowd.settle().await).into_keys().collect::<Vec<_>>(), [1], "only the other has visitors");
    std::fs::remove_file(&sick).unwrap();
    let back = ground.instance(&deployment, 2, "is back", |it| it["state"] == "RUNNING").await;
    assert!(back["restarts"].as_i64().unwrap() >= 1 && back["problem"].is_null(), "{back}");
    let after = eventually("it has visitors again", async || {
        let after = runs(&crowd.settle().await);
        (after.len() == 2).then_some(after)
    })
    .await;
    assert!(after[&1] == before[&1] && after[&2].is_disjoint(&before[&2]), "{after:?}");
    runs(&crowd.end().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_one_serves_until_it_is_replaced_and_nobody_is_turned_away() {
    let ground = Ground::new().await;
    let environment = ground.environment().await;
    let deployment = ground.several(&environment, 1, "probe_threshold = 1\n").await;
    let crowd = Crowd::gather(&ground, &environment.url);
    let before = runs(&crowd.settle().await);
    let sick = ground.file(&deployment, "sick-1");
    std::fs::write(&sick, "").unwrap();
    eventually("it is sick", async || (!ground.told(&deployment).await.is_empty()).then_some(())).await;
    std::fs::remove_file(&sick).unwrap();
    ground.instance(&deployment, 1, "is well", |it| it["state"] == "RUNNING" && it["restarts"] == 1).await;
    // Visitors wait while it comes up.
    runs(&crowd.take());
    let after = runs(&crowd.settle().await);
    assert!(after[&1].is_disjoint(&before[&1]), "{after:?}");
    runs(&crowd.end().await);
    let kinds: Vec<String> = ground.told(&deployment).await.into_iter().map(|event| event.0).collect();
    assert_eq!(kinds, ["UNHEALTHY", "RESTARTED"]);
}

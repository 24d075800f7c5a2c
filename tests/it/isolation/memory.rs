//! An instance that takes more memory than its tier gives is ended, said to have been, and brought back.

use super::world::is_isolated;
use crate::lifecycle::Ground;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_takes_too_much_memory_is_told_of_and_comes_back() {
    if is_isolated().await.is_err() {
        return;
    }
    let ground = Ground::new().await;
    let environment = ground.environment().await;
    let deployment = ground.several(&environment, 1, "probe_threshold = 20\n").await;
    // What was sent may be sent once more, to a program that has come back.
    ground.asked(&environment.url, "/hog").await;
    let back = ground
        .instance(&deployment, 1, "is back", |it| it["state"] == "RUNNING" && it["restarts"].as_i64().unwrap() > 0)
        .await;
    assert!(back["lastExit"]["outOfMemory"] == true && back["lastExit"]["signal"].is_null(), "{back}");
    let told = ground.told(&deployment).await;
    assert_eq!((told[0].0.as_str(), told[1].0.as_str()), ("OUT_OF_MEMORY", "RESTARTED"), "{told:?}");
    assert_eq!(told[0].3, "the program was ended, as it wanted more memory than it may have");
}

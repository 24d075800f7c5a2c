//! A visit of a retired deployment's link starts it again, once for all who come.

use serde_json::json;

use super::Ground;
use crate::durability::program::Mood;
use crate::harness::{Deployment, visit};

/// A program that was retired, behind a newer one.
async fn retired(ground: &Ground, mood: Mood) -> Deployment {
    let environment = ground.environment().await;
    let old = ground.program(&environment, "v1", mood).await;
    ground.deploy(&old).await;
    let gate = ground.data.path().join("releases").join(&old.id).join("gate");
    if mood == Mood::Gated {
        ground.reaches(&old.id, "STARTING").await;
        std::fs::write(&gate, "").unwrap();
    }
    ground.settled(&old.id, "ACTIVE").await;
    let newer = ground.page(&environment, "v2").await;
    ground.deploy(&newer).await;
    ground.settled(&newer.id, "ACTIVE").await;
    ground.ask("RETIRE", &old).await;
    ground.settled(&old.id, "RETIRED").await;
    if mood == Mood::Gated {
        std::fs::remove_file(gate).unwrap();
    }
    old
}

async fn revivals(ground: &Ground, deployment: &Deployment) -> usize {
    let document =
        "query($id: ID!) { deployment(id: $id) { events(first: 100) { nodes { state cause actor { id } } } } }";
    let data = ground.ada.ok(document, json!({ "id": deployment.id })).await;
    let events = data["deployment"]["events"]["nodes"].as_array().unwrap().clone();
    let visits: Vec<_> = events.iter().filter(|event| event["state"] == "REVIVING").collect();
    assert!(visits.iter().all(|event| event["cause"] == "VISIT" && event["actor"].is_null()), "{visits:?}");
    visits.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_visitors_are_one_revival_and_all_are_answered() {
    let ground = Ground::new().await;
    let old = retired(&ground, Mood::Well).await;
    let visits: Vec<_> = (0..200)
        .map(|_| {
            let request = visit(ground.server.edge_address(), &old.url, "/");
            tokio::spawn(async move { request.send().await.unwrap().text().await.unwrap() })
        })
        .collect();
    for visit in visits {
        let body = visit.await.unwrap();
        assert_eq!(crate::durability::program::version(&body), Some("v1"), "{body:.200}");
    }
    ground.settled(&old.id, "READY").await;
    assert_eq!(revivals(&ground, &old).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_waits_on_a_page_and_a_crawler_wakes_nobody() {
    let ground = Ground::new().await;
    let old = retired(&ground, Mood::Gated).await;
    let crawler = visit(ground.server.edge_address(), &old.url, "/").header("user-agent", "ExampleBot/1.0");
    assert_eq!(crawler.send().await.unwrap().status(), 503);
    assert_eq!(ground.read(&old.id).await["state"], "RETIRED");
    // The program does not come up while its gate is closed.
    let gate = ground.data.path().join("releases").join(&old.id).join("gate");
    let browser = visit(ground.server.edge_address(), &old.url, "/").header("accept", "text/html");
    let page = browser.send().await.unwrap();
    assert_eq!((page.status().as_u16(), page.headers()["retry-after"].to_str().unwrap()), (503, "2"));
    assert!(page.text().await.unwrap().contains("reloads by itself"));
    assert_eq!(ground.read(&old.id).await["state"], "REVIVING");
    let api = tokio::spawn({
        let request = visit(ground.server.edge_address(), &old.url, "/");
        async move { request.send().await.unwrap().text().await.unwrap() }
    });
    std::fs::write(gate, "").unwrap();
    assert_eq!(crate::durability::program::version(&api.await.unwrap()), Some("v1"));
    assert_eq!(revivals(&ground, &old).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_fails_is_left_alone_for_a_while() {
    let ground = Ground::new().await;
    let old = retired(&ground, Mood::Barred).await;
    std::fs::write(ground.data.path().join("releases").join(&old.id).join("bar"), "").unwrap();
    let told = ground.visit(&old.url).await;
    assert!(["failed", "starting"].contains(&told.as_str()), "{told}");
    let now = ground.settled(&old.id, "RETIRED").await;
    assert_eq!(now["action"]["state"], "FAILED");
    assert!(now["failure"].as_str().unwrap().contains("exited with code 3"), "{now}");
    for _ in 0..3 {
        assert_eq!(ground.visit(&old.url).await, "failed");
    }
    assert_eq!(revivals(&ground, &old).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_project_may_leave_them_alone() {
    let ground = Ground::new().await;
    ground.retention(json!({ "reviveOnVisit": false })).await;
    let old = retired(&ground, Mood::Well).await;
    assert_eq!(ground.visit(&old.url).await, "stopped");
    ground.ask("REVIVE", &old).await;
    ground.settled(&old.id, "READY").await;
    assert_eq!(ground.visit(&old.url).await, "v1", "by hand it is started all the same");
}

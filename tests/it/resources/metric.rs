//! What is measured of requests, as a console draws it.

use serde_json::{Value, json};

use crate::harness::{Client, Environment, TestServer, eventually};

const OF_ENVIRONMENT: &str = "query($id: ID!, $step: Int) { environment(id: $id) { id metrics(stepMinutes: $step) {
    at requests clientErrors serverErrors latency { p50 p90 p99 } } } }";
const OF_DEPLOYMENT: &str = "query($id: ID!) { deployment(id: $id) { id metrics { requests } } }";

async fn points(client: &Client, environment: &Environment, step: i64) -> Vec<Value> {
    let data = client.ok(OF_ENVIRONMENT, json!({ "id": environment.id, "step": step })).await;
    data["environment"]["metrics"].as_array().unwrap().clone()
}

fn sum(points: &[Value], name: &str) -> i64 {
    points.iter().map(|point| point[name].as_i64().unwrap()).sum()
}

#[tokio::test]
async fn requests_are_counted_with_how_they_ended_and_how_long_they_took() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let site = ada.create_site().await;
    let before = ada.deploy_static(&site, &[("index.html", b"one")]).await;
    for path in ["/", "/", "/missing"] {
        server.get(&site.url, path).await;
    }
    let after = ada.deploy_static(&site, &[("index.html", b"two")]).await;
    server.get(&site.url, "/").await;
    server.get(&before.url, "/").await;
    let counted = eventually("all five are counted", async || {
        let points = points(&ada, &site, 1).await;
        (sum(&points, "requests") == 5).then_some(points)
    })
    .await;
    assert_eq!((sum(&counted, "clientErrors"), sum(&counted, "serverErrors")), (1, 0));
    assert!((60..=61).contains(&counted.len()), "an hour has a point a minute, also where nothing was: {counted:?}");
    let busy: Vec<&Value> = counted.iter().filter(|point| point["requests"] != 0).collect();
    for point in &busy {
        let at = |part: &str| point["latency"][part].as_f64().unwrap();
        assert!(0.0 < at("p50") && at("p50") <= at("p90") && at("p90") <= at("p99"), "{point}");
    }
    assert!(counted.iter().filter(|point| point["requests"] == 0).all(|point| point["latency"].is_null()));
    for (deployment, requests) in [(&before, 4), (&after, 1)] {
        let data = ada.ok(OF_DEPLOYMENT, json!({ "id": deployment.id })).await;
        assert_eq!(sum(data["deployment"]["metrics"].as_array().unwrap(), "requests"), requests);
    }
    let coarse = points(&ada, &site, 60).await;
    assert!(coarse.len() <= 2 && sum(&coarse, "requests") == 5, "{coarse:?}");
}

#[tokio::test]
async fn a_series_that_cannot_be_is_refused() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let site = ada.create_site().await;
    let document = "query($id: ID!, $since: DateTime, $until: DateTime, $step: Int!) { environment(id: $id) {
        metrics(since: $since, until: $until, stepMinutes: $step) { requests } } }";
    let week = "2000-01-01T00:00:00Z";
    for (since, until, step, says) in [
        (None, None, 0, "from 1 to 1440"),
        (None, Some(week), 1, "before `until`, and within a week"),
        (Some(week), None, 1, "more than 1500 points"),
    ] {
        let variables = json!({ "id": site.id, "since": since, "until": until, "step": step });
        let refusal = ada.refusal(document, variables).await;
        assert!(refusal.code == "INVALID_INPUT" && refusal.message.contains(says), "{refusal:?}");
    }
    let weekly = json!({ "id": site.id, "since": week, "until": null, "step": 60 });
    assert!(ada.ok(document, weekly).await["environment"]["metrics"].as_array().unwrap().len() >= 168);
}

//! What becomes of a delivery: receivers that refuse, are slow, lead elsewhere, or talk without end; servers that die; and what is
//! left for people to send once more.

use serde_json::{Value, json};

use super::webhook::{CREATE, RESEND, TEST, UPDATE, create, deliveries, server, settled, site, webhooks};
use crate::harness::{Client, Manner, RealServer, Receiver, eventually, text};

async fn ping(ada: &Client, id: &str) -> Value {
    ada.ok(TEST, json!({ "id": id })).await["testWebhook"]["delivery"].clone()
}

#[tokio::test]
async fn what_fails_is_tried_again_until_it_is_taken() {
    let (server, receiver) = (server().await, Receiver::start().await);
    let ada = server.sign_up("ada").await;
    let (project, environment) = site(&ada).await;
    let (_, secret) = create(&ada, &project, &receiver.url()).await;
    receiver.answers(Manner::Status(503, "not\u{0}now"));
    ada.deploy_static(&environment, &[("index.html", b"one")]).await;
    receiver.receives(3).await;
    receiver.answers(Manner::Status(204, ""));
    let told = settled(&ada, &project).await;
    let received = receiver.received();
    let attempts = told["attempts"].as_array().unwrap().clone();
    assert_eq!((&told["state"], attempts.len()), (&json!("DELIVERED"), received.len()), "{told:#}");
    assert_eq!((&attempts[0]["statusCode"], &attempts[0]["answer"]), (&json!(503), &json!("notnow")));
    assert_eq!(attempts.last().unwrap()["statusCode"], 204);
    for again in &received {
        assert_eq!(
            (&again.headers["webhook-id"], &again.body),
            (&received[0].headers["webhook-id"], &received[0].body)
        );
        assert!(again.is_signed_with(&secret), "each attempt has a signature of its own time");
    }
}

#[tokio::test]
async fn what_is_dead_can_be_seen_and_sent_once_more() {
    let (server, receiver) = (server().await, Receiver::start().await);
    let ada = server.sign_up("ada").await;
    let (project, environment) = site(&ada).await;
    let (id, _) = create(&ada, &project, &receiver.url()).await;
    receiver.answers(Manner::Status(500, "broken"));
    ada.deploy_static(&environment, &[("index.html", b"one")]).await;
    let dead = settled(&ada, &project).await;
    assert_eq!((&dead["state"], &dead["problem"]), (&json!("DEAD"), &json!("the answer was 500")), "{dead:#}");
    assert_eq!((dead["attempts"].as_array().unwrap().len(), receiver.received().len()), (8, 8));
    assert!(dead["finishedAt"].is_string() && dead["nextAttemptAt"].is_null());
    receiver.answers(Manner::Status(200, "thank you"));
    let again = ada.ok(RESEND, json!({ "id": dead["id"] })).await;
    assert_eq!(again["resendDelivery"]["delivery"]["state"], "WAITING");
    let told = settled(&ada, &project).await;
    assert_eq!((&told["state"], told["attempts"].as_array().unwrap().len()), (&json!("DELIVERED"), 9), "{told:#}");
    assert_eq!(receiver.received()[8].headers["webhook-id"], receiver.received()[0].headers["webhook-id"]);
    // What was delivered can be had once more as well; what is on its way, not.
    receiver.answers(Manner::Silence);
    ada.ok(RESEND, json!({ "id": dead["id"] })).await;
    assert_eq!(ada.code(RESEND, json!({ "id": dead["id"] })).await, "CONFLICT");
    receiver.answers(Manner::Status(200, ""));
    settled(&ada, &project).await;
    // A try is made once.
    receiver.answers(Manner::Status(500, "broken"));
    let before = receiver.received().len();
    assert_eq!(ping(&ada, &id).await["event"], "ping");
    assert_eq!(settled(&ada, &project).await["state"], "DEAD");
    assert_eq!(receiver.received().len(), before + 1);
    let mut limited = 0;
    for _ in 0..80 {
        limited += usize::from(!ada.query(TEST, json!({ "id": id })).await.errors.is_empty());
    }
    assert!(limited > 0, "whoever tries too often is slowed down");
}

#[tokio::test]
async fn bad_receivers_get_no_further() {
    let (server, receiver, other) = (server().await, Receiver::start().await, Receiver::start().await);
    let ada = server.sign_up("ada").await;
    let (project, _) = site(&ada).await;
    let (id, _) = create(&ada, &project, &receiver.url()).await;
    let told = async || {
        ping(&ada, &id).await;
        settled(&ada, &project).await
    };
    receiver.answers(Manner::Elsewhere(other.url()));
    let elsewhere = told().await;
    assert_eq!((&elsewhere["state"], &elsewhere["attempts"][0]["statusCode"]), (&json!("DEAD"), &json!(307)));
    assert_eq!(other.received().len(), 0, "nobody is followed");
    receiver.answers(Manner::Silence);
    let silent = told().await;
    assert_eq!((&silent["state"], &silent["problem"]), (&json!("DEAD"), &json!("no answer within 1 seconds")));
    receiver.answers(Manner::Endless);
    let endless = told().await;
    assert_eq!(text(&endless["attempts"][0]["answer"]).len(), 4096, "as much as is read");
    let port = receiver.port();
    drop(receiver);
    ada.ok(UPDATE, json!({ "input": { "id": id, "url": format!("https://127.0.0.1:{port}/") } })).await;
    let gone = told().await;
    let why = text(&gone["problem"]);
    assert!(why.starts_with("no connection") && !why.contains("token"), "{why}");
    ada.ok(UPDATE, json!({ "input": { "id": id, "url": other.url().replace("http:", "https:") } })).await;
    assert!(text(&told().await["problem"]).starts_with("no connection"), "what speaks no TLS");
}

#[tokio::test]
async fn whoever_is_slow_is_in_nobodys_way() {
    let (server, slow, quick) = (server().await, Receiver::start().await, Receiver::start().await);
    let ada = server.sign_up("ada").await;
    let (project, environment) = site(&ada).await;
    let (id, _) = create(&ada, &project, &slow.url()).await;
    create(&ada, &project, &quick.url()).await;
    slow.answers(Manner::Silence);
    for _ in 0..20 {
        ping(&ada, &id).await;
    }
    slow.receives(4).await;
    ada.deploy_static(&environment, &[("index.html", b"one")]).await;
    quick.receives(1).await;
    // Four at a time, each for a second: most of them still wait.
    assert!(slow.received().len() < 20, "{}", slow.received().len());
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_switched_off_and_somebody_learns_of_it() {
    let (server, receiver) = (server().await, Receiver::start().await);
    let ada = server.sign_up("ada").await;
    let (project, environment) = site(&ada).await;
    let (id, _) = create(&ada, &project, &receiver.url()).await;
    receiver.answers(Manner::Status(410, "never again"));
    ada.deploy_static(&environment, &[("index.html", b"one")]).await;
    let off = async || {
        eventually("the webhook is switched off", async || {
            let webhook = webhooks(&ada, &project).await.remove(0);
            (webhook["active"] == false).then_some(webhook)
        })
        .await
    };
    let webhook = off().await;
    assert!(text(&webhook["problem"]).contains("410"), "{webhook:#}");
    assert_eq!(receiver.received().len(), 1);
    assert_eq!(ada.notices().await, ["the webhook `CI` is switched off"]);
    let dead = deliveries(&ada, &project).await.remove(0);
    assert_eq!(ada.refusal(RESEND, json!({ "id": dead["id"] })).await.extensions["reason"], "WEBHOOK_OFF");
    let on = ada.ok(UPDATE, json!({ "input": { "id": id, "active": true } })).await;
    assert_eq!(on["updateWebhook"]["webhook"]["problem"], Value::Null);
    // One that only fails is switched off when ten have died.
    receiver.answers(Manner::Status(500, "broken"));
    for number in 0..10 {
        ada.deploy_static(&environment, &[("index.html", format!("{number}").as_bytes())]).await;
    }
    let webhook = off().await;
    assert!(text(&webhook["problem"]).contains("10 deliveries"), "{webhook:#}");
    assert_eq!(ada.notices().await.len(), 2);
}

#[tokio::test]
async fn nothing_is_lost_when_the_server_dies_and_what_comes_twice_is_known_again() {
    let (data, receiver) = (tempfile::tempdir().unwrap(), Receiver::start().await);
    let settings = "isolation = \"none\"\n[outbox]\nprivate_addresses = true\n";
    std::fs::write(data.path().join("reeve-server.toml"), settings).unwrap();
    let mut server = RealServer::start(data.path()).await;
    let mut ada = server.client().sign_up("ada").await;
    let (project, environment) = site(&ada).await;
    let input = json!({ "projectId": project, "name": "CI", "url": receiver.url() });
    ada.ok(CREATE, json!({ "input": input })).await;
    for (place, come) in [("delivery.claimed", 1), ("delivery.sent", 3)] {
        server.kill().await;
        server.start_again_with(&[("REEVE_CRASH_AT", place)]).await;
        ada.http = server.client().http;
        let files: &[(&str, &[u8])] = &[("index.html", place.as_bytes())];
        let draft = ada.draft(&environment, files, None).await;
        ada.upload(&draft, files).await;
        let deploy =
            json!({ "query": crate::harness::DEPLOY, "variables": { "input": { "id": draft.deployment.id } } });
        let request = ada.http.post(format!("{}/graphql", ada.base)).json(&deploy);
        // It may die before it has answered.
        let _ = request.bearer_auth(ada.token.as_deref().unwrap()).send().await;
        server.ended().await;
        server.start_again().await;
        ada.http = server.client().http;
        let received = receiver.receives(come).await;
        let told = settled(&ada, &project).await;
        assert_eq!(told["state"], "DELIVERED", "{told:#}");
        assert_eq!(receiver.received().len(), come, "{place}");
        assert_eq!(received[come - 1].json()["data"]["deployment"]["id"], draft.deployment.id);
    }
    let received = receiver.received();
    let ids: Vec<&String> = received.iter().map(|it| &it.headers["webhook-id"]).collect();
    assert!(ids[0] != ids[1] && ids[1] == ids[2], "{ids:?}");
}

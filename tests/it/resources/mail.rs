//! Mail: whoever started what fails is told, and whoever asked to be, by a real mail server or in a folder; and nobody is told of
//! what they may not see.

use serde_json::{Value, json};

use super::webhook::site;
use crate::harness::{Client, RealServer, SmtpServer, TestServer, eventually};

const SET: &str = "mutation($input: SetNotificationsInput!) { setNotifications(input: $input) {
    notifications { events ownFailures } } }";
const GET: &str = "query($id: ID!) { project(id: $id) { notifications { events ownFailures } } }";
const MISSING: &str = "[process]\ncommand = [\"no-such-program\"]\n";

/// A server that sends by this one, and tries again at once.
async fn server(smtp: &SmtpServer) -> TestServer {
    let url = smtp.url();
    TestServer::start_with(|config| {
        config.mail.smtp = Some(url);
        config.mail.from = "Reeve of Acme <reeve@acme.test>".to_owned();
        config.outbox.retry_seconds = 0.05;
    })
    .await
}

async fn subscribe(client: &Client, project: &str, events: &[&str]) -> Value {
    let input = json!({ "projectId": project, "events": events });
    client.ok(SET, json!({ "input": input })).await["setNotifications"]["notifications"].clone()
}

fn header<'a>(mail: &'a str, name: &str) -> &'a str {
    let head = mail.split_once("\n\n").unwrap().0;
    let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name}: {head}"))
}

#[tokio::test]
async fn people_are_told_what_they_asked_for() {
    let smtp = SmtpServer::start().await;
    let server = server(&smtp).await;
    let (ada, dev) = (server.sign_up("ada").await, server.sign_up("dev").await);
    let (project, environment) = site(&ada).await;
    ada.grant(&dev, "ownstak/viewer", "acme").await;
    let unset = ada.ok(GET, json!({ "id": project })).await;
    assert_eq!(unset["project"]["notifications"], json!({ "events": [], "ownFailures": true }));
    let set = subscribe(&dev, &project, &["deployment.succeeded", "deployment.rolled_back"]).await;
    assert_eq!(set["events"], json!(["deployment.succeeded", "deployment.rolled_back"]));
    let first = ada.deploy_static(&environment, &[("index.html", b"one")]).await;
    let mail = smtp.takes(1).await.remove(0);
    assert_eq!(header(&mail, "Subject"), "deployment 1 of acme/site/production is up");
    assert_eq!(header(&mail, "To"), dev.account.email);
    assert_eq!(header(&mail, "From"), "\"Reeve of Acme\" <reeve@acme.test>");
    assert_eq!(header(&mail, "X-RcptTo"), dev.account.email);
    assert!(header(&mail, "Message-ID").ends_with("@acme.test>"), "{mail}");
    let body = mail.split_once("\n\n").unwrap().1;
    for line in ["By: ada", &format!("Deployment: {}", first.id), &format!("Environment: {}", environment.url)] {
        assert!(body.lines().any(|it| it == line), "{line} is not in {body}");
    }
    ada.deploy_static(&environment, &[("index.html", b"two")]).await;
    smtp.takes(2).await;
    subscribe(&dev, &project, &["deployment.rolled_back"]).await;
    ada.deploy_static(&environment, &[("index.html", b"three")]).await;
    // What people write stays in its place: it ends neither the head nor the mail.
    ada.rollback(&first, "slow\n\nBcc: eve@example.com\n.\nQUIT").await;
    let mails = smtp.takes(3).await;
    let mail = mails.iter().find(|mail| header(mail, "Subject").contains("rolled back")).unwrap();
    let (head, body) = mail.split_once("\n\n").unwrap();
    assert!(!head.contains("Bcc") && body.contains("\nBcc: eve@example.com\n.\nQUIT\n"), "{mail}");
    assert_eq!(header(mail, "X-RcptTo"), dev.account.email);
    assert_eq!(smtp.mails().len(), 3, "of the third deployment nobody wanted to know");
    let input = json!({ "projectId": project, "events": ["ping"] });
    let refusal = dev.refusal(SET, json!({ "input": input })).await;
    assert_eq!(refusal.extensions["problems"][0]["field"], "events[0]");
}

#[tokio::test]
async fn nobody_is_told_by_mail_of_what_they_may_not_see() {
    let smtp = SmtpServer::start().await;
    let server = server(&smtp).await;
    let (ada, dev, root) = (server.sign_up("ada").await, server.sign_up("dev").await, server.administrator().await);
    let (project, production) = site(&ada).await;
    let staging = ada.create_environment(&project, "staging", false).await;
    let stranger = server.sign_up("stranger").await;
    let input = json!({ "projectId": project, "events": ["deployment.succeeded"] });
    assert_eq!(stranger.code(SET, json!({ "input": input })).await, "NOT_FOUND");
    let row = |capability: &str, environments: &str| json!({ "boundAt": "PROJECT", "capability": capability, "environments": environments });
    let rows =
        [row("project.view", "ANY"), row("environment.view", "NONPRODUCTION"), row("deployment.view", "NONPRODUCTION")];
    let role = "mutation($input: CreateRoleInput!) { createRole(input: $input) { role { name } } }";
    ada.ok(role, json!({ "input": { "name": "blind", "scope": "acme", "rows": rows } })).await;
    let binding = ada.grant(&dev, "custom/blind", "acme/site").await;
    subscribe(&dev, &project, &["deployment.succeeded"]).await;
    ada.deploy_static(&production, &[("index.html", b"one")]).await;
    ada.deploy_static(&staging, &[("index.html", b"one")]).await;
    assert!(header(&smtp.takes(1).await[0], "Subject").contains("acme/site/staging"));
    // Whoever is gone, or suspended, is told no more, though they have asked to be.
    let suspend = "mutation($input: SuspensionOfUserInput!) { suspendUser(input: $input) { suspended } }";
    let resume = "mutation($input: SuspensionOfUserInput!) { resumeUser(input: $input) { suspended } }";
    root.ok(suspend, json!({ "input": { "user": dev.account.email } })).await;
    ada.deploy_static(&staging, &[("index.html", b"two")]).await;
    root.ok(resume, json!({ "input": { "user": dev.account.email } })).await;
    let revoke = "mutation($id: ID!) { revokeBinding(input: { id: $id }) { revokedId } }";
    ada.ok(revoke, json!({ "id": binding })).await;
    ada.deploy_static(&staging, &[("index.html", b"three")]).await;
    // What comes after all of that shows that nothing is on its way.
    subscribe(&ada, &project, &["deployment.succeeded"]).await;
    ada.deploy_static(&production, &[("index.html", b"two")]).await;
    let mails = smtp.takes(2).await;
    assert_eq!(mails.iter().filter(|mail| header(mail, "X-RcptTo") == dev.account.email).count(), 1, "{mails:#?}");
}

#[tokio::test]
async fn a_mail_waits_for_its_server() {
    let mut smtp = SmtpServer::absent();
    let server = server(&smtp).await;
    let ada = server.sign_up("ada").await;
    let (project, environment) = site(&ada).await;
    subscribe(&ada, &project, &["deployment.succeeded"]).await;
    ada.deploy_static(&environment, &[("index.html", b"one")]).await;
    smtp.go_on().await;
    assert_eq!(smtp.takes(1).await.len(), 1);
}

#[tokio::test]
async fn somebody_who_is_invited_is_written_to() {
    let smtp = SmtpServer::start().await;
    let server = server(&smtp).await;
    let ada = server.sign_up("ada").await;
    ada.create_site().await;
    let invite = "mutation($input: InviteUsersInput!) { inviteUsers(input: $input) { invitations { id } } }";
    let input = json!({ "scope": "acme/site", "role": "ownstak/viewer", "emails": ["new@example.com"] });
    ada.ok(invite, json!({ "input": input })).await;
    let mail = smtp.takes(1).await.remove(0);
    assert_eq!(header(&mail, "X-RcptTo"), "new@example.com");
    assert_eq!(header(&mail, "Subject"), "you are invited to acme/site");
    assert!(mail.contains(&format!("{} invites you to acme/site as ownstak/viewer", ada.account.email)), "{mail}");
}

#[tokio::test]
async fn whoever_started_what_fails_finds_a_mail_in_the_folder_unless_they_do_not_want_to() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("reeve-server.toml"), "isolation = \"none\"\n").unwrap();
    let server = RealServer::start(data.path()).await;
    let (ada, dev) = (server.client().sign_up("ada").await, server.client().sign_up("dev").await);
    let (project, environment) = site(&ada).await;
    ada.grant(&dev, "ownstak/editor", "acme").await;
    let fail = async |who: &Client| {
        let bad = who.deploy(&environment, &[("server.py", b"")], Some(MISSING)).await;
        who.wait_for(&bad, "FAILED").await;
    };
    let mails = || {
        let Ok(all) = std::fs::read_dir(data.path().join("mail")) else { return Vec::new() };
        let all = all.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|it| it == "eml"));
        all.map(|path| std::fs::read_to_string(path).unwrap()).collect::<Vec<String>>()
    };
    let come = async |number: usize| {
        eventually("mails lie in the folder", async || Some(mails()).filter(|all| all.len() >= number)).await
    };
    fail(&dev).await;
    let mail = come(1).await.remove(0).replace("\r\n", "\n");
    assert_eq!(header(&mail, "To"), dev.account.email);
    assert_eq!(header(&mail, "Subject"), "deployment 1 of acme/site/production failed");
    assert!(mail.contains("\nWhy: "), "{mail}");
    let input = json!({ "projectId": project, "events": [], "ownFailures": false });
    dev.ok(SET, json!({ "input": input })).await;
    fail(&dev).await;
    fail(&ada).await;
    let all = come(2).await;
    assert_eq!(all.iter().filter(|mail| mail.contains(&dev.account.email)).count(), 1, "{all:#?}");
}

//! Lists come in pages that lose nothing and repeat nothing.

use serde_json::{Value, json};

use crate::harness::{Client, TestServer};

const LIST: &str = "query($first: Int, $after: String, $last: Int, $before: String) {
    organizations(first: $first, after: $after, last: $last, before: $before) {
        nodes { slug } edges { cursor node { slug } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

async fn page(client: &Client, variables: Value) -> (Vec<String>, Value) {
    let list = client.ok(LIST, variables).await["organizations"].clone();
    let slugs = |key: &str, path: &str| -> Vec<String> {
        let items = list[key].as_array().unwrap().iter();
        items.map(|item| item.pointer(path).unwrap().as_str().unwrap().to_owned()).collect()
    };
    let nodes = slugs("nodes", "/slug");
    assert_eq!(nodes, slugs("edges", "/node/slug"), "`nodes` and `edges` tell of the same rows");
    let (first, last) = (list["edges"][0]["cursor"].clone(), list["edges"].as_array().unwrap().last());
    assert_eq!(list["pageInfo"]["startCursor"], first);
    assert_eq!(list["pageInfo"]["endCursor"], last.map_or(Value::Null, |edge| edge["cursor"].clone()));
    (nodes, list["pageInfo"].clone())
}

#[tokio::test]
async fn pages_follow_each_other_forwards_and_backwards() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    let all = ["one", "two", "three", "four", "five"];
    for slug in all {
        ada.create_organization(slug).await;
    }
    server.sign_up("eve").await.create_organization("hidden").await;
    assert_eq!(page(&ada, json!({})).await.0, all);
    let (first, info) = page(&ada, json!({ "first": 2 })).await;
    assert_eq!(
        (first.as_slice(), &info["hasNextPage"], &info["hasPreviousPage"]),
        (["one", "two"].map(String::from).as_slice(), &json!(true), &json!(false))
    );
    let (second, info) = page(&ada, json!({ "first": 2, "after": info["endCursor"] })).await;
    assert_eq!(
        (second.as_slice(), &info["hasNextPage"]),
        (["three", "four"].map(String::from).as_slice(), &json!(true))
    );
    let before = page(&ada, json!({ "last": 10, "before": info["startCursor"] })).await;
    assert_eq!((before.0, &before.1["hasPreviousPage"]), (first, &json!(false)));
    ada.create_organization("six").await;
    let (third, info) = page(&ada, json!({ "first": 2, "after": info["endCursor"] })).await;
    assert_eq!((third.as_slice(), &info["hasNextPage"]), (["five", "six"].map(String::from).as_slice(), &json!(false)));
    let (beyond, info) = page(&ada, json!({ "first": 2, "after": info["endCursor"] })).await;
    assert_eq!((beyond.is_empty(), &info["hasNextPage"]), (true, &json!(false)));
    let (last, info) = page(&ada, json!({ "last": 2 })).await;
    assert_eq!(
        (last.as_slice(), &info["hasPreviousPage"]),
        (["five", "six"].map(String::from).as_slice(), &json!(true))
    );
}

#[tokio::test]
async fn a_page_that_cannot_be_is_refused() {
    let server = TestServer::start().await;
    let ada = server.sign_up("ada").await;
    ada.create_organization("acme").await;
    page(&ada, json!({ "first": 100 })).await;
    let wrong = [
        json!({ "first": 101 }),
        json!({ "last": 101 }),
        json!({ "first": -1 }),
        json!({ "first": 1, "last": 1 }),
        json!({ "first": 1, "after": "no cursor" }),
        json!({ "first": 1, "after": "" }),
        json!({ "first": 1, "after": "' OR 1=1 --" }),
        json!({ "last": 1, "before": "\u{0}" }),
    ];
    for variables in wrong {
        assert_eq!(ada.code(LIST, variables.clone()).await, "INVALID_INPUT", "{variables}");
    }
}

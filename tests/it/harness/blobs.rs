//! Sending files, as the command line does it.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::client::Client;

/// What a `PUT` of a file was answered.
#[derive(Debug)]
pub(crate) struct Put {
    pub(crate) status: StatusCode,
    /// The code of the error, if it is one.
    pub(crate) code: Option<String>,
}

/// One file of a manifest, as the API wants it.
pub(crate) fn entry(path: &str, content: &[u8]) -> Value {
    json!({ "path": path, "digest": digest(content), "sizeBytes": content.len(), "executable": false })
}

/// How the API names content.
pub(crate) fn digest(content: &[u8]) -> String {
    blake3::hash(content).to_hex().to_string()
}

impl Client {
    /// Sends one file to where a draft says.
    pub(crate) async fn put_blob(&self, url: &str, token: Option<&str>, content: Vec<u8>) -> Put {
        let mut request = self.http.put(url).body(content);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default();
        Put { status, code: body["errors"][0]["extensions"]["code"].as_str().map(str::to_owned) }
    }
}

//! The edge as visitors see it. Their names lead nowhere here, so requests go to its address and carry the name.

use std::net::SocketAddr;

use reqwest::StatusCode;
use reqwest::header::{HOST, HeaderMap};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{PATIENCE, TestServer};

/// What a visitor gets.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Page {
    /// What a request that was sent is answered.
    pub(crate) async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, body: response.text().await.unwrap() }
    }
}

impl TestServer {
    /// Visits a path below a link that the API gave.
    pub(crate) async fn get(&self, link: &str, path: &str) -> Page {
        Page::of(visit(self.edge_address(), link, path)).await
    }
}

/// A request for a path below a link, on its way to the edge.
pub(crate) fn visit(edge: SocketAddr, link: &str, path: &str) -> reqwest::RequestBuilder {
    let redirects = reqwest::redirect::Policy::none();
    let http = reqwest::Client::builder().timeout(PATIENCE).redirect(redirects).no_proxy().build().unwrap();
    http.get(format!("http://{edge}{path}")).header(HOST, host(link))
}

/// What a browser sends as `Host` for a link, or for a plain host name.
pub(crate) fn host(link: &str) -> String {
    let rest = link.split_once("://").map_or(link, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default().to_owned()
}

/// Sends bytes that no client library would, and gives what is answered until the other side closes or falls silent.
pub(crate) async fn raw(address: SocketAddr, request: &[u8]) -> String {
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    // A server that has seen enough may close before all is sent; its answer counts.
    let _ = connection.write_all(request).await;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    let silence = std::time::Duration::from_secs(2);
    while let Ok(Ok(read @ 1..)) = tokio::time::timeout(silence, connection.read(&mut buffer)).await {
        answer.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

//! Somebody's receiver of webhooks: a real HTTP server on loopback that keeps all it is sent, and answers as it is told to, well
//! or badly.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::BASE64;
use hmac::{Hmac, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::eventually;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) head: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Whether one of its signatures is made with this secret, as Standard Webhooks has it.
    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap().as_bytes()).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{}.{}.", self.headers["webhook-id"], self.headers["webhook-timestamp"]).as_bytes());
        mac.update(&self.body);
        let expected = format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()));
        self.headers["webhook-signature"].split(' ').any(|signature| signature == expected)
    }
}

/// How a receiver answers.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// With this status and body.
    Status(u16, &'static str),
    /// Sends on to another address.
    Elsewhere(String),
    /// Not at all, and holds the line.
    Silence,
    /// With a body that does not end.
    Endless,
}

/// A receiver. It goes with the story.
pub(crate) struct Receiver {
    address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
    task: JoinHandle<()>,
}

struct Kept {
    received: Vec<Received>,
    manner: Manner,
}

impl Receiver {
    /// One that takes everything.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let kept = Arc::new(Mutex::new(Kept { received: Vec::new(), manner: Manner::Status(200, "thank you") }));
        let shared = kept.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let kept = shared.clone();
                // Whoever hangs up in the middle was not received.
                tokio::spawn(async move { serve(stream, &kept).await });
            }
        });
        Self { address, kept, task }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook?token=hunter2", self.address)
    }

    /// The port at which it listens.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Answers in this manner from now on.
    pub(crate) fn answers(&self, manner: Manner) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).manner = manner;
    }

    /// Everything so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).received.clone()
    }

    /// Everything, as soon as it is so much.
    pub(crate) async fn receives(&self, number: usize) -> Vec<Received> {
        eventually(&format!("{number} requests came"), async || {
            let received = self.received();
            (received.len() >= number).then_some(received)
        })
        .await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, kept: &Mutex<Kept>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    stream.read_line(&mut head).await.ok()?;
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    let manner = {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.received.push(Received { head: head.trim_end().to_owned(), headers, body });
        kept.manner.clone()
    };
    match manner {
        Manner::Status(status, text) => {
            let answer =
                format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}", text.len());
            stream.write_all(answer.as_bytes()).await.ok()?;
        }
        Manner::Elsewhere(url) => {
            let answer = format!("HTTP/1.1 307 X\r\nlocation: {url}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.ok()?;
        }
        Manner::Silence => std::future::pending::<()>().await,
        Manner::Endless => {
            stream.write_all(b"HTTP/1.1 500 X\r\n\r\n").await.ok()?;
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
        }
    }
    stream.shutdown().await.ok()
}

//! HTTPS: which certificate is shown for which name, from memory and nowhere else. It must not know where certificates come
//! from.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::Shared;

const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// A certificate with its key. Written down it is only ever sent over the socket between control plane and edge.
#[derive(Clone, Serialize, Deserialize)]
pub struct Certificate(Arc<Pem>);

#[derive(Serialize, Deserialize)]
struct Pem {
    chain: String,
    key: String,
    /// Read when it is needed first; none if it cannot be.
    #[serde(skip)]
    read: OnceLock<Option<Arc<CertifiedKey>>>,
}

impl Certificate {
    /// Reads a chain and the private key of its first certificate, both in PEM.
    ///
    /// # Errors
    /// When either is malformed, or they do not belong together.
    pub fn parse(chain: &str, key: &[u8]) -> Result<Self, String> {
        let key = String::from_utf8(key.to_vec()).map_err(|_| "the key cannot be read".to_owned())?;
        let read = OnceLock::from(Some(read(chain, &key)?));
        Ok(Self(Arc::new(Pem { chain: chain.to_owned(), key, read })))
    }

    fn certified(&self) -> Option<Arc<CertifiedKey>> {
        self.0.read.get_or_init(|| read(&self.0.chain, &self.0.key).ok()).clone()
    }
}

fn read(chain: &str, key: &str) -> Result<Arc<CertifiedKey>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
    let chain = chain.map_err(|error| format!("the chain cannot be read ({error})"))?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| "the key cannot be read".to_owned())?;
    let certified = CertifiedKey::from_der(chain, key, &ring::default_provider());
    Ok(Arc::new(certified.map_err(|error| format!("the certificate cannot be used ({error})"))?))
}

/// A chain has one key.
impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.chain == other.0.chain
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate(redacted)")
    }
}

/// Shows the certificate that the table has for the name that a client asks for; without one there is no connection.
struct ByName(Arc<Shared>);

impl fmt::Debug for ByName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByName")
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?.to_ascii_lowercase();
        self.0.table.certificate(&name)?.certified()
    }
}

/// What speaks TLS 1.2 and 1.3 with clients.
pub(super) fn acceptor(shared: Arc<Shared>) -> Result<TlsAcceptor, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(ByName(shared)));
    config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The name that a client asked for, and whether both sides speak HTTP/2.
pub(super) fn agreed(stream: &TlsStream<TcpStream>) -> (Option<Arc<str>>, bool) {
    let (_, session) = stream.get_ref();
    let name = session.server_name().map(|name| name.to_ascii_lowercase().into());
    (name, session.alpn_protocol() == Some(HTTP2))
}

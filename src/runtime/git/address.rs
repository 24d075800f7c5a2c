//! Where a host is, and whether that is outside: a repository is named by anybody, and must not lead to what only this machine
//! can reach.

use std::net::{IpAddr, SocketAddr};

use super::GitError;
use crate::domain::address::is_outside;
use crate::domain::invalid::quote;

/// The addresses of a host, all of them outside unless others are allowed.
pub(super) async fn of(host: &str, port: u16, private: bool) -> Result<Vec<SocketAddr>, GitError> {
    let unknown = || GitError::Refused(format!("the host {} is not known", quote(host)));
    let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await.map_err(|_| unknown())?.collect();
    if found.is_empty() {
        return Err(unknown());
    }
    if !private && !found.iter().all(|address| is_outside(address.ip())) {
        let text = format!("the host {} is in this machine's own network, from where nothing is fetched", quote(host));
        return Err(GitError::Refused(text));
    }
    Ok(found)
}

/// As curl wants it.
pub(super) fn bracketed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

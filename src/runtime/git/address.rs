//! Where a host is, and whether that is outside: a repository is named by anybody, and must not lead to what only this machine
//! can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::GitError;
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

fn is_outside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_outside_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(address) => is_outside_v4(address),
            None => {
                let [first, ..] = address.segments();
                // 2000::/3 is what is given out.
                first & 0xe000 == 0x2000
            }
        },
    }
}

/// An address of the old kind within one of the new: mapped, NAT64, 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let joined = |high: u16, low: u16| Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => joined(g, h),
        (0x2002, high, low, ..) => joined(high, low),
        _ => None,
    }
}

fn is_outside_v4(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    let shared = a == 100 && b & 0xc0 == 64;
    let benchmark = a == 198 && b & 0xfe == 18;
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || shared
        || benchmark
        || a == 0
        || a >= 240)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
mod tests {
    use super::*;

    #[test]
    fn what_only_this_machine_reaches_is_not_outside() {
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "ff02::1",
        ] {
            assert!(!is_outside(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["140.82.112.3", "8.8.8.8", "2606:50c0:8000::153", "::ffff:8.8.8.8", "100.128.0.1"] {
            assert!(is_outside(outside.parse().unwrap()), "{outside}");
        }
    }
}

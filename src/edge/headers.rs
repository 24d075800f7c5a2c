//! Header hygiene: which host is meant, what is stripped between two connections, what a program is told about its
//! client. It must not know targets.

use std::{
    borrow::Cow,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering},
};

use hyper::{
    Method, Request, Version,
    header::{
        CONNECTION, COOKIE, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What a client may claim about itself only to a proxy that it got past; always replaced or removed.
const CLAIMS_OF_CLIENTS: [HeaderName; 5] = [
    FORWARDED,
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-real-ip"),
];

/// RFC 9110 section 7.6.1 and its predecessors.
const HOP_BY_HOP: [HeaderName; 8] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Why a request names no host that can be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadHost {
    Missing,
    Invalid,
    /// The request line names another host than the header: two parsers could disagree about who answers.
    Mismatch,
    /// `CONNECT`: this is no open proxy.
    Tunnel,
}

/// Makes a request that came over HTTP/2 one as HTTP/1.1 has it, which is what programs speak: the host in its header, and
/// cookies in one (RFC 9113, 8.2.3 and 8.3.1).
pub(super) fn from_http2<B>(request: &mut Request<B>) {
    if request.version() != Version::HTTP_2 {
        return;
    }
    if !request.headers().contains_key(HOST)
        && let Some(authority) = request.uri().authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(HOST, host);
    }
    let crumbs: Vec<&[u8]> = request.headers().get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        && let Ok(cookie) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        request.headers_mut().insert(COOKIE, cookie);
    }
}

/// The host that is meant: lower case, without port and final dot.
pub(super) fn host<B>(request: &Request<B>) -> Result<Cow<'_, str>, BadHost> {
    if request.method() == Method::CONNECT {
        return Err(BadHost::Tunnel);
    }
    let mut values = request.headers().get_all(HOST).iter();
    let header = values.next().ok_or(BadHost::Missing)?.to_str().map_err(|_| BadHost::Invalid)?;
    if values.next().is_some() {
        return Err(BadHost::Invalid);
    }
    if request.uri().authority().is_some_and(|authority| !authority.as_str().eq_ignore_ascii_case(header)) {
        return Err(BadHost::Mismatch);
    }
    let (name, port) = match header.rsplit_once(':') {
        Some((name, port)) if !header.ends_with(']') => (name, port),
        _ => (header, ""),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    if header.is_empty() {
        return Err(BadHost::Missing);
    }
    if name.is_empty() || name.len() > 253 || !name.bytes().all(allowed) || !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(BadHost::Invalid);
    }
    Ok(if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    })
}

/// Removes what is meant for one connection only, including what `Connection` names; gives the protocol that an upgrade
/// asks for or agrees to.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) -> Option<HeaderValue> {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .collect();
    let upgrade = if named.contains(&UPGRADE) { headers.get(UPGRADE).cloned() } else { None };
    headers.remove(CONNECTION);
    // A client that names `Host` would otherwise choose which host the program sees.
    for name in named.iter().filter(|name| **name != HOST) {
        headers.remove(name);
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    upgrade
}

/// Asks for, or agrees to, an upgrade on the next connection.
pub(super) fn set_upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol);
}

/// Tells a program who its client is. Replaces what the client said: nobody in front of this edge is trusted to say it.
pub(super) fn set_forwarded(headers: &mut HeaderMap, client: IpAddr, https: bool, request_id: HeaderValue) {
    for name in &CLAIMS_OF_CLIENTS {
        headers.remove(name);
    }
    if let Ok(client) = HeaderValue::from_str(&client.to_canonical().to_string()) {
        headers.insert(FORWARDED_FOR, client);
    }
    if let Some(host) = headers.get(HOST).cloned() {
        headers.insert(FORWARDED_HOST, host);
    }
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(if https { "https" } else { "http" }));
    headers.insert(REQUEST_ID, request_id);
}

/// Names requests. The hasher is keyed with the process's own entropy, so that ids of different runs and edges differ.
#[derive(Default)]
pub(super) struct RequestIds {
    state: RandomState,
    next: AtomicU64,
}

impl RequestIds {
    /// The client's id if it is a reasonable one, otherwise a new one.
    pub(super) fn of(&self, headers: &HeaderMap) -> HeaderValue {
        let reasonable = |value: &&HeaderValue| {
            let bytes = value.as_bytes();
            (1..=128).contains(&bytes.len())
                && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte))
        };
        headers.get(REQUEST_ID).filter(reasonable).cloned().unwrap_or_else(|| self.make())
    }

    fn make(&self) -> HeaderValue {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let text = format!("{:016x}{:016x}", self.state.hash_one((number, 0)), self.state.hash_one((number, 1)));
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("unknown"))
    }
}

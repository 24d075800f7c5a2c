//! What the edge does for a host beside serving it, as the control plane tells it. It must not know how passwords are kept
//! or clients are counted.

use std::{collections::HashMap, fmt, future::Future, net::IpAddr, pin::Pin, sync::Arc};

use bytes::Bytes;

/// What the edge does for one host.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Plain requests are sent on to HTTPS.
    pub redirect_to_https: bool,
    /// What was set for the environment that the host belongs to; none when nothing was.
    pub rules: Option<Arc<Rules>>,
}

/// What was set for an environment.
#[derive(Debug)]
pub struct Rules {
    /// The first that fits counts.
    pub redirects: Vec<Redirect>,
    /// HTML by the status that it goes with.
    pub pages: HashMap<u16, Bytes>,
    /// Whether answers are compressed for clients that ask for it.
    pub compression: bool,
    /// Who is let through; none when everybody is.
    pub gate: Option<Arc<dyn Gate>>,
}

/// Where requests are sent instead.
pub struct Redirect {
    /// Gives the address for the path of a request that it is for.
    pub target: Box<dyn Fn(&str) -> Option<String> + Send + Sync>,
    /// Whether clients may remember it.
    pub permanent: bool,
}

impl fmt::Debug for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redirect").field("permanent", &self.permanent).finish_non_exhaustive()
    }
}

/// Why somebody is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Without the password.
    Locked,
    /// Too often; the seconds to wait.
    TooOften(u64),
}

/// An answer that takes a while.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Says who is let through.
pub trait Gate: fmt::Debug + Send + Sync {
    /// Whether it is by a password, which the program behind must not see.
    fn is_locked(&self) -> bool;
    /// Counts one request, and says whether it comes through if that can be told at once.
    fn admits(&self, client: IpAddr, authorization: Option<&[u8]>) -> Option<Result<(), Closed>>;
    /// Says the same when it takes a while.
    fn check<'a>(&'a self, client: IpAddr, authorization: &'a [u8]) -> Later<'a, Result<(), Closed>>;
}

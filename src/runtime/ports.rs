//! Ports for programs that have no network of their own: found free, and not given twice before a program listens. It must not know
//! how a program is told.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{LogFrom, RuntimeError, instance::Instance, log, procfs};

/// What programs write when their port is taken.
const TAKEN: [&str; 2] = ["address already in use", "eaddrinuse"];
/// Lines of a log that are looked at for that.
const LINES: usize = 50;

/// Ports given to programs that may not listen on them yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Ports(Arc<Mutex<HashMap<String, u16>>>);

impl Ports {
    /// A loopback port that nothing listens on and that no other start has been given.
    pub(super) fn free(&self, name: &str) -> Result<u16, RuntimeError> {
        let mut ports = self.given();
        ports.remove(name);
        // Each is held until one is found, so that the system does not offer the same again.
        let mut held = Vec::new();
        loop {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
            let listener = listener.map_err(RuntimeError::internal("no port is free"))?;
            let port = listener.local_addr().map_err(RuntimeError::internal("no port is free"))?.port();
            if !ports.values().any(|given| *given == port) {
                ports.insert(name.to_owned(), port);
                return Ok(port);
            }
            held.push(listener);
        }
    }

    /// The program with this name has ended.
    pub(super) fn give_back(&self, name: &str) {
        self.given().remove(name);
    }

    fn given(&self) -> MutexGuard<'_, HashMap<String, u16>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the program ended at once because its port was taken. Looks for a tenth of a second at most, and only until
/// something listens.
pub(super) async fn was_taken(instance: &Instance, port: u16) -> bool {
    let mut pause = Duration::from_millis(2);
    while pause < Duration::from_millis(100) {
        if instance.exit().is_some() {
            let said = log::read(&instance.dir, LogFrom::Last(LINES), LINES).unwrap_or_default();
            return said.lines.iter().any(|line| {
                let text = line.text.to_ascii_lowercase();
                TAKEN.iter().any(|taken| text.contains(taken))
            });
        }
        if procfs::listens(port) {
            return false;
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    false
}

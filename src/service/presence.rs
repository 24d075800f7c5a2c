//! Sessions that have something open here: whatever was opened in a session ends with it, also when it is ended elsewhere. It
//! must not know what is open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use entities::ids::SessionId;

use crate::error::Result;
use crate::store::{self, Store};

/// All of them; one for a process.
#[derive(Default)]
pub struct Presence {
    sessions: Mutex<HashMap<SessionId, Present>>,
}

struct Present {
    open: usize,
    ended: CancellationToken,
}

/// Something that is open in a session.
pub struct Attendance {
    presence: Arc<Presence>,
    session: SessionId,
    ended: CancellationToken,
}

impl Presence {
    /// Something is opened in a session, whose end it will be told of.
    pub fn attend(self: &Arc<Self>, session: SessionId) -> Attendance {
        let mut sessions = self.lock();
        let present = sessions.entry(session).or_insert_with(|| Present { open: 0, ended: CancellationToken::new() });
        present.open += 1;
        Attendance { presence: self.clone(), session, ended: present.ended.clone() }
    }

    /// Tells of the sessions that have ended: one statement, however many there are.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn check(&self, store: &Store) -> Result<()> {
        let present: Vec<SessionId> = self.lock().keys().copied().collect();
        if present.is_empty() {
            return Ok(());
        }
        let live = store::session::live_of(store, &present).await?;
        let sessions = self.lock();
        for session in present.iter().filter(|session| !live.contains(session)) {
            if let Some(present) = sessions.get(session) {
                present.ended.cancel();
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Present>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attendance {
    /// Waits for the end of the session.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }
}

impl Drop for Attendance {
    fn drop(&mut self) {
        let mut sessions = self.presence.lock();
        if let Some(present) = sessions.get_mut(&self.session) {
            present.open -= 1;
            if present.open == 0 {
                sessions.remove(&self.session);
            }
        }
    }
}

//! Following logs: what is there already, then each line that comes, over restarts of programs and switches of environments.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::Stream;

use entities::ids::{DeploymentEventId, DeploymentId};
use entities::values::{DeploymentKind, DeploymentState};

use super::{BITE, Cursor, From, Kind, Reader, Shown};
use crate::authz::{Held, Permit};
use crate::error::{Error, Result};
use crate::runtime::{LogFrom, Status};
use crate::service::App;
use crate::store::{self, deployment_event};
use crate::sys::clock;

/// How often a log is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How often the database is looked at for the end of a deployment, and for the switch of an environment.
const SEEK_END: Duration = Duration::from_secs(2);
const SEEK_SWITCH: Duration = Duration::from_millis(400);

/// Whose log is followed.
enum Whose {
    /// That of one deployment, until nothing more can come.
    Deployment(DeploymentId, Kind),
    /// Those of whichever deployments the environment's link points to, one after the other: the one that is read, and those
    /// that come next.
    Active(Option<DeploymentId>, VecDeque<(DeploymentEventId, DeploymentId)>),
}

/// A log that is being followed.
struct Tail<C> {
    app: Arc<App>,
    permit: Permit<C>,
    whose: Whose,
    reader: Reader,
    waiting: VecDeque<Shown>,
    /// When the database is to be looked at again.
    due: Instant,
}

/// The log of one deployment, from where somebody wants to begin, until nothing more can come.
///
/// # Errors
/// `InvalidInput` for a cursor of another log.
pub async fn deployment<C: Held>(
    app: Arc<App>,
    permit: Permit<C>,
    (id, kind): (DeploymentId, Kind),
    from: &From,
) -> Result<impl Stream<Item = Result<Shown>> + Send + use<C>> {
    let reader = Reader::begin(&app, (id, kind), from).await?;
    let whose = Whose::Deployment(id, kind);
    Ok(Tail { app, permit, whose, reader, waiting: VecDeque::new(), due: clock::instant() }.lines())
}

/// The log of what an environment's link serves, from where somebody wants to begin: behind a cursor, of everything that it has
/// served since.
///
/// # Errors
/// `InvalidInput` for what is no cursor; `Unavailable` when the database does not answer.
pub async fn environment<C: Held>(
    app: Arc<App>,
    permit: Permit<C>,
    from: &From,
) -> Result<impl Stream<Item = Result<Shown>> + Send + use<C>> {
    let cursor = match from {
        From::After(text) => Cursor::parse("after", text)?,
        From::Last(_) | From::Before(_) | From::Since(_) => Cursor::default(),
    };
    let mut switches: VecDeque<_> = deployment_event::switches(&app.store, &permit, cursor.switch).await?.into();
    let mut reader = Reader { sources: Vec::new(), cursor };
    let mut read = None;
    if let Some((switch, id)) = switches.pop_front() {
        reader.cursor.switch = Some(switch);
        read = Some(id);
        reader.turn_to(Kind::Runtime.instances(&app, id).await?);
        for (_, source) in &mut reader.sources {
            match from {
                From::Last(lines) => *source = LogFrom::Last(*lines),
                From::Since(at) => *source = LogFrom::Since(at.timestamp_millis()),
                From::After(_) | From::Before(_) => {}
            }
        }
    }
    let whose = Whose::Active(read, switches);
    Ok(Tail { app, permit, whose, reader, waiting: VecDeque::new(), due: clock::instant() }.lines())
}

impl<C: Held> Tail<C> {
    fn lines(self) -> impl Stream<Item = Result<Shown>> + Send {
        futures_util::stream::unfold(Some(self), |tail| async {
            let mut tail = tail?;
            match tail.next().await {
                Ok(Some(line)) => Some((Ok(line), Some(tail))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    async fn next(&mut self) -> Result<Option<Shown>> {
        loop {
            if let Some(line) = self.waiting.pop_front() {
                return Ok(Some(line));
            }
            // First whether more can come, then what has come: a program that ends in between has said its last word.
            let over = self.seek().await?;
            if let Whose::Deployment(id, _) | Whose::Active(Some(id), _) = self.whose {
                let kind = if let Whose::Deployment(_, kind) = self.whose { kind } else { Kind::Runtime };
                self.reader.turn_to(kind.instances(&self.app, id).await?);
            }
            self.waiting = self.reader.read(&self.app, BITE).await?.into();
            if !self.waiting.is_empty() {
                continue;
            }
            // What the one before said last came first.
            if let Whose::Active(read, switches) = &mut self.whose
                && let Some((switch, id)) = switches.pop_front()
            {
                self.reader.cursor.switch = Some(switch);
                *read = Some(id);
                continue;
            }
            if over {
                return Ok(None);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Looks in the database now and then. Whether nothing more can come.
    async fn seek(&mut self) -> Result<bool> {
        let now = clock::instant();
        if now < self.due {
            return Ok(false);
        }
        match &mut self.whose {
            Whose::Deployment(id, kind) => {
                self.due = now + SEEK_END;
                let (id, kind) = (*id, *kind);
                self.is_over(id, kind).await
            }
            Whose::Active(_, switches) => {
                self.due = now + SEEK_SWITCH;
                let known = switches.back().map(|(switch, _)| *switch).or(self.reader.cursor.switch);
                let found = deployment_event::switches(&self.app.store, &self.permit, known).await?;
                switches.extend(found.into_iter().filter(|(switch, _)| Some(*switch) != known));
                Ok(false)
            }
        }
    }

    async fn is_over(&self, id: DeploymentId, kind: Kind) -> Result<bool> {
        let row = match store::deployment::get(&self.app.store, &self.permit, id).await {
            Ok(row) => row,
            Err(Error::NotFound { .. }) => return Ok(true),
            Err(error) => return Err(error),
        };
        let over = match (kind, row.state) {
            (Kind::Runtime, _) if row.kind == DeploymentKind::Static => true,
            (_, DeploymentState::Draft | DeploymentState::Queued | DeploymentState::Building) => false,
            (Kind::Build, _) => true,
            (
                Kind::Runtime,
                DeploymentState::Failed
                | DeploymentState::Cancelled
                | DeploymentState::Skipped
                | DeploymentState::Deleted,
            ) => true,
            (
                Kind::Runtime,
                DeploymentState::Starting
                | DeploymentState::Ready
                | DeploymentState::Active
                | DeploymentState::Retired
                | DeploymentState::Reviving,
            ) => false,
        };
        for instance in kind.instances(&self.app, id).await? {
            if matches!(self.app.driver.status(&instance).await?, Status::Running { .. }) {
                return Ok(false);
            }
        }
        Ok(over)
    }
}

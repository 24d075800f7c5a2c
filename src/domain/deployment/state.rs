//! Which action a deployment allows in which state, decided in one place for the API's `availableActions` and for the
//! workflow alike; it must not know who asks, nor the environment around the deployment.

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// All of them, in the order of their declaration.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// The word for storage and for the API.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// Reads the word back.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|it| it.as_str() == text)
            }
        }
    };
}

words! {
    /// Where a deployment is in its life.
    State {
        /// Files are being uploaded.
        Draft = "DRAFT",
        /// Waits for a worker.
        Queued = "QUEUED",
        /// Its files are being laid out, or built.
        Building = "BUILDING",
        /// Its instances start and are asked for their health.
        Starting = "STARTING",
        /// Serves on its own link.
        Ready = "READY",
        /// Serves on its own link and on the environment's.
        Active = "ACTIVE",
        /// Did not become ready.
        Failed = "FAILED",
        /// Somebody stopped it before it was ready; nothing of it is left.
        Cancelled = "CANCELLED",
        /// A newer one was queued behind it, so it was not started.
        Skipped = "SKIPPED",
        /// Stopped; its code and assets are kept.
        Retired = "RETIRED",
        /// Starts again after it was retired.
        Reviving = "REVIVING",
        /// Removed with its code and assets, for ever.
        Deleted = "DELETED",
    }
}

words! {
    /// What can be asked of a deployment.
    Action {
        /// Queue a draft whose files are all there.
        Deploy = "DEPLOY",
        /// Make a new deployment of the same version with today's variables.
        Redeploy = "REDEPLOY",
        /// Make it the active one.
        Rollback = "ROLLBACK",
        /// Stop it and keep its code and assets.
        Retire = "RETIRE",
        /// Start it again.
        Revive = "REVIVE",
        /// Remove it with its code and assets.
        Delete = "DELETE",
        /// Abort what is under way.
        Cancel = "CANCEL",
        /// Put a new program in the place of each of its instances, one after the other.
        Restart = "RESTART",
    }
}

/// What the decision about an action rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    /// Where the deployment is in its life.
    pub state: State,
    /// Whether a program serves it, and not files.
    pub program: bool,
    /// Whether a restart of its instances is waiting or under way.
    pub restarting: bool,
}

/// Why a deployment's state does not allow an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It is the active one.
    Active,
    /// It has not been ready yet.
    NotReady,
    /// Another action on it is under way.
    InProgress,
    /// It was deployed before.
    NotDraft,
    /// It runs already.
    Running,
    /// It is retired already.
    Retired,
    /// It failed.
    Failed,
    /// It is over, so there is nothing to stop.
    Finished,
    /// Its code and assets are gone.
    ArtifactGone,
    /// It is deleted.
    Deleted,
    /// No program serves it.
    Static,
    /// It does not run.
    NotRunning,
}

impl Refusal {
    /// The `reason` that goes with `FAILED_PRECONDITION`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Active => "DEPLOYMENT_ACTIVE",
            Self::NotReady => "DEPLOYMENT_NOT_READY",
            Self::InProgress => "DEPLOYMENT_IN_PROGRESS",
            Self::NotDraft => "DEPLOYMENT_NOT_DRAFT",
            Self::Running => "DEPLOYMENT_RUNNING",
            Self::Retired => "DEPLOYMENT_RETIRED",
            Self::Failed => "DEPLOYMENT_FAILED",
            Self::Finished => "DEPLOYMENT_FINISHED",
            Self::ArtifactGone => "ARTIFACT_GONE",
            Self::Deleted => "DEPLOYMENT_DELETED",
            Self::Static => "DEPLOYMENT_STATIC",
            Self::NotRunning => "DEPLOYMENT_NOT_RUNNING",
        }
    }

    /// What is wrong and what to do, for people.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Active => "the deployment is the active one, make another one active first",
            Self::NotReady => "the deployment has not been ready yet, wait for it or cancel it",
            Self::InProgress => "an action on the deployment is under way, wait for it or cancel it",
            Self::NotDraft => "the deployment was deployed before, re-deploy it or make a new one",
            Self::Running => "the deployment runs already, there is nothing to revive",
            Self::Retired => "the deployment is retired already, there is nothing to stop",
            Self::Failed => "the deployment failed, choose one that has been ready",
            Self::Finished => "the deployment is finished, there is nothing to stop",
            Self::ArtifactGone => "the deployment's code and assets are gone, deploy them again",
            Self::Deleted => "the deployment is deleted, choose another",
            Self::Static => "the deployment is files, there is no instance to restart",
            Self::NotRunning => "the deployment does not run, revive it instead",
        }
    }
}

/// The state that follows when the action is accepted, or why it is not.
///
/// Re-deploying leaves the state as it is: what it makes is a new deployment, which begins `QUEUED`. Rolling back to one
/// that is retired revives it first and moves the alias once it is healthy. Cancelling a revival retires again. A restart
/// leaves the state as it is; while it is under way nothing else takes the deployment in hand, and it can be cancelled.
///
/// # Errors
/// The one reason that tells best what to do instead.
pub const fn decide(subject: Subject, action: Action) -> Result<State, Refusal> {
    let state = subject.state;
    if subject.restarting && matches!(state, State::Ready | State::Active) {
        match action {
            Action::Cancel => return Ok(state),
            Action::Restart | Action::Retire | Action::Delete | Action::Rollback => {
                return Err(match (state, action) {
                    (State::Active, Action::Retire | Action::Delete | Action::Rollback) => Refusal::Active,
                    _ => Refusal::InProgress,
                });
            }
            Action::Deploy | Action::Redeploy | Action::Revive => {}
        }
    }
    match action {
        Action::Deploy => deploy(state),
        Action::Redeploy => redeploy(state),
        Action::Rollback => rollback(state),
        Action::Retire => retire(state),
        Action::Revive => revive(state),
        Action::Delete => delete(state),
        Action::Cancel => cancel(state),
        Action::Restart => restart(state, subject.program),
    }
}

const fn restart(state: State, program: bool) -> Result<State, Refusal> {
    match state {
        State::Ready | State::Active if program => Ok(state),
        State::Ready | State::Active => Err(Refusal::Static),
        State::Draft | State::Queued | State::Building | State::Starting => Err(Refusal::NotReady),
        State::Reviving => Err(Refusal::InProgress),
        State::Retired => Err(Refusal::NotRunning),
        State::Failed => Err(Refusal::Failed),
        State::Cancelled | State::Skipped => Err(Refusal::Finished),
        State::Deleted => Err(Refusal::Deleted),
    }
}

const fn deploy(state: State) -> Result<State, Refusal> {
    match state {
        State::Draft => Ok(State::Queued),
        State::Queued | State::Building | State::Starting => Err(Refusal::InProgress),
        State::Ready
        | State::Active
        | State::Failed
        | State::Cancelled
        | State::Skipped
        | State::Retired
        | State::Reviving => Err(Refusal::NotDraft),
        State::Deleted => Err(Refusal::Deleted),
    }
}

const fn redeploy(state: State) -> Result<State, Refusal> {
    match state {
        State::Draft => Err(Refusal::NotReady),
        State::Queued | State::Building | State::Starting => Err(Refusal::InProgress),
        State::Ready | State::Active | State::Failed | State::Skipped | State::Retired | State::Reviving => Ok(state),
        State::Cancelled => Err(Refusal::ArtifactGone),
        State::Deleted => Err(Refusal::Deleted),
    }
}

const fn rollback(state: State) -> Result<State, Refusal> {
    match state {
        State::Draft | State::Queued | State::Building | State::Starting => Err(Refusal::NotReady),
        State::Ready => Ok(State::Active),
        State::Retired | State::Reviving => Ok(State::Reviving),
        State::Active => Err(Refusal::Active),
        State::Failed => Err(Refusal::Failed),
        State::Cancelled | State::Skipped => Err(Refusal::Finished),
        State::Deleted => Err(Refusal::Deleted),
    }
}

const fn retire(state: State) -> Result<State, Refusal> {
    match state {
        State::Draft | State::Queued | State::Building | State::Starting => Err(Refusal::NotReady),
        State::Ready => Ok(State::Retired),
        State::Active => Err(Refusal::Active),
        State::Retired => Err(Refusal::Retired),
        State::Reviving => Err(Refusal::InProgress),
        State::Failed | State::Cancelled | State::Skipped => Err(Refusal::Finished),
        State::Deleted => Err(Refusal::Deleted),
    }
}

const fn revive(state: State) -> Result<State, Refusal> {
    match state {
        State::Draft | State::Queued | State::Building | State::Starting => Err(Refusal::NotReady),
        State::Ready | State::Active => Err(Refusal::Running),
        State::Retired => Ok(State::Reviving),
        State::Reviving => Err(Refusal::InProgress),
        State::Failed => Err(Refusal::Failed),
        State::Cancelled | State::Skipped => Err(Refusal::Finished),
        State::Deleted => Err(Refusal::Deleted),
    }
}

const fn delete(state: State) -> Result<State, Refusal> {
    match state {
        State::Draft | State::Ready | State::Failed | State::Cancelled | State::Skipped | State::Retired => {
            Ok(State::Deleted)
        }
        State::Queued | State::Building | State::Starting | State::Reviving => Err(Refusal::InProgress),
        State::Active => Err(Refusal::Active),
        State::Deleted => Err(Refusal::Deleted),
    }
}

const fn cancel(state: State) -> Result<State, Refusal> {
    match state {
        State::Draft | State::Queued | State::Building | State::Starting => Ok(State::Cancelled),
        State::Reviving => Ok(State::Retired),
        State::Ready | State::Active | State::Failed | State::Cancelled | State::Skipped | State::Retired => {
            Err(Refusal::Finished)
        }
        State::Deleted => Err(Refusal::Deleted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One row a state, one column an action in the order of `Action::ALL`; `!` marks a refusal.
    const TABLE: &str = "
        state     DEPLOY        REDEPLOY       ROLLBACK    RETIRE       REVIVE       DELETE       CANCEL RESTART
        DRAFT     QUEUED        !NOT_READY     !NOT_READY  !NOT_READY   !NOT_READY   DELETED      CANCELLED !NOT_READY
        QUEUED    !IN_PROGRESS  !IN_PROGRESS   !NOT_READY  !NOT_READY   !NOT_READY   !IN_PROGRESS CANCELLED !NOT_READY
        BUILDING  !IN_PROGRESS  !IN_PROGRESS   !NOT_READY  !NOT_READY   !NOT_READY   !IN_PROGRESS CANCELLED !NOT_READY
        STARTING  !IN_PROGRESS  !IN_PROGRESS   !NOT_READY  !NOT_READY   !NOT_READY   !IN_PROGRESS CANCELLED !NOT_READY
        READY     !NOT_DRAFT    READY          ACTIVE      RETIRED      !RUNNING     DELETED      !FINISHED READY
        ACTIVE    !NOT_DRAFT    ACTIVE         !ACTIVE     !ACTIVE      !RUNNING     !ACTIVE      !FINISHED ACTIVE
        FAILED    !NOT_DRAFT    FAILED         !FAILED     !FINISHED    !FAILED      DELETED      !FINISHED !FAILED
        CANCELLED !NOT_DRAFT    !ARTIFACT_GONE !FINISHED   !FINISHED    !FINISHED    DELETED      !FINISHED !FINISHED
        SKIPPED   !NOT_DRAFT    SKIPPED        !FINISHED   !FINISHED    !FINISHED    DELETED      !FINISHED !FINISHED
        RETIRED   !NOT_DRAFT    RETIRED        REVIVING    !RETIRED     REVIVING     DELETED      !FINISHED !NOT_RUNNING
        REVIVING  !NOT_DRAFT    REVIVING       REVIVING    !IN_PROGRESS !IN_PROGRESS !IN_PROGRESS RETIRED !IN_PROGRESS
        DELETED   !DELETED      !DELETED       !DELETED    !DELETED     !DELETED     !DELETED     !DELETED !DELETED
    ";

    #[test]
    fn every_cell_is_as_the_table_says() {
        let mut rows =
            TABLE.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).filter(|row| !row.is_empty());
        let actions = rows.next().map(|header| header[1..].to_vec());
        assert_eq!(actions, Some(Action::ALL.map(Action::as_str).to_vec()));
        let mut states = Vec::new();
        for row in rows {
            let state = State::parse(row[0]);
            states.extend(state);
            for (action, wanted) in Action::ALL.into_iter().zip(&row[1..]) {
                let of = |state| Subject { state, program: true, restarting: false };
                let decided = state.map(|state| match decide(of(state), action) {
                    Ok(next) => next.as_str().to_owned(),
                    Err(refusal) => format!("!{}", refusal.code().trim_start_matches("DEPLOYMENT_")),
                });
                assert_eq!(decided.as_deref(), Some(*wanted), "{} {}", row[0], action.as_str());
            }
            assert_eq!(row.len(), 1 + Action::ALL.len(), "{}", row[0]);
        }
        assert_eq!(states, State::ALL);
    }

    #[test]
    fn one_that_is_restarted_is_in_hand() {
        for state in [State::Ready, State::Active] {
            let restarting = Subject { state, program: true, restarting: true };
            assert_eq!(decide(restarting, Action::Cancel), Ok(state));
            assert_eq!(decide(restarting, Action::Redeploy), Ok(state));
            assert_eq!(decide(restarting, Action::Restart), Err(Refusal::InProgress));
            let refusal = if state == State::Active { Refusal::Active } else { Refusal::InProgress };
            for action in [Action::Retire, Action::Delete, Action::Rollback] {
                assert_eq!(decide(restarting, action), Err(refusal), "{action:?}");
            }
            let files = Subject { state, program: false, restarting: false };
            assert_eq!(decide(files, Action::Restart), Err(Refusal::Static));
        }
    }

    #[test]
    fn nothing_else_is_a_word() {
        assert_eq!(State::parse("ready"), None);
        assert_eq!(Action::parse(""), None);
    }
}

//! What the process tells the shell; it must not know any command.

use std::process::ExitCode;

/// Why a command ended, as its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It did what was asked.
    Ok = 0,
    /// The operation failed, for example a deployment.
    Failed = 1,
    /// The command line or a value in it is wrong.
    Usage = 2,
    /// Nobody is signed in.
    NotSignedIn = 3,
    /// It is forbidden, or a quota is used up.
    Refused = 4,
    /// There is no such thing, or it may not be seen.
    NotFound = 5,
    /// Somebody was faster, or the thing is not in a state that allows it.
    Conflict = 6,
    /// The server cannot be reached, or asks to come back later.
    Unavailable = 7,
    /// Interrupted while waiting, as shells count it.
    Interrupted = 130,
}

impl Exit {
    /// All of them, in the order in which the help lists them.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::Failed,
        Self::Usage,
        Self::NotSignedIn,
        Self::Refused,
        Self::NotFound,
        Self::Conflict,
        Self::Unavailable,
        Self::Interrupted,
    ];

    /// What the help says about it.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "done; for `explain`: allowed",
            Self::Failed => "the operation failed, for example the deployment",
            Self::Usage => "the command line or a value in it is wrong",
            Self::NotSignedIn => "nobody is signed in",
            Self::Refused => "forbidden, or a quota is used up; for `explain`: refused",
            Self::NotFound => "there is no such thing, or you may not view it",
            Self::Conflict => "somebody was faster, or its state does not allow it",
            Self::Unavailable => "the server cannot be reached or asks to come back later",
            Self::Interrupted => "interrupted while waiting; the work itself goes on",
        }
    }

    /// The exit that belongs to an error code of the API; codes that this program is too old to know count as failed.
    pub(super) fn of_code(code: &str) -> Self {
        match code {
            "UNAUTHENTICATED" => Self::NotSignedIn,
            "FORBIDDEN" | "QUOTA_EXCEEDED" => Self::Refused,
            "NOT_FOUND" => Self::NotFound,
            "INVALID_INPUT" => Self::Usage,
            "CONFLICT" | "FAILED_PRECONDITION" | "IDEMPOTENCY_KEY_REUSED" => Self::Conflict,
            "UNAVAILABLE" | "RATE_LIMITED" => Self::Unavailable,
            _ => Self::Failed,
        }
    }

    /// The error code of a failure that no server reported.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Ok | Self::Failed => "FAILED",
            Self::Usage => "INVALID_INPUT",
            Self::NotSignedIn => "UNAUTHENTICATED",
            Self::Refused => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::Conflict => "CONFLICT",
            Self::Unavailable => "UNAVAILABLE",
            Self::Interrupted => "INTERRUPTED",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_failure_and_the_same_one_of_a_server_end_alike() {
        for exit in [Exit::Usage, Exit::NotSignedIn, Exit::Refused, Exit::NotFound, Exit::Conflict, Exit::Unavailable] {
            assert_eq!(Exit::of_code(exit.code()), exit);
        }
        assert_eq!(Exit::of_code("INTERNAL"), Exit::Failed);
        assert_eq!(Exit::of_code("A_CODE_OF_THE_FUTURE"), Exit::Failed);
    }

    #[test]
    fn codes_are_what_scripts_rely_on() {
        assert_eq!(Exit::ALL.map(|exit| exit as u8), [0, 1, 2, 3, 4, 5, 6, 7, 130]);
    }
}

//! Health checks: whether a program that was started can be given to visitors. It must not know drivers beyond the status
//! that it is told.

use std::{future::Future, pin::pin, time::Duration};

use http_body_util::Empty;
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;

use super::Status;
use crate::{reach::Address, sys::clock};

/// For one attempt.
const ATTEMPT: Duration = Duration::from_secs(2);

/// Between the first attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(2);

/// When a program counts as healthy.
#[derive(Clone, Debug)]
pub struct HealthCheck {
    /// Asked by GET; an answer of 2xx or 3xx is a success.
    pub path: String,
    /// All attempts together.
    pub timeout: Duration,
    /// Between two attempts.
    pub interval: Duration,
    /// So many in a row are needed; 0 means 1.
    pub successes: u32,
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            timeout: Duration::from_secs(60),
            interval: Duration::from_millis(200),
            successes: 1,
        }
    }
}

/// Why a program is not healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthFailure {
    /// For people: what happened, for how long.
    pub reason: String,
    /// What the last attempt saw.
    pub last_error: Option<String>,
    /// How often it was asked.
    pub attempts: u32,
}

enum Attempt {
    Answered(StatusCode),
    Refused,
    Silent,
}

/// Asks until the program is healthy. Ends early when `status` says that it has exited; `status` may answer `None` when
/// it cannot tell.
///
/// # Errors
/// The program exited, or the time is over.
pub async fn check<F, S>(address: &Address, check: &HealthCheck, status: F) -> Result<(), HealthFailure>
where
    F: Fn() -> S,
    S: Future<Output = Option<Status>>,
{
    let since = clock::instant();
    let (mut attempts, mut in_a_row, mut listened) = (0, 0, false);
    let mut last = None;
    let mut pause = FIRST_PAUSE.min(check.interval);
    loop {
        attempts += 1;
        let left = check.timeout.saturating_sub(since.elapsed());
        let limit = ATTEMPT.min(left);
        match attempt(address, &check.path, limit).await {
            Attempt::Answered(code) if code.is_success() || code.is_redirection() => {
                in_a_row += 1;
                if in_a_row >= check.successes {
                    return Ok(());
                }
                listened = true;
            }
            Attempt::Answered(code) => {
                (in_a_row, listened) = (0, true);
                last = Some(format!("`{}` answered {}", check.path, code.as_u16()));
            }
            // The last attempt may have had too little time to say anything; what was seen before counts.
            Attempt::Silent if limit < ATTEMPT && last.is_some() => {}
            Attempt::Silent => {
                (in_a_row, listened) = (0, true);
                last = Some(format!("`{}` gave no answer", check.path));
            }
            Attempt::Refused => {
                in_a_row = 0;
                last = Some(format!("nothing listened on port {}", address.port()));
            }
        }
        let failure = |reason| HealthFailure { reason, last_error: last.clone(), attempts };
        match status().await {
            Some(Status::Exited { exit }) if listened => {
                return Err(failure(format!("the program {exit} before `{}` was healthy", check.path)));
            }
            Some(Status::Exited { exit }) => {
                return Err(failure(format!("the program {exit} before it listened on port {}", address.port())));
            }
            Some(Status::Absent) => return Err(failure("the program was stopped before it was healthy".to_owned())),
            Some(Status::Running { .. }) | None => {}
        }
        if since.elapsed() + pause >= check.timeout {
            let seen = last.clone().unwrap_or_else(|| format!("`{}` was not healthy often enough", check.path));
            let hint = if listened { "" } else { ": listen on the port in the variable `PORT`" };
            let seconds = check.timeout.as_secs_f32();
            return Err(failure(format!("{seen} for {seconds} s ({attempts} attempts){hint}")));
        }
        tokio::time::sleep(pause).await;
        // Small programs are up in milliseconds; the interval is for the slow ones. Nobody waits much longer than the program took.
        pause = (since.elapsed() / 8).max(FIRST_PAUSE).min(check.interval);
    }
}

/// Asks a running program once.
///
/// # Errors
/// What it did instead of answering well, for people.
pub async fn ask(address: &Address, path: &str, limit: Duration) -> Result<(), String> {
    match attempt(address, path, limit).await {
        Attempt::Answered(code) if code.is_success() || code.is_redirection() => Ok(()),
        Attempt::Answered(code) => Err(format!("`{path}` answered {}", code.as_u16())),
        Attempt::Silent => Err(format!("`{path}` gave no answer within {} s", limit.as_secs())),
        Attempt::Refused => Err(format!("nothing listened on port {}", address.port())),
    }
}

async fn attempt(address: &Address, path: &str, limit: Duration) -> Attempt {
    let mut connected = false;
    let exchange = async {
        let stream = address.connect().await.ok()?;
        connected = true;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        let request = Request::get(path).header(HOST, address.to_string()).header("user-agent", "reeve-health");
        let request = request.body(Empty::<Bytes>::new()).ok()?;
        let mut answer = pin!(sender.send_request(request));
        // The connection is driven here and closed with the answer's head; the body does not matter. When the program
        // closes it first, the answer may have arrived in the same moment.
        let answer = tokio::select! {
            answer = answer.as_mut() => answer,
            _ = connection => answer.await,
        };
        answer.ok().map(|answer| answer.status())
    };
    match tokio::time::timeout(limit, exchange).await {
        Ok(Some(code)) => Attempt::Answered(code),
        _ if connected => Attempt::Silent,
        _ => Attempt::Refused,
    }
}

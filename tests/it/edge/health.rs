//! Health checks end early with a reason that a person can use; releases stay inside their folder.

use std::{net::SocketAddr, os::unix::fs::PermissionsExt, time::Duration};

use reeve::runtime::{
    Exit, ExitCause, RuntimeError, Status,
    health::{HealthCheck, check},
    release::{ReleaseFile, materialize, remove},
};
use tokio::net::TcpListener;

use super::support::Program;

fn quick(path: &str) -> HealthCheck {
    HealthCheck {
        path: path.to_owned(),
        timeout: Duration::from_millis(200),
        interval: Duration::from_millis(10),
        successes: 2,
    }
}

async fn unused() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_program_that_answers_is_healthy() {
    let program = Program::new("ok").await;
    let running = Status::Running { address: program.address.into(), pid: 1 };
    assert_eq!(check(&program.address.into(), &quick("/health"), async || Some(running.clone())).await, Ok(()));
}

#[tokio::test]
async fn failures_say_what_happened() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let program = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            super::support::read_until(&mut stream, "\r\n\r\n").await;
            let answer = b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await.unwrap();
        }
    });
    let failure = check(&address.into(), &quick("/health"), async || None).await.unwrap_err();
    assert!(failure.attempts > 2);
    assert_eq!(failure.reason, format!("`/health` answered 500 for 0.2 s ({} attempts)", failure.attempts));
    assert_eq!(failure.last_error.unwrap(), "`/health` answered 500");
    program.abort();

    let address = unused().await;
    let failure = check(&address.into(), &quick("/"), async || None).await.unwrap_err();
    assert!(failure.reason.starts_with(&format!("nothing listened on port {} for 0.2 s", address.port())));
    assert!(failure.reason.ends_with("listen on the port in the variable `PORT`"));
}

#[tokio::test]
async fn an_exit_ends_the_check_at_once() {
    let address = unused().await;
    let forever = HealthCheck { timeout: Duration::from_secs(3600), ..HealthCheck::default() };
    let exit = Exit { cause: ExitCause::Code(1), at_ms: 0 };
    let failure = check(&address.into(), &forever, async || Some(Status::Exited { exit })).await.unwrap_err();
    let port = address.port();
    assert_eq!(failure.reason, format!("the program exited with code 1 before it listened on port {port}"));
    assert_eq!(failure.attempts, 1);
}

#[test]
fn a_release_is_copied_once_and_stays_inside() {
    let dir = tempfile::tempdir().unwrap();
    let blob = dir.path().join("blob");
    std::fs::write(&blob, "bytes").unwrap();
    let file = |path: &str, executable| ReleaseFile { path: path.to_owned(), blob: blob.clone(), executable };
    let releases = dir.path().join("releases");
    let files = [file("bin/run", true), file("lib/a.txt", false)];
    let folder = materialize(&releases, "r1", &files).unwrap();
    assert_eq!(materialize(&releases, "r1", &files).unwrap(), folder);
    let mode = |path: &str| std::fs::metadata(folder.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("bin/run"), mode("lib/a.txt")), (0o755, 0o644));
    std::fs::write(folder.join("lib/a.txt"), "altered").unwrap();
    assert_eq!(std::fs::read_to_string(&blob).unwrap(), "bytes");
    for bad in ["../x", "/etc/x", "a/../../x", "", "a/./../x", "a\0b"] {
        let refused = materialize(&releases, "r2", &[file(bad, false)]);
        assert!(matches!(refused, Err(RuntimeError::Invalid(_))), "{bad}");
    }
    for files in [
        [file("a", false), file("a/b", false)],
        [file("a/b", false), file("a", false)],
        [file("a", true), file("a", true)],
    ] {
        assert!(matches!(materialize(&releases, "r2", &files), Err(RuntimeError::Invalid(_))));
    }
    assert!(matches!(materialize(&releases, "../r3", &[]), Err(RuntimeError::Invalid(_))));
    assert!(!releases.join("r2").exists() && !dir.path().join("x").exists());
    remove(&releases, "r1").unwrap();
    remove(&releases, "r2").unwrap();
    remove(&releases, "r1").unwrap();
    assert_eq!(std::fs::read_dir(&releases).unwrap().count(), 0);
}

//! A server that is not root: programs have walls all the same, and what it cannot give is said.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use nix::unistd::Uid;

use super::world::{Tenant, run};
use crate::harness::{RealServer, eventually};

/// Nobody's number.
const USER: u32 = 54321;

/// The program where this user can reach it.
fn copied(folder: &Path) -> std::path::PathBuf {
    let copy = folder.join("reeve");
    std::fs::copy(env!("CARGO_BIN_EXE_reeve"), &copy).unwrap();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    copy
}

#[tokio::test]
async fn programs_have_walls_without_root() {
    let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = Uid::effective().is_root();
    if root {
        std::os::unix::fs::chown(data.path(), Some(USER), Some(USER)).unwrap();
    }
    let server = RealServer::start_as(&copied(folder.path()), data.path(), root.then_some(USER)).await;
    let said = eventually("it says what it enforces", async || {
        let log = server.log();
        log.contains("not isolated completely").then_some(log)
    })
    .await;
    let missing = "programs of all projects run as the server's user, in user namespaces";
    if !said.contains(missing) {
        // Not even that: then programs run bare, and it is said.
        assert!(said.contains("programs see the server's files and network"), "{said}");
        return;
    }
    assert!(said.contains("storage is measured when a program starts, not limited"), "{said}");
    let mallory = Tenant::new(&server, "mallory").await;
    let tried = r#"
import os, socket
status = open("/proc/self/status").read()
print(os.getuid(), "CapEff:\t0000000000000000" in status, "NoNewPrivs:\t1" in status, socket.if_nameindex(), os.path.exists("DATA"))
open("/storage/kept", "w").close()
"#;
    let tried = tried.replace("DATA", data.path().to_str().unwrap());
    let attempt = run(&server, &mallory, &tried).await.unwrap();
    assert_eq!(attempt.out, "1000 True True [(1, 'lo')] False\n", "{attempt:?}");
    assert_eq!(attempt.code, 0, "{attempt:?}");
    let hog = run(&server, &mallory, "hoard = []\nwhile True: hoard.append(bytearray(16 << 20))").await.unwrap();
    assert!(hog.code != 0 && (hog.err.contains("MemoryError") || hog.code == -9), "{hog:?}");
    let bomb = "
import os, signal
made = 0
while made < 1000:
    try: child = os.fork()
    except OSError: break
    if child == 0:
        os.closerange(0, 3)
        signal.pause()
    made += 1
print(made < 1000)
os.kill(-1, 9)
";
    let _ = run(&server, &mallory, bomb).await;
    eventually("it runs again", async || run(&server, &mallory, "print(1)").await.ok()).await;
}

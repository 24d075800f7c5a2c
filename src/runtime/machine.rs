//! What this machine can enforce, found out by doing it: a process of its own builds the walls once around nothing, as a
//! shim would. It must not know what is run later.

use std::{
    fs,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
    time::Duration,
};

use nix::{
    sys::wait::waitpid,
    unistd::{Pid, Uid},
};
use reeve_sandbox::{Jail, Refused, STORAGE, Storage, User};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::{Enforcement, cgroups::Cgroups, storage};

/// The word instead of an instance's folder that makes a shim a probe.
pub(super) const PROBE: &str = "--probe";
/// Building walls takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// What walls can be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Walls {
    /// All, with a user for each project.
    Users,
    /// All, but every program is the server's user in a user namespace.
    Namespace,
}

/// What this machine can enforce.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Machine {
    pub(super) walls: Option<Walls>,
    pub(super) cgroups: Cgroups,
    /// Storage in a file system of its own.
    pub(super) images: bool,
    /// Why there are no walls or not all of them, for the log.
    why: Vec<String>,
}

impl Machine {
    /// One on which programs run without walls, whatever it could do.
    pub fn without_walls() -> Self {
        Self::default()
    }

    /// Finds it out by starting `shim`; `user` is the first of those that projects may get.
    pub async fn probe(shim: &Path, user: u32) -> Self {
        let mut probe = Command::new(shim);
        probe.args(["shim", PROBE, &user.to_string()]).env_clear().stdin(Stdio::null()).stderr(Stdio::null());
        let failed = |why: String| Self { why: vec![format!("the probe failed: {why}")], ..Self::default() };
        match tokio::time::timeout(PATIENCE, probe.kill_on_drop(true).output()).await {
            Ok(Ok(output)) => serde_json::from_slice(&output.stdout).unwrap_or_else(|error| failed(error.to_string())),
            Ok(Err(error)) => failed(error.to_string()),
            Err(_) => failed(format!("no answer within {} s", PATIENCE.as_secs())),
        }
    }

    /// Why it enforces less than it should, in the words of the system; for the log.
    pub fn why(&self) -> &[String] {
        &self.why
    }

    /// What it enforces.
    pub(super) fn enforcement(&self) -> Enforcement {
        let groups = self.cgroups.missing();
        let missing: Vec<&'static str> = match self.walls {
            None => vec![
                "programs run as the server's user",
                "no limits on cpu, memory, processes or storage",
                "programs see the server's files and network",
                "what leaves the program's process group outlives a shim that is killed",
            ],
            Some(walls) => [
                (walls == Walls::Namespace, "programs of all projects run as the server's user, in user namespaces"),
                (groups.cpu, "no limit on cpu"),
                (groups.memory, "memory is limited for each process, not for a program as a whole"),
                (groups.pids, "processes are limited for each user, not for each program"),
                (!self.images, "storage is measured when a program starts, not limited"),
            ]
            .into_iter()
            .filter_map(|(is_missing, what)| is_missing.then_some(what))
            .collect(),
        };
        Enforcement { full: missing.is_empty(), missing }
    }
}

/// The probe: says on its output what this machine can enforce. Must be called before any other thread exists.
pub(super) fn run(user: Option<&str>) -> ExitCode {
    let Some(user) = user.and_then(|user| user.parse().ok()) else { return ExitCode::FAILURE };
    let folder = std::env::temp_dir().join(format!("reeve-probe-{}", std::process::id()));
    let found = fs::create_dir(&folder).map(|()| look(&folder, user));
    let _ = fs::remove_dir_all(&folder);
    let said = found.map_err(|_| ()).and_then(|found| serde_json::to_writer(std::io::stdout(), &found).map_err(|_| ()));
    if said.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn look(folder: &Path, user: u32) -> Machine {
    let mut machine = Machine { cgroups: Cgroups::find().that_work(), ..Machine::default() };
    if Uid::effective().is_root() {
        let image = storage::images_work(folder);
        let tried =
            image.and_then(|image| try_walls(folder, User::Own(user), image).map_err(|error| error.to_string()));
        match tried {
            Ok(()) => return Machine { walls: Some(Walls::Users), images: true, ..machine },
            Err(why) => machine.why.push(why),
        }
    } else {
        machine.why.push("only root can give every project a user and a file system of its own".to_owned());
    }
    for (user, walls) in [(User::Own(user), Walls::Users), (User::Namespace, Walls::Namespace)] {
        if walls == Walls::Users && !Uid::effective().is_root() {
            continue;
        }
        match try_walls(folder, user, Storage::Folder(folder.to_owned())) {
            Ok(()) => return Machine { walls: Some(walls), ..machine },
            Err(why) => machine.why.push(why.0),
        }
    }
    // Without walls there is nobody to join a group.
    Machine { why: machine.why, ..Machine::default() }
}

/// Builds everything, and takes it down where the program would begin.
fn try_walls(folder: &Path, user: User, storage: Storage) -> Result<(), Refused> {
    let refused = |error: std::io::Error| Refused(error.to_string());
    let base = folder.join("root");
    fs::create_dir_all(&base).map_err(refused)?;
    let path = folder.join("door");
    let _ = fs::remove_file(&path);
    let door = UnixListener::bind(&path).map_err(refused)?;
    let jail = Jail {
        command: Vec::new(),
        environment: Vec::new(),
        folder: PathBuf::from("/usr"),
        writable: false,
        storage,
        storage_at: STORAGE,
        base,
        user,
        cgroups: Vec::new(),
        tmp_bytes: 1 << 20,
        data_bytes: None,
        processes: None,
    };
    let ready = reeve_sandbox::start(&jail, door)?;
    let init = Pid::from_raw(ready.init());
    drop(ready);
    waitpid(init, None).map_err(|error| refused(error.into()))?;
    Ok(())
}

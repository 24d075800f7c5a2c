//! The folder of one instance: what the driver and the shim tell each other. Every record is written aside and renamed,
//! so that a reader never sees half of one. It must not know processes beyond their identity.
//!
//! | file | written by | meaning |
//! | --- | --- | --- |
//! | `lock` | driver | held while the instance is being changed |
//! | `fence` | driver | the highest fence seen |
//! | `spec.json` | driver | what the shim is to run; the shim removes it, as it holds secrets |
//! | `pid.json` | driver | the shim, before it is told to go |
//! | `child.json` | shim | the program, before it begins or, without walls, once it was started |
//! | `door-<pid>` | shim | the socket through which a program behind walls is reached |
//! | `stop.json` | driver | the grace, before the shim is asked to stop |
//! | `exit.json` | shim | how the program ended, after everything that it started is gone |
//! | `log-<number>.jsonl` | shim | the program's output from the line of this number on |
//! | `work` | shim | what a build works in, until it has ended |
//! | `output`, `output.json` | shim | the files that a build has left, or why it is none of them |

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Exit, ExitCause, History, RuntimeError, Status, cgroups::Cgroups, log::LogLimits, machine::Walls, procfs::Identity,
    release::ReleaseFile, storage::Kept, tree,
};
use crate::{domain::tier::Limits, reach::Address};

/// What the shim is to run.
#[derive(Serialize, Deserialize)]
pub(super) struct Spec {
    pub(super) command: Vec<String>,
    pub(super) folder: PathBuf,
    pub(super) environment: Vec<(String, String)>,
    pub(super) port: u16,
    /// Which of its deployment's instances it is.
    pub(super) number: u32,
    pub(super) limits: Limits,
    pub(super) storage: Kept,
    pub(super) cgroups: Cgroups,
    pub(super) walls: Option<Walls>,
    /// The project's own, where there are users for projects.
    pub(super) user: u32,
    pub(super) logs: LogLimits,
    /// What makes it a build; `storage` is the project's cache then.
    pub(super) build: Option<Build>,
}

/// A program that makes files.
#[derive(Serialize, Deserialize)]
pub(super) struct Build {
    /// What it makes them of.
    pub(super) files: Vec<ReleaseFile>,
    /// Where it leaves them.
    pub(super) output: String,
    pub(super) time_limit_ms: u64,
    /// What it works in.
    pub(super) work: Kept,
    /// What stands in no log.
    pub(super) secrets: Vec<String>,
}

/// The shim of an instance.
#[derive(Serialize, Deserialize)]
pub(super) struct ShimRecord {
    pub(super) shim: Identity,
    pub(super) port: u16,
    /// The program is reached through a door.
    #[serde(default)]
    pub(super) walled: bool,
    /// Which of its deployment's instances it is.
    pub(super) number: u32,
    pub(super) history: History,
    /// When it was started, in milliseconds since 1970.
    pub(super) since_ms: i64,
}

/// The program of an instance.
#[derive(Serialize, Deserialize)]
pub(super) struct ChildRecord {
    pub(super) shim: Identity,
    pub(super) child: Identity,
    /// The first process behind walls, with which everything there ends.
    #[serde(default)]
    pub(super) init: Option<Identity>,
}

/// How to stop.
#[derive(Serialize, Deserialize)]
pub(super) struct StopRecord {
    pub(super) grace_ms: u64,
}

/// The folder of an instance.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) dir: PathBuf,
}

impl Instance {
    /// The folder of the instance with this name.
    ///
    /// # Errors
    /// The name could lead out of the state folder.
    pub(super) fn named(state: &Path, name: &str) -> Result<Self, RuntimeError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.is_empty() || name.len() > 128 || !name.bytes().all(allowed) {
            return Err(RuntimeError::Invalid(format!(
                "the instance name `{name}` is not valid: use letters, digits, `-` and `_`"
            )));
        }
        Ok(Self { dir: state.join(name) })
    }

    /// Its name.
    pub(super) fn name(&self) -> String {
        self.dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    pub(super) fn exists(&self) -> bool {
        self.dir.is_dir()
    }

    /// Makes the folder, for nobody but the server's user.
    pub(super) fn create(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(self.tmp())
    }

    /// What a build works in.
    pub(super) fn work(&self) -> PathBuf {
        self.dir.join("work")
    }

    /// The files that a build has left.
    pub(super) fn output(&self) -> PathBuf {
        self.dir.join("output")
    }

    /// Takes away what a build has made, and what it has left half made.
    pub(super) fn clear_build(&self) -> io::Result<()> {
        tree::remove(&self.work())?;
        tree::remove(&self.dir.join("output.json"))?;
        tree::remove(&self.output())
    }

    /// The program's own folder for temporary files.
    pub(super) fn tmp(&self) -> PathBuf {
        self.dir.join("tmp")
    }

    /// Waits for the lock of the instance; it is released when the file is dropped. Blocks. None if the instance has
    /// been removed.
    pub(super) fn lock(&self) -> io::Result<Option<File>> {
        let path = self.dir.join("lock");
        loop {
            let file = match OpenOptions::new().create(true).append(true).mode(0o600).open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
            file.lock()?;
            // Another may have removed the folder, and a third made it again, while this one waited.
            let held = file.metadata()?.ino();
            if fs::metadata(&path).is_ok_and(|now| now.ino() == held) {
                return Ok(Some(file));
            }
        }
    }

    /// Refuses a fence that is lower than one seen before; remembers it otherwise. Only while the lock is held.
    pub(super) fn pass_fence(&self, fence: u64) -> Result<(), RuntimeError> {
        let recorded = fs::read_to_string(self.dir.join("fence")).ok().and_then(|text| text.trim().parse().ok());
        match recorded {
            Some(recorded) if recorded > fence => Err(RuntimeError::StaleFence { recorded }),
            Some(recorded) if recorded == fence => Ok(()),
            _ => self
                .write("fence", fence.to_string().as_bytes())
                .map_err(RuntimeError::internal("the fence could not be written")),
        }
    }

    pub(super) fn write_json(&self, name: &str, record: &impl Serialize) -> io::Result<()> {
        self.write(name, &serde_json::to_vec(record)?)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let aside = self.dir.join(format!("{name}.tmp"));
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&aside)?;
        file.write_all(bytes)?;
        fs::rename(aside, self.dir.join(name))
    }

    pub(super) fn read_json<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_slice(&fs::read(self.dir.join(name)).ok()?).ok()
    }

    /// What to run, for the shim; can be taken once.
    pub(super) fn take_spec(&self) -> Option<Spec> {
        let spec = self.read_json("spec.json");
        // If it stays, it stays readable for the server's user only, and the next run replaces it.
        let _ = fs::remove_file(self.dir.join("spec.json"));
        spec
    }

    pub(super) fn shim(&self) -> Option<ShimRecord> {
        self.read_json("pid.json")
    }

    /// The program that this shim, and not an earlier one, has started.
    pub(super) fn child(&self, shim: &Identity) -> Option<ChildRecord> {
        self.read_json("child.json").filter(|record: &ChildRecord| record.shim == *shim)
    }

    /// The name of the door that a shim makes; no two runs have the same.
    pub(super) fn door(shim: &Identity) -> String {
        format!("door-{}-{}", shim.pid, shim.start_time)
    }

    pub(super) fn stop(&self) -> Option<StopRecord> {
        self.read_json("stop.json")
    }

    pub(super) fn exit(&self) -> Option<Exit> {
        self.read_json("exit.json")
    }

    /// What it does.
    pub(super) fn status(&self) -> Status {
        let Some(record) = self.shim() else { return Status::Absent };
        if let Some(exit) = self.exit() {
            return Status::Exited { exit };
        }
        match self.child(&record.shim) {
            Some(it) if record.shim.lives() => Status::Running { address: self.address(&record), pid: it.child.pid },
            // The shim may have ended, with its record, between the two looks.
            Some(_) => Status::Exited { exit: self.exit().unwrap_or(Exit { cause: ExitCause::Lost, at_ms: 0 }) },
            None => Status::Absent,
        }
    }

    /// Where the program of a run is reached.
    pub(super) fn address(&self, record: &ShimRecord) -> Address {
        if record.walled {
            Address::Door { path: self.dir.join(Self::door(&record.shim)), port: record.port }
        } else {
            SocketAddr::from((Ipv4Addr::LOCALHOST, record.port)).into()
        }
    }

    /// Forgets the run before: everything but the log and the fence.
    pub(super) fn clear_run(&self) -> io::Result<()> {
        self.clear_build()?;
        for name in ["pid.json", "child.json", "stop.json", "exit.json", "spec.json"] {
            match fs::remove_file(self.dir.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(b"door-") {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

//! A program behind walls: what the shim asks of the sandbox, and how the program ended there. It must not know the server.

use std::os::{fd::OwnedFd, unix::net::UnixListener};

use reeve_sandbox::{CACHE, End, Jail, Running, STORAGE, User};

use super::{
    ExitCause,
    instance::{ChildRecord, Instance, Spec},
    machine::Walls,
    procfs::{self, Identity},
    shim::cannot_run,
};

/// Counted as memory as well.
const TMP_BYTES: u64 = 64 << 20;
/// Compilers are not modest.
const BUILD_TMP_BYTES: u64 = 512 << 20;
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program that runs behind walls, or has just ended there.
pub(super) struct Walled {
    /// The first process inside.
    pub(super) init: Identity,
    pub(super) program: Identity,
    /// What it writes, and what it complains of.
    pub(super) outputs: Option<(OwnedFd, OwnedFd)>,
    report: Running,
}

/// Builds the walls, puts the program on record and lets it begin.
pub(super) fn start(instance: &Instance, spec: &Spec, walls: Walls, shim: &Identity) -> Result<Walled, String> {
    let unwalled = |why: &dyn std::fmt::Display| format!("the program could not be isolated: {why}");
    let name = instance.name();
    let user = match walls {
        Walls::Users => User::Own(spec.user),
        Walls::Namespace => User::Namespace,
    };
    let missing = spec.cgroups.missing();
    let is_build = spec.build.is_some();
    let attach = || spec.storage.attach().map_err(|error| format!("the cache of the project cannot be used: {error}"));
    let (storage, lock) = if is_build { attach()? } else { spec.storage.open()? };
    let jail = Jail {
        command: spec.command.clone(),
        environment: environment(spec),
        folder: spec.folder.clone(),
        writable: is_build,
        storage,
        storage_at: if is_build { CACHE } else { STORAGE },
        base: instance.tmp(),
        user,
        cgroups: spec.cgroups.create(&name, &spec.limits).map_err(|error| unwalled(&error))?,
        tmp_bytes: if is_build { BUILD_TMP_BYTES } else { TMP_BYTES },
        data_bytes: missing.memory.then_some(spec.limits.memory_bytes),
        processes: missing.pids.then_some(spec.limits.processes),
    };
    // The shim works in the instance's folder, and a path of a socket must be short.
    let door = UnixListener::bind(Instance::door(shim)).map_err(|error| unwalled(&error))?;
    let ready = reeve_sandbox::start(&jail, door).map_err(|error| unwalled(&error))?;
    drop((jail, lock));
    let init = Identity::of_child(ready.init());
    // It has one child, which waits for the word.
    let child = procfs::descendants(ready.init()).into_iter().next();
    let (Some(init), Some(program)) = (init, child) else { return Err(unwalled(&"it ended at once")) };
    let record = ChildRecord { shim: shim.clone(), child: program.clone(), init: Some(init.clone()) };
    instance.write_json("child.json", &record).map_err(|error| unwalled(&error))?;
    let named = spec.command.first().map_or("", String::as_str);
    let mut running = ready.go().map_err(|error| cannot_run(named, &error))?;
    Ok(Walled { init, program, outputs: running.take_outputs(), report: running })
}

fn environment(spec: &Spec) -> Vec<(String, String)> {
    let all = [("PATH", PATH), ("HOME", "/tmp"), ("TMPDIR", "/tmp"), ("LANG", "C.UTF-8")];
    let own = |pair: (&str, &str)| (pair.0.to_owned(), pair.1.to_owned());
    let all = all.into_iter().map(own);
    if spec.build.is_some() {
        return all.chain([own(("REEVE_CACHE", CACHE))]).chain(spec.environment.iter().cloned()).collect();
    }
    let all = all.chain([("HOST", "127.0.0.1"), ("REEVE_STORAGE", STORAGE)].map(own));
    let given = [("PORT", spec.port.to_string()), ("REEVE_INSTANCE", spec.number.to_string())];
    let given = given.into_iter().map(|(name, value)| (name.to_owned(), value));
    all.chain(spec.environment.iter().cloned()).chain(given).collect()
}

impl Walled {
    /// How the program ended, once the first process inside has; None if that one was killed.
    pub(super) fn cause(&mut self) -> Option<ExitCause> {
        self.report.end().map(|end| match end {
            End::Code(code) => ExitCause::Code(code),
            End::Signal(signal) => ExitCause::Signal(signal),
        })
    }
}

//! The driver for this machine: processes behind the walls that it can build, each below a shim of its own. It must not know
//! health checks or routes.
//!
//! Where no walls can be built, or are not wanted, there is no isolation beyond a process group: a program runs as the
//! server's user, sees its files and the other programs, and may use the whole machine. `enforcement` says so.

use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use nix::sys::signal::Signal;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use super::{
    Answer, BuildSpec, BuiltFile, Driver, Endpoint, Enforcement, History, LogFrom, LogLimits, LogPage, Machine, Run,
    RuntimeError, StartSpec, Status, Usage, build,
    instance::{Instance, ShimRecord, Spec, StopRecord},
    log,
    machine::Walls,
    ports::{self, Ports},
    procfs::{self, Identity},
    shim,
    storage::Kept,
    usage, valid,
};
use crate::sys::{clock, env};

/// How long a shim may take to start its program, or to end beyond the grace that it was given.
const SHIM_WAIT: Duration = Duration::from_secs(5);
/// What is killed below a shim that hangs may be forking meanwhile.
const KILL_ROUNDS: u32 = 20;
/// A program that finds its port taken ends at once; it gets another port this often.
const PORT_TRIES: u32 = 3;
/// Where a program listens that has a network of its own.
const OWN_PORT: u16 = 8080;

/// Runs instances as processes of this machine. Clones are the same driver; a new driver over the same folder, as after
/// a restart, adopts what runs.
#[derive(Clone, Debug)]
pub struct ProcessDriver {
    pub(super) state: PathBuf,
    storage: PathBuf,
    pub(super) cache: PathBuf,
    shim: PathBuf,
    pub(super) machine: Machine,
    pub(super) logs: LogLimits,
    ports: Ports,
}

impl ProcessDriver {
    /// A driver that keeps its records in `data/instances`, what projects store in `data/storage`, what their builds keep in
    /// `data/cache`, and starts shims as `<shim_executable> shim <folder>`. Relative paths mean the server's working directory of now.
    pub fn new(data: impl Into<PathBuf>, shim_executable: impl Into<PathBuf>, machine: Machine) -> Self {
        // A shim has another working directory. Without one of our own, a relative path leads nowhere anyway.
        let fixed = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        let data = fixed(data.into());
        Self {
            state: data.join("instances"),
            storage: data.join("storage"),
            cache: data.join("cache"),
            shim: fixed(shim_executable.into()),
            machine,
            logs: LogLimits::default(),
            ports: Ports::default(),
        }
    }

    /// The same, keeping as much of logs.
    #[must_use]
    pub fn with_logs(self, logs: LogLimits) -> Self {
        Self { logs, ..self }
    }

    /// The instance of this name, locked for an action with this fence.
    pub(super) async fn open(&self, name: &str, fence: u64) -> Result<(Instance, File), RuntimeError> {
        let instance = Instance::named(&self.state, name)?;
        instance.create().map_err(RuntimeError::internal("the instance's folder could not be made"))?;
        let held = lock(&instance).await?.ok_or_else(|| RuntimeError::Internal("the instance was removed".into()))?;
        instance.pass_fence(fence)?;
        Ok((instance, held))
    }

    async fn start_instance(&self, spec: StartSpec) -> Result<Endpoint, RuntimeError> {
        valid(&spec.command, &spec.environment)?;
        let (instance, _lock) = self.open(&spec.instance, spec.fence).await?;
        if let Some(running) = self.settle(&instance).await {
            return Ok(Endpoint { address: instance.address(&running) });
        }
        for _ in 1..PORT_TRIES {
            let record = self.run(&instance, &self.wanted(&spec)?, spec.history, SHIM_WAIT).await?;
            if record.walled || !ports::was_taken(&instance, record.port).await {
                return Ok(Endpoint { address: instance.address(&record) });
            }
        }
        let record = self.run(&instance, &self.wanted(&spec)?, spec.history, SHIM_WAIT).await?;
        Ok(Endpoint { address: instance.address(&record) })
    }

    /// What an earlier run has left: the shim to adopt, or nothing any more.
    pub(super) async fn settle(&self, instance: &Instance) -> Option<ShimRecord> {
        let record = instance.shim()?;
        let since = clock::instant();
        while record.shim.lives() && since.elapsed() < SHIM_WAIT {
            let ending = instance.stop().is_some() || instance.exit().is_some();
            if !ending && instance.child(&record.shim).is_some() {
                return Some(record);
            }
            // It is ending, or its server died before it said go, and then it ends as well.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.kill_rest(instance, &record).await;
        None
    }

    /// Starts a shim, puts it on record, says go; returns when the program is on record as well.
    pub(super) async fn run(
        &self,
        instance: &Instance,
        wanted: &Spec,
        history: History,
        patience: Duration,
    ) -> Result<ShimRecord, RuntimeError> {
        instance.clear_run().map_err(RuntimeError::internal("the last run's records could not be removed"))?;
        instance.write_json("spec.json", wanted).map_err(RuntimeError::internal("the spec could not be written"))?;
        let mut shim = Command::new(&self.shim)
            .arg("shim")
            .arg(&instance.dir)
            .env_clear()
            .envs(env::var("PATH").map(|path| ("PATH", path)))
            .current_dir(&instance.dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(RuntimeError::internal("the shim could not be started"))?;
        let pid = shim.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Identity::of_child);
        let (Some(identity), Some(stdin), Some(stdout)) = (pid, shim.stdin.take(), shim.stdout.take()) else {
            return Err(RuntimeError::Internal("the shim ended at once".to_owned()));
        };
        let record = ShimRecord {
            shim: identity,
            port: wanted.port,
            walled: self.machine.walls.is_some(),
            number: wanted.number,
            history,
            since_ms: clock::now().timestamp_millis(),
        };
        instance
            .write_json("pid.json", &record)
            .map_err(RuntimeError::internal("the shim's pid could not be written"))?;
        let said = stdin.into_owned_fd().and_then(|fd| File::from(fd).write_all(shim::GO.as_bytes()));
        said.map_err(RuntimeError::internal("the shim did not listen"))?;
        let mut answer = String::new();
        let mut stdout = BufReader::new(stdout);
        match tokio::time::timeout(patience, stdout.read_line(&mut answer)).await {
            Ok(Ok(_)) if answer == shim::STARTED || instance.exit().is_some() => Ok(record),
            Ok(_) => Err(RuntimeError::Internal("the shim ended before it started the program".to_owned())),
            Err(_) => Err(RuntimeError::Internal("the shim did not start the program in time".to_owned())),
        }
    }

    /// What the shim is to do.
    fn wanted(&self, spec: &StartSpec) -> Result<Spec, RuntimeError> {
        let limits = spec.tier.limits();
        let users = self.machine.walls == Some(Walls::Users);
        let port = if self.machine.walls.is_some() { OWN_PORT } else { self.ports.free(&spec.instance)? };
        Ok(Spec {
            command: spec.command.clone(),
            folder: spec.folder.clone(),
            environment: spec.environment.clone(),
            port,
            number: spec.number,
            limits,
            storage: Kept {
                place: self.storage.join(&spec.project),
                bytes: limits.storage_bytes,
                image: self.machine.images,
                owner: users.then_some(spec.user),
            },
            cgroups: self.machine.cgroups.clone(),
            walls: self.machine.walls,
            user: spec.user,
            logs: self.logs,
            build: None,
        })
    }

    async fn stop_instance(&self, name: &str, fence: u64, grace: Duration) -> Result<(), RuntimeError> {
        let instance = Instance::named(&self.state, name)?;
        let Some(_lock) = lock(&instance).await? else { return Ok(()) };
        instance.pass_fence(fence)?;
        self.end(&instance, name, grace).await
    }

    /// Ends the run that is on record. Only while the lock is held.
    pub(super) async fn end(&self, instance: &Instance, name: &str, grace: Duration) -> Result<(), RuntimeError> {
        if let Some(record) = instance.shim() {
            if record.shim.lives() {
                let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
                instance
                    .write_json("stop.json", &StopRecord { grace_ms })
                    .map_err(RuntimeError::internal("the request to stop could not be written"))?;
                record.shim.signal(Signal::SIGTERM);
                let since = clock::instant();
                let mut pause = Duration::from_millis(1);
                while record.shim.lives() && since.elapsed() < grace.saturating_add(SHIM_WAIT) {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_millis(20));
                }
            }
            self.kill_rest(instance, &record).await;
        }
        self.ports.give_back(name);
        let instance = instance.clone();
        blocking(move || {
            instance.clear_build().map_err(RuntimeError::internal("what a build has left could not be removed"))
        })
        .await
    }

    /// Kills what a shim has left that did not end, or that was killed itself.
    async fn kill_rest(&self, instance: &Instance, record: &ShimRecord) {
        for _ in 0..KILL_ROUNDS {
            let below = if record.shim.lives() { procfs::descendants(record.shim.pid) } else { Vec::new() };
            if below.is_empty() {
                break;
            }
            for process in below {
                process.signal(Signal::SIGKILL);
            }
        }
        record.shim.signal(Signal::SIGKILL);
        let left = instance.child(&record.shim);
        if let Some(left) = &left {
            left.child.signal_group(Signal::SIGKILL);
        }
        if let Some(init) = left.and_then(|left| left.init) {
            init.signal(Signal::SIGKILL);
            let since = clock::instant();
            while init.exists() && since.elapsed() < SHIM_WAIT {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        let (cgroups, name) = (self.machine.cgroups.clone(), instance.name());
        let _ = tokio::task::spawn_blocking(move || cgroups.remove(&name)).await;
    }

    async fn remove_instance(&self, name: &str, fence: u64) -> Result<(), RuntimeError> {
        let instance = Instance::named(&self.state, name)?;
        let Some(_lock) = lock(&instance).await? else { return Ok(()) };
        instance.pass_fence(fence)?;
        self.end(&instance, name, Duration::ZERO).await?;
        blocking(move || {
            fs::remove_dir_all(&instance.dir).map_err(RuntimeError::internal("the instance could not be removed"))
        })
        .await
    }

    /// Shortens the logs of what has ended. The lock keeps away whoever would start it meanwhile.
    fn tidy_ended(&self) -> Result<(), RuntimeError> {
        for name in self.instances()? {
            let instance = Instance::named(&self.state, &name)?;
            let failed = || RuntimeError::internal("a log could not be shortened");
            let Some(_lock) = instance.lock().map_err(failed())? else { continue };
            if !instance.shim().is_some_and(|record| record.shim.lives()) {
                log::tidy(&instance.dir, self.logs).map_err(failed())?;
            }
        }
        Ok(())
    }

    pub(super) fn instances(&self) -> Result<Vec<String>, RuntimeError> {
        let entries = match fs::read_dir(&self.state) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(RuntimeError::internal("the state folder could not be read")(error)),
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> =
            names.filter(|name| Instance::named(&self.state, name).is_ok_and(|instance| instance.exists())).collect();
        names.sort();
        Ok(names)
    }
}

impl Driver for ProcessDriver {
    fn enforcement(&self) -> Enforcement {
        self.machine.enforcement()
    }

    fn start(&self, spec: StartSpec) -> Answer<'_, Endpoint> {
        Box::pin(self.start_instance(spec))
    }

    fn stop<'a>(&'a self, instance: &'a str, fence: u64, grace: Duration) -> Answer<'a, ()> {
        Box::pin(self.stop_instance(instance, fence, grace))
    }

    fn is_healthy<'a>(&'a self, instance: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            if let Some(record) = Instance::named(&self.state, instance)?.shim().filter(|record| record.walled) {
                record.shim.signal(shim::HEALTHY);
            }
            Ok(())
        })
    }

    fn status<'a>(&'a self, instance: &'a str) -> Answer<'a, Status> {
        Box::pin(async move { Ok(Instance::named(&self.state, instance)?.status()) })
    }

    fn run<'a>(&'a self, instance: &'a str) -> Answer<'a, Option<Run>> {
        Box::pin(async move {
            let instance = Instance::named(&self.state, instance)?;
            let of = |ShimRecord { number, history, since_ms, .. }| {
                let stopping = instance.stop().is_some();
                Run { number, since_ms, history, stopping }
            };
            Ok(instance.shim().map(of))
        })
    }

    fn usage<'a>(&'a self, instance: &'a str) -> Answer<'a, Option<Usage>> {
        Box::pin(async move {
            let found = Instance::named(&self.state, instance)?;
            let Some(record) = found.shim().filter(|record| record.shim.lives()) else { return Ok(None) };
            let Some(child) = found.child(&record.shim) else { return Ok(None) };
            let root = child.init.map_or(child.child.pid, |init| init.pid);
            let groups = self.machine.cgroups.clone();
            blocking(move || Ok(Some(usage::of(&groups, &found.name(), root)))).await
        })
    }

    fn list(&self) -> Answer<'_, Vec<String>> {
        Box::pin(async { self.instances() })
    }

    fn remove<'a>(&'a self, instance: &'a str, fence: u64) -> Answer<'a, ()> {
        Box::pin(self.remove_instance(instance, fence))
    }

    fn log<'a>(&'a self, instance: &'a str, from: LogFrom, most: usize) -> Answer<'a, LogPage> {
        Box::pin(async move {
            let dir = Instance::named(&self.state, instance)?.dir;
            blocking(move || log::read(&dir, from, most).map_err(RuntimeError::internal("the log could not be read")))
                .await
        })
    }

    fn tidy_logs(&self) -> Answer<'_, ()> {
        let driver = self.clone();
        Box::pin(blocking(move || driver.tidy_ended()))
    }

    fn build(&self, spec: BuildSpec) -> Answer<'_, ()> {
        Box::pin(self.start_build(spec))
    }

    fn built<'a>(&'a self, instance: &'a str) -> Answer<'a, Vec<BuiltFile>> {
        Box::pin(async move { build::built(&Instance::named(&self.state, instance)?) })
    }
}

pub(super) async fn lock(instance: &Instance) -> Result<Option<File>, RuntimeError> {
    let instance = instance.clone();
    blocking(move || instance.lock().map_err(RuntimeError::internal("the instance could not be locked"))).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RuntimeError> + Send + 'static,
) -> Result<T, RuntimeError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| RuntimeError::Internal(error.to_string()))?
}

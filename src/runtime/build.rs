//! Builds, as the driver for this machine does them: an instance that ends by itself and leaves files. It must not know what becomes
//! of them.

use std::{fmt, path::PathBuf, time::Duration};

use super::{
    History, RuntimeError,
    instance::{Build, Instance, Spec},
    machine::Walls,
    process::ProcessDriver,
    release::ReleaseFile,
    storage::Kept,
    valid,
    work::Output,
};
use crate::domain::{digest::Digest, tier::Limits};

/// Sources have to be laid out before a build is on record.
const BEGIN: Duration = Duration::from_secs(120);

/// What to build, of what.
#[derive(Clone)]
pub struct BuildSpec {
    /// The text of the deployment's id with something behind it: the build is another instance than the program.
    pub instance: String,
    /// The sources.
    pub files: Vec<ReleaseFile>,
    /// The program and its arguments. No shell reads it.
    pub command: Vec<String>,
    /// The folder of the result, below the sources; `.` for all of them.
    pub output: String,
    /// Variables of the environment; they win over those that the driver sets.
    pub environment: Vec<(String, String)>,
    /// Texts that its log is not to show.
    pub secrets: Vec<String>,
    /// The text of the project's id; its builds share a cache.
    pub project: String,
    /// The project's user of this machine.
    pub user: u32,
    /// How much of the machine it may use. Its storage is what it works in.
    pub limits: Limits,
    /// Bytes of the project's cache.
    pub cache_bytes: u64,
    /// How long it may take.
    pub time_limit: Duration,
    /// The fence of the action.
    pub fence: u64,
}

impl fmt::Debug for BuildSpec {
    /// Leaves the values of variables out: they are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuildSpec")
            .field("instance", &self.instance)
            .field("command", &self.command)
            .field("fence", &self.fence)
            .finish_non_exhaustive()
    }
}

/// A file that a build has left.
#[derive(Clone, Debug)]
pub struct BuiltFile {
    /// Relative to the folder of the result.
    pub path: String,
    /// What is in it.
    pub digest: Digest,
    /// Its length.
    pub size_bytes: u64,
    /// Whether it may be run as a program.
    pub executable: bool,
    /// Where its content lies.
    pub content: PathBuf,
}

impl ProcessDriver {
    pub(super) async fn start_build(&self, spec: BuildSpec) -> Result<(), RuntimeError> {
        valid(&spec.command, &spec.environment)?;
        let (instance, _lock) = self.open(&spec.instance, spec.fence).await?;
        if self.settle(&instance).await.is_some() {
            return Ok(());
        }
        let wanted = self.build_wanted(&instance, spec);
        self.run(&instance, &wanted, History::default(), BEGIN).await.map(drop)
    }

    /// What the shim is to do.
    fn build_wanted(&self, instance: &Instance, spec: BuildSpec) -> Spec {
        let owner = (self.machine.walls == Some(Walls::Users)).then_some(spec.user);
        let kept = |place, bytes| Kept { place, bytes, image: self.machine.images, owner };
        Spec {
            command: spec.command,
            folder: PathBuf::new(),
            environment: spec.environment,
            port: 0,
            number: 0,
            limits: spec.limits,
            storage: kept(self.cache.join(&spec.project), spec.cache_bytes),
            cgroups: self.machine.cgroups.clone(),
            walls: self.machine.walls,
            user: spec.user,
            logs: self.logs,
            build: Some(Build {
                files: spec.files,
                output: spec.output,
                time_limit_ms: u64::try_from(spec.time_limit.as_millis()).unwrap_or(u64::MAX),
                work: kept(instance.work(), spec.limits.storage_bytes),
                secrets: spec.secrets,
            }),
        }
    }
}

/// What a build has left.
pub(super) fn built(instance: &Instance) -> Result<Vec<BuiltFile>, RuntimeError> {
    let gone = || RuntimeError::Internal("what was built is gone".to_owned());
    let taken = instance.read_json::<Output>("output.json").ok_or_else(gone)?.map_err(RuntimeError::Invalid)?;
    let files = taken.into_iter().enumerate().map(|(place, taken)| {
        let content = instance.output().join(place.to_string());
        let digest = Digest::parse(&taken.digest).map_err(|_| gone())?;
        let (path, size_bytes, executable) = (taken.path, taken.size_bytes, taken.executable);
        Ok(BuiltFile { path, digest, size_bytes, executable, content })
    });
    files.collect()
}

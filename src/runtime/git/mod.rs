//! Fetches one commit of a repository by the program `git` and gives its files, hashed, in a folder of their own. The other side
//! is not trusted: no configuration but what stands here, no hook, no submodule, no redirect, no other protocol, no checkout,
//! an end to time and size. It must not know whose repository it is.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use crate::domain::git::{GitRef, RepositoryUrl};
use crate::domain::invalid::quote;
use crate::sys::env;

mod address;
mod files;

pub use files::GitFile;

/// Bytes of one file that git may write, such as everything that it receives: twice what a deployment may have.
const LARGEST: u64 = 2 << 30;
/// Longest text of git's that is passed on.
const LONGEST_WORDS: usize = 300;
/// Bytes that git may print where its answer is a few lines.
const MOST_PRINTED: u64 = 1 << 20;

const INIT: [&str; 4] = ["init", "--quiet", "--bare", "--template="];

/// Where from, and how.
pub struct Remote {
    /// The repository.
    pub url: RepositoryUrl,
    /// `user:token`, for where not everybody may read.
    pub credential: Option<String>,
    /// Whether it may be on this machine or in its network.
    pub private_addresses: bool,
    /// After this, it is given up.
    pub timeout: Duration,
}

/// A commit and its files.
pub struct Fetched {
    /// Its id.
    pub commit: String,
    /// The first line of its message.
    pub subject: String,
    /// Its files.
    pub files: Vec<GitFile>,
}

/// Why there are no files.
#[derive(Debug)]
pub enum GitError {
    /// In words for whoever asked.
    Refused(String),
    /// This machine cannot do it.
    Internal(String),
}

impl From<io::Error> for GitError {
    fn from(error: io::Error) -> Self {
        Self::Internal(error.to_string())
    }
}

/// Whether the repository can be read with this credential.
///
/// # Errors
/// `Refused` when it cannot.
pub async fn check(remote: &Remote, scratch: &Path) -> Result<(), GitError> {
    let git = Git::new(remote, scratch).await?;
    git.run(&INIT).await?;
    git.run(&["ls-remote", "--quiet", "--", remote.url.as_str(), "HEAD"]).await.map(|_| ())
}

/// Fetches a commit into a folder, which should be empty and is not cleaned up here.
///
/// # Errors
/// `Refused` when there is no such commit, when it takes too long or is too large, or when it holds what no deployment can.
pub async fn fetch(remote: &Remote, wanted: &GitRef, scratch: &Path) -> Result<Fetched, GitError> {
    let git = Git::new(remote, scratch).await?;
    git.run(&INIT).await?;
    let refspec = format!("+{}:refs/reeve/wanted", wanted.wanted());
    let fetch = ["fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"];
    git.run(&[&fetch[..], &["--", remote.url.as_str(), &refspec]].concat()).await?;
    let shown = git.run(&["show", "--no-patch", "--format=%H%n%s", "refs/reeve/wanted^{commit}", "--"]).await?;
    let shown = String::from_utf8_lossy(&shown).into_owned();
    let (commit, subject) = shown.trim_end().split_once('\n').unwrap_or((shown.trim_end(), ""));
    if let GitRef::Commit(id) = wanted
        && id != commit
    {
        return Err(GitError::Refused(format!("the repository gave another commit than {}", quote(id))));
    }
    let files = git.in_time(files::read(&git, commit, &scratch.join("files"))).await?;
    Ok(Fetched { commit: commit.to_owned(), subject: subject.to_owned(), files })
}

/// The program, set up for one remote.
struct Git<'a> {
    remote: &'a Remote,
    folder: PathBuf,
    addresses: Vec<SocketAddr>,
}

impl<'a> Git<'a> {
    async fn new(remote: &'a Remote, scratch: &Path) -> Result<Self, GitError> {
        let folder = scratch.join("repository.git");
        tokio::fs::create_dir_all(&folder).await?;
        let addresses = match remote.url.host() {
            Some((host, port)) => address::of(host, port, remote.private_addresses).await?,
            None => Vec::new(),
        };
        Ok(Self { remote, folder, addresses })
    }

    /// Settings, by the environment, where no other program sees them.
    fn settings(&self) -> Vec<(String, String)> {
        let fixed = [
            ("core.hooksPath", "/dev/null"),
            ("core.fsmonitor", "false"),
            ("core.bigFileThreshold", "1m"),
            ("credential.helper", ""),
            ("fetch.unpackLimit", "1"),
            ("gc.auto", "0"),
            ("http.followRedirects", "false"),
            ("http.lowSpeedLimit", "1000"),
            ("http.lowSpeedTime", "30"),
            ("http.proxy", ""),
            ("maintenance.auto", "false"),
            ("submodule.recurse", "false"),
        ];
        let mut settings: Vec<(String, String)> =
            fixed.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        if let Some((host, port)) = self.remote.url.host() {
            // What was looked at is what is spoken to: the name is not looked up again.
            let addresses: Vec<String> = self.addresses.iter().map(|it| address::bracketed(it.ip())).collect();
            settings.push(("http.curloptResolve".to_owned(), format!("{host}:{port}:{}", addresses.join(","))));
        }
        if let Some(credential) = &self.remote.credential {
            let value = data_encoding::BASE64.encode(credential.as_bytes());
            settings.push(("http.extraHeader".to_owned(), format!("Authorization: Basic {value}")));
        }
        settings
    }

    fn command(&self, arguments: &[&str]) -> Command {
        // The shell does nothing but to limit what the program may write.
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -f {} && exec git \"$@\"", LARGEST / 512), "git"]).args(arguments);
        command.env_clear().current_dir(&self.folder).process_group(0).kill_on_drop(true);
        command.envs(env::var("PATH").map(|path| ("PATH", path)));
        command.env("HOME", &self.folder).env("GIT_DIR", &self.folder).env("LC_ALL", "C");
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_TERMINAL_PROMPT", "0");
        command.env("GIT_ALLOW_PROTOCOL", self.remote.url.protocol()).env("GIT_ASKPASS", "/bin/false");
        let settings = self.settings();
        command.env("GIT_CONFIG_COUNT", settings.len().to_string());
        for (place, (key, value)) in settings.into_iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{place}"), key).env(format!("GIT_CONFIG_VALUE_{place}"), value);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs git to its end; what it prints.
    async fn run(&self, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
        let mut child = self.command(arguments).spawn()?;
        let _group = Group::of(child.id());
        let (mut printed, mut complaints) = (Vec::new(), Vec::new());
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let work = async {
            let stdout = async { read(stdout, &mut printed).await };
            let stderr = async { read(stderr, &mut complaints).await };
            tokio::try_join!(stdout, stderr)?;
            Ok(child.wait().await?)
        };
        let status = self.in_time(work).await?;
        if status.success() { Ok(printed) } else { Err(GitError::Refused(words(&complaints, self.remote))) }
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, GitError>>) -> Result<T, GitError> {
        let seconds = self.remote.timeout.as_secs();
        let late = || GitError::Refused(format!("the repository took longer than {seconds} seconds"));
        tokio::time::timeout(self.remote.timeout, work).await.map_err(|_| late())?
    }
}

/// What a program prints, up to where it says too much: it waits then until it is given up.
async fn read(pipe: Option<impl AsyncRead + Unpin>, into: &mut Vec<u8>) -> io::Result<()> {
    let Some(pipe) = pipe else { return Ok(()) };
    pipe.take(MOST_PRINTED).read_to_end(into).await.map(|_| ())
}

/// Whatever a program has started ends with it.
struct Group(Option<Pid>);

impl Group {
    fn of(id: Option<u32>) -> Self {
        Self(id.and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It fails when all of them have ended.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

/// What git says is wrong, on one line; without what the remote makes it say beside, and without the credential.
fn words(stderr: &[u8], remote: &Remote) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().rfind(|line| line.starts_with("fatal:") || line.starts_with("error:"));
    let line = line.map_or("git could not read the repository", |line| line.trim_start_matches("fatal: "));
    let mut clean: String = line.chars().filter(|c| !c.is_control()).take(LONGEST_WORDS).collect();
    if let Some((_, token)) = remote.credential.as_deref().and_then(|credential| credential.split_once(':'))
        && !token.is_empty()
    {
        clean = clean.replace(token, "…");
    }
    clean
}

//! The real program as a child process, for stories that kill it, and for those with programs of customers, whose parent is
//! this program too.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::client::Client;
use super::database::{Database, Outage};
use super::{PATIENCE, instances};

/// A running `reeve serve`. When it is dropped, it is killed with all that it has started.
pub(crate) struct RealServer {
    program: Program,
    data: PathBuf,
    database: Arc<Database>,
    output: Arc<Mutex<String>>,
}

struct Program {
    child: Child,
    api: SocketAddr,
    edge: SocketAddr,
}

impl RealServer {
    /// Starts the program over a data folder, on an address of its own and ports that the system chooses; set up by
    /// `reeve-server.toml` in the folder, if there is one.
    pub(crate) async fn start(data: &Path) -> Self {
        Self::start_on(data, Arc::new(Database::create().await)).await
    }

    /// The same, over a database that [`RealServer::lose_database`] works on.
    pub(crate) async fn start_losable(data: &Path) -> Self {
        Self::start_on(data, Arc::new(Database::create_to_be_lost().await)).await
    }

    /// Starts a second replica: over a folder of its own, on the same database, with the same master key.
    pub(crate) async fn start_beside(data: &Path, first: &Self) -> Self {
        std::fs::copy(first.data.join("master.key"), data.join("master.key")).unwrap();
        Self::start_on(data, first.database.clone()).await
    }

    async fn start_on(data: &Path, database: Arc<Database>) -> Self {
        let output = Arc::default();
        // An address of its own, so that no other test takes its ports while it is down.
        let [a, b] = reeve::sys::random::bytes::<2>();
        let any_port = SocketAddr::from(([127, 1, a, b.clamp(1, 254)], 0));
        let command = command(data, &database, any_port, any_port);
        Self { program: run(command, &output).await, data: data.to_owned(), database, output }
    }

    /// Starts a copy of the program as another user of the machine.
    pub(crate) async fn start_as(program: &Path, data: &Path, user: Option<u32>) -> Self {
        let (database, output) = (Arc::new(Database::create().await), Arc::default());
        let [a, b] = reeve::sys::random::bytes::<2>();
        let any_port = SocketAddr::from(([127, 1, a, b.clamp(1, 254)], 0));
        let mut command = Command::new(program);
        set_up(&mut command, data, &database, any_port, any_port);
        command.env("RUST_LOG", "warn").stderr(std::fs::File::create(data.join("log")).unwrap());
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        Self { program: run(command, &output).await, data: data.to_owned(), database, output }
    }

    /// What a server that was started as another user has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.data.join("log")).unwrap()
    }

    /// Starts the demo as somebody does who follows the README: in a folder, with data where it comes to lie by default.
    pub(crate) async fn start_demo(folder: &Path) -> Self {
        let database = Arc::new(Database::create().await);
        let output = Arc::default();
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut command = command(Path::new("data"), &database, any_port, any_port);
        command.arg("--demo").current_dir(folder);
        Self { program: run(command, &output).await, data: folder.join("data"), database, output }
    }

    /// Takes its database away.
    pub(crate) async fn lose_database(&self) -> Outage<'_> {
        self.database.lose(&self.data).await
    }

    /// What the program says when it cannot start again, after it was killed.
    pub(crate) async fn cannot_start(&self) -> String {
        let mut command = command(&self.data, &self.database, self.program.api, self.program.edge);
        let ended = tokio::time::timeout(PATIENCE, command.stderr(Stdio::piped()).output()).await.unwrap().unwrap();
        assert!(!ended.status.success(), "{ended:?}");
        String::from_utf8(ended.stderr).unwrap()
    }

    /// Kills the program without any warning; what it started goes on.
    pub(crate) async fn kill(&mut self) {
        self.program.child.kill().await.unwrap();
    }

    /// Stops the program in good order, as Ctrl-C does.
    pub(crate) async fn stop(&mut self) {
        let pid = self.program.child.id().and_then(|pid| i32::try_from(pid).ok()).unwrap();
        kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
        self.ended().await;
    }

    /// Starts the program again, over the same folder and on the same ports.
    pub(crate) async fn start_again(&mut self) {
        self.start_again_with(&[]).await;
    }

    /// The same, with environment variables.
    pub(crate) async fn start_again_with(&mut self, variables: &[(&str, &str)]) {
        let mut command = command(&self.data, &self.database, self.program.api, self.program.edge);
        command.envs(variables.iter().copied());
        self.program = run(command, &self.output).await;
    }

    /// The same, of another copy of the program.
    pub(crate) async fn start_again_as(&mut self, program: &Path) {
        let mut command = Command::new(program);
        set_up(&mut command, &self.data, &self.database, self.program.api, self.program.edge);
        self.program = run(command, &self.output).await;
    }

    /// With the next start the edge listens here.
    pub(crate) fn moves_to(&mut self, edge: SocketAddr) {
        self.program.edge = edge;
    }

    /// Waits until the program has ended by itself.
    pub(crate) async fn ended(&mut self) {
        tokio::time::timeout(PATIENCE, self.program.child.wait()).await.unwrap().unwrap();
    }

    /// Where the edge listens.
    pub(crate) fn edge_address(&self) -> SocketAddr {
        self.program.edge
    }

    /// Where its database is; `None` for SQLite in its data folder.
    pub(crate) fn database_url(&self) -> Option<String> {
        self.database.url()
    }

    /// Where the API listens.
    pub(crate) fn api_address(&self) -> SocketAddr {
        self.program.api
    }

    /// A client that is nobody yet.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.program.api)
    }

    /// What the program has printed since the first start.
    pub(crate) fn output(&self) -> String {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for RealServer {
    fn drop(&mut self) {
        let _ = self.program.child.start_kill();
        instances::kill_all(&self.data);
    }
}

fn command(data: &Path, database: &Database, api: SocketAddr, edge: SocketAddr) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reeve"));
    set_up(&mut command, data, database, api, edge);
    command
}

/// Nothing of this process's environment, which may hold settings of somebody's own server.
fn set_up(command: &mut Command, data: &Path, database: &Database, api: SocketAddr, edge: SocketAddr) {
    command.env_clear().env("PATH", std::env::var("PATH").unwrap()).env("RUST_LOG", "error");
    command.arg("serve").arg("--data").arg(data);
    let settings = data.join("reeve-server.toml");
    command.args(settings.exists().then(|| ["--config".into(), settings]).iter().flatten());
    command.args(["--listen", &api.to_string(), "--edge-listen", &edge.to_string()]);
    command.args(database.url().iter().flat_map(|url| ["--database-url", url]));
    command.stdout(Stdio::piped()).stdin(Stdio::null()).kill_on_drop(true);
}

async fn run(mut command: Command, output: &Arc<Mutex<String>>) -> Program {
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut api, mut edge) = (None, None);
    let (api, edge) = loop {
        let line = next(&mut lines, output).await;
        api = api.or_else(|| address(&line, "api listening on http://"));
        edge = edge.or_else(|| address(&line, "edge listening on http://"));
        if let (Some(api), Some(edge)) = (api, edge) {
            break (api, edge);
        }
    };
    let output = output.clone();
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            keep(&output, &line);
        }
    });
    Program { child, api, edge }
}

async fn next(lines: &mut Lines<BufReader<ChildStdout>>, output: &Mutex<String>) -> String {
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    let Ok(Ok(Some(line))) = line else {
        panic!("the program does not say where it listens: {}", output.lock().unwrap_or_else(PoisonError::into_inner));
    };
    keep(output, &line);
    line
}

fn keep(output: &Mutex<String>, line: &str) {
    let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
    output.push_str(line);
    output.push('\n');
}

fn address(line: &str, before: &str) -> Option<SocketAddr> {
    line.split_once(before)?.1.split_whitespace().next()?.trim_end_matches('/').parse().ok()
}

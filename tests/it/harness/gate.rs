//! The only way to a PostgreSQL server for one test, which can be shut: connections end, and no new one is made. It must not
//! know what goes through it.

use std::path::PathBuf;
use std::sync::Mutex;

use reqwest::Url;
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{AbortHandle, JoinSet};

/// What PostgreSQL calls its socket.
const SOCKET: &str = ".s.PGSQL.5432";

/// A socket in a folder of its own, before the server's.
pub(crate) struct Gate {
    folder: TempDir,
    server: PathBuf,
    keeper: Mutex<Option<AbortHandle>>,
}

impl Gate {
    /// A gate, shut, before the server that listens in the folder which the URL names as `host`.
    pub(crate) fn new(url: &str) -> Self {
        let url = Url::parse(url).unwrap();
        let host = url.query_pairs().find(|(name, _)| name == "host");
        // These stories reach it by the folder of its socket.
        let (_, host) = host.unwrap();
        let server = PathBuf::from(host.into_owned()).join(SOCKET);
        Self { folder: tempfile::tempdir().unwrap(), server, keeper: Mutex::default() }
    }

    /// The same database, through the gate.
    pub(crate) fn instead_of(&self, url: &str) -> String {
        let mut url = Url::parse(url).unwrap();
        url.query_pairs_mut().clear().append_pair("host", self.folder.path().to_str().unwrap());
        url.into()
    }

    /// Lets everybody through.
    pub(crate) fn open(&self) {
        let (socket, server) = (self.folder.path().join(SOCKET), self.server.clone());
        let listener = UnixListener::bind(socket).unwrap();
        let keeper = tokio::spawn(async move {
            let mut guests = JoinSet::new();
            while let Ok((mut guest, _)) = listener.accept().await {
                let server = server.clone();
                guests.spawn(async move {
                    let mut server = UnixStream::connect(server).await.unwrap();
                    // It ends when either side does.
                    let _ = copy_bidirectional(&mut guest, &mut server).await;
                });
            }
        });
        *self.keeper.lock().unwrap() = Some(keeper.abort_handle());
    }

    /// Throws everybody out, and lets nobody in.
    pub(crate) fn close(&self) {
        std::fs::remove_file(self.folder.path().join(SOCKET)).unwrap();
        self.keeper.lock().unwrap().take().unwrap().abort();
    }
}

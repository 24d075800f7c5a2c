//! A mail server of one's own: Debian's `aiosmtpd` on loopback, which keeps what it takes in a folder.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use super::eventually;

/// A mail server. It goes with the story.
pub(crate) struct SmtpServer {
    address: SocketAddr,
    folder: tempfile::TempDir,
    program: Option<Child>,
}

impl SmtpServer {
    /// One that takes everything.
    pub(crate) async fn start() -> Self {
        let mut server = Self::absent();
        server.go_on().await;
        server
    }

    /// One that is not there yet.
    pub(crate) fn absent() -> Self {
        // An address of its own, so that nobody takes its port while it is down.
        let [a, b] = reeve::sys::random::bytes::<2>();
        let listener = TcpListener::bind((Ipv4Addr::new(127, 2, a, b.clamp(1, 254)), 0)).unwrap();
        Self { address: listener.local_addr().unwrap(), folder: tempfile::tempdir().unwrap(), program: None }
    }

    /// Is there from now on.
    pub(crate) async fn go_on(&mut self) {
        // The machine's own Python: that is where Debian's package is.
        let mut command = Command::new("/usr/bin/python3");
        command.args(["-m", "aiosmtpd", "-n", "-l", &self.address.to_string(), "-c", "aiosmtpd.handlers.Mailbox"]);
        command.arg(self.folder.path().join("mails")).stdout(Stdio::null()).stderr(Stdio::null());
        self.program = Some(command.spawn().unwrap());
        eventually("the mail server listens", async || TcpStream::connect(self.address).ok()).await;
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// What it has taken, in any order.
    pub(crate) fn mails(&self) -> Vec<String> {
        let Ok(all) = std::fs::read_dir(self.folder.path().join("mails/new")) else { return Vec::new() };
        let mails = all.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap().replace("\r\n", "\n"));
        mails.filter(|mail| !mail.is_empty()).collect()
    }

    /// Everything, as soon as it is so much.
    pub(crate) async fn takes(&self, number: usize) -> Vec<String> {
        eventually(&format!("{number} mails came"), async || {
            let mails = self.mails();
            (mails.len() >= number).then_some(mails)
        })
        .await
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        if let Some(mut program) = self.program.take() {
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}

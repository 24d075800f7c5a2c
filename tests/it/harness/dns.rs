//! A DNS server of one's own: Debian's `nsd` on loopback, with one zone that stories write and rewrite.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::eventually;

/// A server for the zone `test`. It goes with the story.
pub(crate) struct DnsServer {
    address: SocketAddr,
    folder: tempfile::TempDir,
    serial: AtomicU32,
    program: Child,
}

impl DnsServer {
    /// A server that knows these records, such as `www.customer.test. CNAME edge.test.`.
    pub(crate) async fn start(records: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = free();
        write_zone(&folder, 1, records);
        let program = launch(&folder, address);
        let server = Self { address, folder, serial: AtomicU32::new(1), program };
        server.serves(1).await;
        server
    }

    /// Where it answers.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Knows these records instead, as soon as this returns.
    pub(crate) async fn set(&self, records: &[&str]) {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed) + 1;
        write_zone(&self.folder, serial, records);
        kill(self.pid(), Signal::SIGHUP).unwrap();
        self.serves(serial).await;
    }

    /// Falls silent, until [`DnsServer::go_on`].
    pub(crate) fn stop(&mut self) {
        kill(self.pid(), Signal::SIGTERM).unwrap();
        self.program.wait().unwrap();
    }

    /// Answers again.
    pub(crate) async fn go_on(&mut self) {
        self.program = launch(&self.folder, self.address);
        self.serves(self.serial.load(Ordering::Relaxed)).await;
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.program.id().try_into().unwrap())
    }

    /// Waits until the zone with this serial number is the one that is served.
    async fn serves(&self, serial: u32) {
        let marker = format!("serial-{serial}");
        eventually("the DNS server serves the zone", async || {
            (self.ask_marker().await.is_some_and(|answer| contains(&answer, marker.as_bytes()))).then_some(())
        })
        .await;
    }

    /// The answer to the question for the TXT record `marker.test`, as it comes.
    async fn ask_marker(&self) -> Option<Vec<u8>> {
        let socket = tokio::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let mut question = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        question.extend_from_slice(b"\x06marker\x04test\0\0\x10\0\x01");
        socket.send_to(&question, self.address).await.ok()?;
        let mut answer = [0; 512];
        let wait = std::time::Duration::from_millis(200);
        let read = tokio::time::timeout(wait, socket.recv(&mut answer)).await.ok()?.ok()?;
        Some(answer[..read].to_vec())
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        let _ = kill(self.pid(), Signal::SIGTERM);
        let _ = self.program.wait();
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// A port that is free for both protocols.
fn free() -> SocketAddr {
    (0..100)
        .find_map(|_| {
            let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let address = tcp.local_addr().unwrap();
            UdpSocket::bind(address).is_ok().then_some(address)
        })
        .unwrap()
}

fn write_zone(folder: &tempfile::TempDir, serial: u32, records: &[&str]) {
    let mut zone = format!(
        "$TTL 0\ntest. SOA ns.test. admin.test. {serial} 60 60 60 0\ntest. NS ns.test.\nns.test. A 127.0.0.1\n\
         marker.test. TXT \"serial-{serial}\"\n"
    );
    for record in records {
        zone.push_str(record);
        zone.push('\n');
    }
    // Replaced as a whole, so that no half of it is read.
    let draft = folder.path().join("zone.draft");
    std::fs::write(&draft, zone).unwrap();
    std::fs::rename(draft, folder.path().join("zone")).unwrap();
}

fn launch(folder: &tempfile::TempDir, address: SocketAddr) -> Child {
    let at = folder.path().display();
    let configuration = format!(
        "server:\n ip-address: 127.0.0.1\n port: {}\n server-count: 1\n do-ip6: no\n username: \"\"\n zonesdir: \"{at}\"\n \
         database: \"\"\n logfile: \"{at}/log\"\n pidfile: \"\"\n xfrdfile: \"{at}/xfrd\"\n zonelistfile: \"{at}/list\"\n \
         xfrdir: \"{at}\"\n rrl-ratelimit: 0\nremote-control:\n control-enable: no\n\
         zone:\n name: test\n zonefile: zone\n",
        address.port()
    );
    let file = folder.path().join("nsd.conf");
    std::fs::write(&file, configuration).unwrap();
    let nsd = if std::path::Path::new("/usr/sbin/nsd").exists() { "/usr/sbin/nsd" } else { "nsd" };
    Command::new(nsd)
        .arg("-d")
        .arg("-c")
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("nsd does not start ({error}); scripts/test.sh installs it"))
}

//! How a program is reached: at an address of this machine, or, where it has a network of its own, through its door, a socket
//! behind which somebody hands out sockets of that network. It must not know what is said to the program.

use std::{
    fmt,
    fs::File,
    io,
    net::{Ipv4Addr, SocketAddr},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::Interest,
    net::{TcpSocket, TcpStream, UnixStream},
};

/// A path of a socket may have 108 bytes.
const LONGEST: usize = 100;
/// Between two knocks at a door where many others wait.
const CROWD: Duration = Duration::from_millis(2);

/// Where a program listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Address {
    /// On this machine.
    Tcp(SocketAddr),
    /// On a port of a network of its own.
    Door {
        /// The socket that gives a socket of that network to everyone who connects.
        path: PathBuf,
        /// Where the program listens there, at 127.0.0.1.
        port: u16,
    },
}

impl Address {
    /// The port that the program was told to listen on.
    pub fn port(&self) -> u16 {
        match self {
            Self::Tcp(address) => address.port(),
            Self::Door { port, .. } => *port,
        }
    }

    /// Connects to the program. It waits as long as the program lets it wait: the caller sets the limit.
    ///
    /// # Errors
    /// As of any connection; an error as well when the program has gone.
    pub async fn connect(&self) -> io::Result<TcpStream> {
        match self {
            Self::Tcp(address) => TcpStream::connect(address).await,
            Self::Door { path, port } => {
                let visitor = knock(path).await?;
                let given = visitor.async_io(Interest::READABLE, || reeve_sandbox::socket::receive(&visitor)).await?;
                let socket = TcpSocket::from_std_stream(std::net::TcpStream::from(given));
                socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, *port))).await
            }
        }
    }
}

/// A path of a socket that the system takes, good as long as the folder beside it is held: a long path is reached from its
/// folder.
///
/// # Errors
/// The folder cannot be opened.
pub fn short(path: &Path) -> io::Result<(PathBuf, Option<File>)> {
    let folder = match (path.as_os_str().len() > LONGEST, path.parent()) {
        (true, Some(folder)) => Some(File::open(folder)?),
        _ => None,
    };
    let short = match (&folder, path.file_name()) {
        (Some(folder), Some(name)) => Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name),
        _ => path.to_owned(),
    };
    Ok((short, folder))
}

async fn knock(path: &Path) -> io::Result<UnixStream> {
    let (short, _folder) = short(path)?;
    loop {
        match UnixStream::connect(&short).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => tokio::time::sleep(CROWD).await,
            outcome => return outcome,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl fmt::Display for Address {
    /// As the program sees it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Door { port, .. } => write!(f, "127.0.0.1:{port}"),
        }
    }
}

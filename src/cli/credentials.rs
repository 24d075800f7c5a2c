//! Who is signed in where, kept in one file that only its owner may read. Several commands run at once, and a refresh
//! token that is used twice ends the session: whoever writes holds the lock. It must not know how a session is refreshed.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{exit::Exit, failure::Failure};
use crate::sys::env;

/// A session on one server. It holds secrets, so it has no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Login {
    /// Whose session.
    pub(super) email: String,
    /// Sent with every request.
    pub(super) access_token: String,
    /// Good for exactly one exchange.
    pub(super) refresh_token: String,
}

/// Everything in the file.
#[derive(Default, Serialize, Deserialize)]
struct Logins {
    /// The server of the latest sign-in.
    current: Option<String>,
    /// By the server's address.
    servers: BTreeMap<String, Login>,
}

/// The folder with the credentials.
#[derive(Clone)]
pub(super) struct Vault {
    folder: PathBuf,
}

impl Vault {
    /// The folder that the environment names: `REEVE_CONFIG_DIR`, `$XDG_CONFIG_HOME/reeve`, or `~/.config/reeve`.
    pub(super) fn open() -> Result<Self, Failure> {
        let set = |name| env::var(name).filter(|text| !text.is_empty()).map(PathBuf::from);
        // The XDG specification has relative paths ignored.
        let folder = set("REEVE_CONFIG_DIR")
            .or_else(|| set("XDG_CONFIG_HOME").filter(|path| path.is_absolute()).map(|path| path.join("reeve")))
            .or_else(|| set("HOME").map(|home| home.join(".config/reeve")));
        let missing = || Failure::usage("there is no home folder to keep credentials in, set `REEVE_CONFIG_DIR`");
        folder.map(Self::at).ok_or_else(missing)
    }

    /// This folder; it need not be there yet.
    pub(super) fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The server of the latest sign-in.
    pub(super) fn current(&self) -> Result<Option<String>, Failure> {
        self.read().map(|logins| logins.current)
    }

    /// The session on this server.
    pub(super) fn login(&self, server: &str) -> Result<Option<Login>, Failure> {
        self.read().map(|mut logins| logins.servers.remove(server))
    }

    /// Waits until no other command writes.
    pub(super) async fn lock(&self) -> Result<Locked, Failure> {
        let vault = self.clone();
        let locked = tokio::task::spawn_blocking(move || vault.lock_now()).await;
        locked.unwrap_or_else(|error| Err(Failure::local("the credentials cannot be locked", error)))
    }

    fn lock_now(self) -> Result<Locked, Failure> {
        let path = self.folder.join("credentials.lock");
        let broken = |error| Failure::local(format!("`{}` cannot be locked", path.display()), error);
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(broken)?;
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(broken)?;
        file.lock().map_err(broken)?;
        Ok(Locked { vault: self, _lock: file })
    }

    fn file(&self) -> PathBuf {
        self.folder.join("credentials.json")
    }

    fn read(&self) -> Result<Logins, Failure> {
        let path = self.file();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Logins::default()),
            Err(error) => return Err(Failure::local(format!("`{}` cannot be read", path.display()), error)),
        };
        let spoilt = |_| {
            let message = format!("`{}` holds no credentials, remove it and sign in again", path.display());
            Failure::new(Exit::NotSignedIn, message)
        };
        serde_json::from_slice(&text).map_err(spoilt)
    }
}

/// The right to write credentials, as long as it lives.
pub(super) struct Locked {
    vault: Vault,
    _lock: File,
}

impl Locked {
    /// The session on this server, as the last writer left it.
    pub(super) fn login(&self, server: &str) -> Result<Option<Login>, Failure> {
        self.vault.login(server)
    }

    /// Keeps a session that somebody signed in to; its server becomes the current one.
    pub(super) fn sign_in(&self, server: &str, login: Login) -> Result<(), Failure> {
        self.change(|logins| {
            logins.current = Some(server.to_owned());
            logins.servers.insert(server.to_owned(), login);
        })
    }

    /// Keeps the next tokens of a session.
    pub(super) fn refresh(&self, server: &str, login: Login) -> Result<(), Failure> {
        self.change(|logins| {
            logins.servers.insert(server.to_owned(), login);
        })
    }

    /// Forgets the session on this server.
    pub(super) fn sign_out(&self, server: &str) -> Result<(), Failure> {
        self.change(|logins| {
            logins.servers.remove(server);
            logins.current.take_if(|current| current == server);
        })
    }

    fn change(&self, change: impl FnOnce(&mut Logins)) -> Result<(), Failure> {
        let mut logins = self.vault.read()?;
        change(&mut logins);
        let path = self.vault.file();
        let broken = |error: std::io::Error| Failure::local(format!("`{}` cannot be written", path.display()), error);
        let text = serde_json::to_vec_pretty(&logins).map_err(|error| broken(error.into()))?;
        replace(&path, &text).map_err(broken)
    }
}

/// Readers see the old file or the new one, never a part of it.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let draft = path.with_extension("json.new");
    // A draft of a command that was killed is made anew, so that nobody else's file or permissions are taken over.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn login(name: &str) -> Login {
        Login { email: format!("{name}@example.com"), access_token: name.to_owned(), refresh_token: name.to_owned() }
    }

    fn mode(path: &Path) -> std::io::Result<u32> {
        Ok(fs::metadata(path)?.permissions().mode() & 0o777)
    }

    #[test]
    fn only_the_owner_can_read_it_and_no_draft_is_left() -> std::io::Result<()> {
        let home = tempfile::tempdir()?;
        let folder = home.path().join("reeve");
        fs::create_dir(&folder)?;
        fs::write(folder.join("credentials.json.new"), "half a draft of a killed command")?;
        fs::set_permissions(folder.join("credentials.json.new"), fs::Permissions::from_mode(0o644))?;
        let vault = Vault::at(folder.clone());
        let locked = vault.clone().lock_now().map_err(|it| std::io::Error::other(it.message))?;
        assert!(locked.sign_in("http://a", login("ada")).is_ok());
        assert_eq!(mode(&folder.join("credentials.json"))?, 0o600);
        assert_eq!(mode(&folder.join("credentials.lock"))?, 0o600);
        assert!(!folder.join("credentials.json.new").exists());
        Ok(())
    }

    #[test]
    fn a_new_folder_is_private_and_servers_do_not_mix() -> std::io::Result<()> {
        let home = tempfile::tempdir()?;
        let vault = Vault::at(home.path().join("reeve"));
        assert!(vault.login("http://a").is_ok_and(|it| it.is_none()));
        let locked = vault.clone().lock_now().map_err(|it| std::io::Error::other(it.message))?;
        assert_eq!(mode(&home.path().join("reeve"))?, 0o700);
        for (server, name) in [("http://a", "ada"), ("http://b", "bob")] {
            assert!(locked.sign_in(server, login(name)).is_ok());
        }
        assert!(locked.refresh("http://a", login("ada2")).is_ok());
        assert_eq!(vault.current().ok().flatten().as_deref(), Some("http://b"));
        assert_eq!(vault.login("http://a").ok().flatten().map(|it| it.access_token).as_deref(), Some("ada2"));
        assert!(locked.sign_out("http://b").is_ok());
        assert!(vault.login("http://b").is_ok_and(|it| it.is_none()));
        assert!(vault.current().is_ok_and(|it| it.is_none()));
        Ok(())
    }

    #[test]
    fn one_writer_at_a_time() -> std::io::Result<()> {
        let home = tempfile::tempdir()?;
        let vault = Vault::at(home.path().to_owned());
        let first = vault.clone().lock_now().map_err(|it| std::io::Error::other(it.message))?;
        let (done, waits) = std::sync::mpsc::channel();
        let second = std::thread::spawn(move || {
            let locked = vault.lock_now();
            let _nobody_waits = done.send(());
            locked.is_ok()
        });
        assert!(waits.recv_timeout(std::time::Duration::from_millis(100)).is_err());
        drop(first);
        assert!(second.join().is_ok_and(|locked| locked));
        Ok(())
    }

    #[test]
    fn a_spoilt_file_says_what_to_do() -> std::io::Result<()> {
        let home = tempfile::tempdir()?;
        fs::write(home.path().join("credentials.json"), "{")?;
        let failure = Vault::at(home.path().to_owned()).login("x").err();
        assert!(failure.is_some_and(|it| it.message.contains("sign in again") && it.exit == Exit::NotSignedIn));
        Ok(())
    }
}

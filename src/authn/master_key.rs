//! The one secret that seals all others at rest, from a file of its own or from text; it must not know what it seals, and
//! it never reaches the database. While it is replaced there are two: the first seals, each opens what it has sealed.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use data_encoding::{BASE64, HEXLOWER};

use crate::sys::random;

const ID: usize = 8;
const NONCE: usize = 24;
const TAG: usize = 16;
/// More than two keys of 44 characters and their line ends, so that another file is noticed and not read in full.
const MAX_FILE: u64 = 256;

/// What a sealed value is longer than what was sealed, in bytes.
pub const OVERHEAD: usize = ID + NONCE + TAG;

/// The key that seals, and those before it that still open.
#[derive(Clone)]
pub struct MasterKey {
    current: Key,
    earlier: Vec<Key>,
}

/// 32 bytes for XChaCha20-Poly1305, whose nonce is long enough to be chosen at random for ever, and a name that tells
/// nothing about them.
#[derive(Clone)]
struct Key {
    id: [u8; ID],
    secret: [u8; 32],
}

/// Why there is no master key; the program cannot start without.
#[derive(Debug)]
pub enum MasterKeyError {
    /// The file cannot be read or made.
    Io {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others than the owner may read the file.
    Exposed {
        /// The file.
        file: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// This is not the base64 text of 32 bytes, or of several times 32.
    Malformed,
}

impl MasterKeyError {
    /// What is wrong and what to do, for the operator.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Io { file, source } => format!("cannot read or make the master key `{}`: {source}", file.display()),
            Self::Exposed { file, mode } => format!(
                "the master key `{0}` may be read by others (mode {mode:03o}), run `chmod 600 {0}`; if somebody could \
                 have read it, make a new key",
                file.display()
            ),
            Self::Malformed => {
                "the master key is not 32 bytes in base64, restore it or make one with `openssl rand -base64 32`"
                    .to_owned()
            }
        }
    }
}

/// Sealing failed, or what is to be opened was changed, was sealed for something else, or by another master key.
#[derive(Debug, PartialEq, Eq)]
pub struct SealError;

impl SealError {
    /// What is wrong and what to do, for the operator.
    #[must_use]
    pub const fn message(&self) -> &'static str {
        "a stored secret cannot be opened, check that this is the master key that it was sealed with"
    }
}

impl MasterKey {
    /// Reads the key, and on the first start makes it, readable by its owner only.
    ///
    /// # Errors
    /// When the file cannot be read or made, when others may read it, or when it holds something else.
    pub fn load_or_create(file: &Path) -> Result<Self, MasterKeyError> {
        let io = |source| MasterKeyError::Io { file: file.to_owned(), source };
        let opened = match File::open(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create(file).map_err(io)?;
                File::open(file).map_err(io)?
            }
            opened => opened.map_err(io)?,
        };
        let mode = opened.metadata().map_err(io)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(MasterKeyError::Exposed { file: file.to_owned(), mode });
        }
        let mut text = String::new();
        opened.take(MAX_FILE).read_to_string(&mut text).map_err(io)?;
        Self::from_base64(&text)
    }

    /// Reads 32 bytes in base64; several are divided by white space, the first one seals.
    ///
    /// # Errors
    /// `Malformed` for any other text.
    pub fn from_base64(text: &str) -> Result<Self, MasterKeyError> {
        let mut keys = text.split_whitespace().map(Key::from_base64);
        let current = keys.next().ok_or(MasterKeyError::Malformed)??;
        Ok(Self { current, earlier: keys.collect::<Result<_, _>>()? })
    }

    /// Puts a new key in front of the one in the file, which goes on opening what it has sealed. Where two stand there
    /// already, a replacement has begun before and is gone on with.
    ///
    /// # Errors
    /// As [`MasterKey::load_or_create`].
    pub fn renew(file: &Path) -> Result<Self, MasterKeyError> {
        let found = Self::load_or_create(file)?;
        if found.is_being_replaced() {
            return Ok(found);
        }
        let renewed = Self { current: Key::new(random::bytes()), earlier: vec![found.current] };
        renewed.write(file)?;
        Ok(renewed)
    }

    /// Takes the earlier keys out of the file: nothing that they have sealed may be left.
    ///
    /// # Errors
    /// `Io` when the file cannot be written.
    pub fn forget_earlier(self, file: &Path) -> Result<Self, MasterKeyError> {
        let alone = Self { earlier: Vec::new(), ..self };
        alone.write(file)?;
        Ok(alone)
    }

    fn write(&self, file: &Path) -> Result<(), MasterKeyError> {
        let keys = [std::slice::from_ref(&self.current), &self.earlier].concat();
        replace(file, &keys).map_err(|source| MasterKeyError::Io { file: file.to_owned(), source })
    }

    /// Whether there are keys before the one that seals.
    #[must_use]
    pub fn is_being_replaced(&self) -> bool {
        !self.earlier.is_empty()
    }

    /// Names the key that seals.
    #[must_use]
    pub fn id(&self) -> String {
        HEXLOWER.encode(&self.current.id)
    }

    /// Encrypts for storage. The purpose, such as `variable/<id>`, is not stored: whoever opens must name the same, so a
    /// sealed value cannot be moved to another place.
    ///
    /// # Errors
    /// Only for a plaintext of more than 256 GiB.
    pub fn seal(&self, plaintext: &[u8], purpose: &str) -> Result<Vec<u8>, SealError> {
        let nonce = random::bytes::<NONCE>();
        let payload = Payload { msg: plaintext, aad: purpose.as_bytes() };
        let sealed = self.current.cipher().encrypt(XNonce::from_slice(&nonce), payload).map_err(|_| SealError)?;
        Ok([self.current.id.as_slice(), &nonce, &sealed].concat())
    }

    /// Decrypts what `seal` made for the same purpose.
    ///
    /// # Errors
    /// When anything about it is different, without saying what.
    pub fn open(&self, sealed: &[u8], purpose: &str) -> Result<Vec<u8>, SealError> {
        let (id, rest) = sealed.split_at_checked(ID).ok_or(SealError)?;
        match self.keys().find(|key| key.id == id) {
            Some(key) => key.open(rest, purpose),
            // What was sealed before keys had names begins with its nonce.
            None => self.keys().find_map(|key| key.open(sealed, purpose).ok()).ok_or(SealError),
        }
    }

    /// Whether it was sealed by the key that seals now.
    #[must_use]
    pub fn has_sealed(&self, sealed: &[u8]) -> bool {
        sealed.starts_with(&self.current.id)
    }

    /// Names a content so that nobody without the key can tell which of some that they guess it is.
    #[must_use]
    pub fn fingerprint(&self, content: &[u8]) -> String {
        let key = blake3::derive_key("reeve 2026 master key: fingerprints", &self.current.secret);
        blake3::keyed_hash(&key, content).to_hex().to_string()
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.current).chain(&self.earlier)
    }
}

impl Key {
    fn new(secret: [u8; 32]) -> Self {
        let mut id = [0; ID];
        blake3::Hasher::new_derive_key("reeve 2026 master key: names").update(&secret).finalize_xof().fill(&mut id);
        Self { id, secret }
    }

    fn from_base64(text: &str) -> Result<Self, MasterKeyError> {
        let bytes = BASE64.decode(text.as_bytes()).map_err(|_| MasterKeyError::Malformed)?;
        bytes.try_into().map(Self::new).map_err(|_| MasterKeyError::Malformed)
    }

    fn open(&self, sealed: &[u8], purpose: &str) -> Result<Vec<u8>, SealError> {
        let (nonce, msg) = sealed.split_at_checked(NONCE).ok_or(SealError)?;
        let payload = Payload { msg, aad: purpose.as_bytes() };
        self.cipher().decrypt(XNonce::from_slice(nonce), payload).map_err(|_| SealError)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&self.secret).into())
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(redacted)")
    }
}

/// The key appears whole or not at all, and never over another: of two programs that start at once, one links its file
/// and both read that one. A key half written by a crash would lock out everything sealed later.
fn create(file: &Path) -> io::Result<()> {
    let folder = folder(file);
    let draft = folder.join(format!(".master-key-{}", random::token()));
    let linked = write_private(&draft, &[Key::new(random::bytes())]).and_then(|()| fs::hard_link(&draft, file));
    let removed = fs::remove_file(&draft);
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(()) => removed.and_then(|()| File::open(folder)?.sync_all()),
    }
}

/// The file holds either what it held or these keys, whenever the power goes.
fn replace(file: &Path, keys: &[Key]) -> io::Result<()> {
    let folder = folder(file);
    let draft = folder.join(format!(".master-key-{}", random::token()));
    write_private(&draft, keys).and_then(|()| fs::rename(&draft, file))?;
    File::open(folder)?.sync_all()
}

fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn write_private(file: &Path, keys: &[Key]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    for key in keys {
        writeln!(file, "{}", BASE64.encode(&key.secret))?;
    }
    file.sync_all()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
mod tests {
    use super::*;

    #[test]
    fn the_first_start_makes_a_private_key_and_the_next_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("master.key");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> =
                (0..8).map(|_| scope.spawn(|| MasterKey::load_or_create(&file).unwrap().id())).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("master.key");
        MasterKey::load_or_create(&file).unwrap();
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            let error = MasterKey::load_or_create(&file).unwrap_err();
            assert!(error.message().contains("chmod 600"), "{}", error.message());
        }
    }

    #[test]
    fn text_that_is_no_key_is_refused_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("master.key");
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(MasterKey::load_or_create(&file), Err(MasterKeyError::Malformed)));
        assert_eq!(fs::read(&file).unwrap(), b"");
        assert!(MasterKey::from_base64(&BASE64.encode(&[7; 31])).is_err());
        assert!(MasterKey::from_base64(&format!(" {}\n", BASE64.encode(&[7; 32]))).is_ok());
        let missing = folder.path().join("missing/master.key");
        assert!(matches!(MasterKey::load_or_create(&missing), Err(MasterKeyError::Io { .. })));
    }

    fn master(bytes: &[u8]) -> MasterKey {
        let texts = bytes.iter().map(|byte| BASE64.encode(&[*byte; 32]));
        MasterKey::from_base64(&texts.collect::<Vec<_>>().join("\n")).unwrap()
    }

    #[test]
    fn only_the_same_key_and_purpose_open_what_was_sealed() {
        let (key, other) = (master(&[1]), master(&[2]));
        let mut sealed = key.seal(b"secret", "variable/1").unwrap();
        assert_eq!(sealed.len(), b"secret".len() + OVERHEAD);
        assert_ne!(sealed, key.seal(b"secret", "variable/1").unwrap());
        assert_eq!(key.open(&sealed, "variable/1"), Ok(b"secret".to_vec()));
        assert_eq!(key.open(&sealed, "variable/2"), Err(SealError));
        assert_eq!(other.open(&sealed, "variable/1"), Err(SealError));
        assert_eq!(key.open(&sealed[..10], "variable/1"), Err(SealError));
        assert_eq!(key.open(&sealed[..ID - 1], "variable/1"), Err(SealError));
        let before_names = &sealed[ID..];
        assert_eq!(key.open(before_names, "variable/1"), Ok(b"secret".to_vec()), "sealed before keys had names");
        assert!(key.has_sealed(&sealed) && !key.has_sealed(before_names) && !other.has_sealed(&sealed));
        sealed[40] ^= 1;
        assert_eq!(key.open(&sealed, "variable/1"), Err(SealError));
        assert_eq!(format!("{key:?}"), "MasterKey(redacted)");
    }

    #[test]
    fn a_key_that_is_replaced_opens_until_it_is_forgotten() {
        let (old, both, new) = (master(&[1]), master(&[2, 1]), master(&[2]));
        let sealed = old.seal(b"secret", "x").unwrap();
        assert_eq!((both.open(&sealed, "x"), new.open(&sealed, "x")), (Ok(b"secret".to_vec()), Err(SealError)));
        assert_eq!(new.open(&both.seal(b"later", "x").unwrap(), "x"), Ok(b"later".to_vec()));
        assert_eq!((both.id(), both.is_being_replaced(), new.is_being_replaced()), (new.id(), true, false));
        assert_ne!(old.fingerprint(b"x"), new.fingerprint(b"x"));
    }

    #[test]
    fn a_replacement_that_was_interrupted_goes_on_with_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("master.key");
        let old = MasterKey::load_or_create(&file).unwrap();
        let sealed = old.seal(b"secret", "x").unwrap();
        let begun = MasterKey::renew(&file).unwrap();
        assert_ne!(begun.id(), old.id());
        assert_eq!(MasterKey::renew(&file).unwrap().id(), begun.id());
        assert_eq!(MasterKey::load_or_create(&file).unwrap().open(&sealed, "x"), Ok(b"secret".to_vec()));
        let ended = begun.forget_earlier(&file).unwrap();
        assert_eq!(MasterKey::load_or_create(&file).unwrap().id(), ended.id());
        assert_eq!(ended.open(&sealed, "x"), Err(SealError));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

//! Loop devices: a file as a disk of a fixed size. One file has one device however many mount it, and the device goes when
//! the last mount does. It must not know what is on the disk.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::{Path, PathBuf},
};

use nix::libc;

const GET_FREE: libc::c_ulong = 0x4C82;
const CONFIGURE: libc::c_ulong = 0x4C0A;
const GET_STATUS: libc::c_ulong = 0x4C05;
const AUTOCLEAR: u32 = 4;
/// The file is not kept in memory twice.
const DIRECT_IO: u32 = 16;
/// Others may take the free device in between.
const TRIES: u32 = 20;

/// `struct loop_info64` of the kernel.
#[derive(Clone, Copy)]
#[repr(C)]
struct Info {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config` of the kernel.
#[repr(C)]
struct Configuration {
    fd: u32,
    block_size: u32,
    info: Info,
    reserved: [u64; 8],
}

/// The device of a file, made if it has none. It stays while it is held or mounted. Only one caller at a time may ask for
/// the same file.
///
/// # Errors
/// What the system refused, as it does to everybody but root.
pub fn attach(file: &Path) -> io::Result<OwnedFd> {
    let file = file.canonicalize()?;
    let backing = OpenOptions::new().read(true).write(true).open(&file)?;
    if let Some(device) = attached(&file, backing.metadata()?.ino())? {
        return Ok(device);
    }
    let control = OpenOptions::new().read(true).write(true).open("/dev/loop-control")?;
    let mut last = io::Error::from(io::ErrorKind::ResourceBusy);
    for _ in 0..TRIES {
        // SAFETY: this call takes no argument.
        let number = unsafe { libc::ioctl(control.as_raw_fd(), GET_FREE) };
        if number < 0 {
            return Err(io::Error::last_os_error());
        }
        let device = open(&PathBuf::from(format!("/dev/loop{number}")))?;
        match configure(&device, &backing) {
            Ok(()) => return Ok(device.into()),
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// Whether a file has a device at this moment.
///
/// # Errors
/// What the system refused.
pub fn is_attached(file: &Path) -> io::Result<bool> {
    let file = file.canonicalize()?;
    Ok(attached(&file, fs::metadata(&file)?.ino())?.is_some())
}

/// The device that the file has already.
fn attached(file: &Path, inode: u64) -> io::Result<Option<OwnedFd>> {
    for entry in fs::read_dir("/sys/block")? {
        let entry = entry?;
        let named = fs::read_to_string(entry.path().join("loop/backing_file")).unwrap_or_default();
        if named.trim_end_matches('\n') != file.as_os_str() {
            continue;
        }
        // It may be on its way out: only an open one stays.
        let Ok(device) = open(&Path::new("/dev").join(entry.file_name())) else { continue };
        if status(&device).is_ok_and(|info| info.inode == inode) {
            return Ok(Some(device.into()));
        }
    }
    Ok(None)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

fn status(device: &File) -> io::Result<Info> {
    let mut info = blank(0);
    // SAFETY: the call fills the structure, which is laid out as the kernel's and outlives it.
    let read = unsafe { libc::ioctl(device.as_raw_fd(), GET_STATUS, &raw mut info) };
    if read == 0 { Ok(info) } else { Err(io::Error::last_os_error()) }
}

fn configure(device: &File, backing: &File) -> io::Result<()> {
    let fd = backing.as_raw_fd().unsigned_abs();
    let wanted = Configuration { fd, block_size: 0, info: blank(AUTOCLEAR | DIRECT_IO), reserved: [0; 8] };
    // SAFETY: the call reads the structure, which is laid out as the kernel's and outlives it.
    let set = unsafe { libc::ioctl(device.as_raw_fd(), CONFIGURE, &raw const wanted) };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn blank(flags: u32) -> Info {
    Info {
        device: 0,
        inode: 0,
        rdevice: 0,
        offset: 0,
        size_limit: 0,
        number: 0,
        encrypt_type: 0,
        encrypt_key_size: 0,
        flags,
        file_name: [0; 64],
        crypt_name: [0; 64],
        encrypt_key: [0; 32],
        init: [0; 2],
    }
}

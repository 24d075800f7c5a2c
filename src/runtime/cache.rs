//! What builds of one project leave for the next: bounded, and taken away as a whole when it is full. It must not know what builds
//! keep there.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use reeve_sandbox::loops;

use super::{storage::Kept, tree};

/// It is full when less than a tenth is free, of space or of files.
const FREE: u64 = 10;

/// A cache that is being used; as long as this is held, nobody takes it away.
#[derive(Debug)]
pub(super) struct InUse(#[expect(dead_code, reason = "it is held for its lock alone")] File);

/// Takes away what has become too much, unless another build uses it, and keeps others from doing so.
pub(super) fn enter(cache: &Kept) -> io::Result<InUse> {
    cache.make()?;
    let file = File::create(cache.place.join("in-use"))?;
    match file.try_lock() {
        Ok(()) => {
            if is_full(cache)? {
                wipe(cache)?;
            }
        }
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    file.lock_shared()?;
    Ok(InUse(file))
}

/// Ends the use; what has become too much meanwhile goes at once, if nobody else uses it.
pub(super) fn leave(cache: &Kept, used: InUse) -> io::Result<()> {
    drop(used);
    enter(cache).map(drop)
}

fn wipe(cache: &Kept) -> io::Result<()> {
    if !cache.image {
        return tree::remove(&cache.folder());
    }
    match fs::remove_file(cache.image_file()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn is_full(cache: &Kept) -> io::Result<bool> {
    if !cache.image {
        return Ok(tree::measured(&cache.folder()) >= cache.bytes);
    }
    let image = cache.image_file();
    match fs::metadata(&image) {
        Ok(found) if loops::is_attached(&image)? => Ok(found.len() == 0),
        // The limit was another one when it was made.
        Ok(found) if found.len() != cache.bytes => Ok(true),
        Ok(_) => is_image_full(&image),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// As the superblock of the ext4 file system says, which is written when it is let go of.
fn is_image_full(image: &Path) -> io::Result<bool> {
    let mut block = [0_u8; 20];
    let mut file = File::open(image)?;
    file.seek(SeekFrom::Start(1024))?;
    file.read_exact(&mut block)?;
    let number = |at: usize| {
        let bytes = block.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
        u64::from(u32::from_le_bytes(bytes))
    };
    let (inodes, blocks, free_blocks, free_inodes) = (number(0), number(4), number(12), number(16));
    Ok(free_blocks * FREE < blocks || free_inodes * FREE < inodes)
}

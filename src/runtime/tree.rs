//! Folders that somebody else has filled, who may not have meant well: nested deeper than any path may be long, closed to their
//! own owner, full of links. It must not know what they are for.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Removes a folder with everything in it; fine when there is none. Links are not followed, and no path gets long: every folder
/// that is found is brought to the top first. Nobody may be writing in it.
///
/// # Errors
/// When the disk refuses.
pub fn remove(root: &Path) -> io::Result<()> {
    match fs::symlink_metadata(root) {
        Ok(found) if !found.is_dir() => return fs::remove_file(root),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    let mut waiting = vec![root.to_owned()];
    let mut number = 0_u64;
    while let Some(folder) = waiting.pop() {
        open(&folder)?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() {
                fs::remove_file(entry.path())?;
            } else if folder == root {
                waiting.push(entry.path());
            } else {
                open(&entry.path())?;
                waiting.push(bring_up(root, &entry.path(), &mut number)?);
            }
        }
        if folder != root {
            fs::remove_dir(&folder)?;
        }
    }
    fs::remove_dir(root)
}

/// Lets its owner in.
fn open(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(0o700))
}

/// Gives a folder a name at the top that nothing has.
fn bring_up(root: &Path, folder: &Path, number: &mut u64) -> io::Result<PathBuf> {
    loop {
        *number += 1;
        let name = root.join(format!(".removed-{number}"));
        if fs::symlink_metadata(&name).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            fs::rename(folder, &name)?;
            return Ok(name);
        }
    }
}

/// Bytes that a folder takes on its disk. Links are not followed.
pub(super) fn measured(folder: &Path) -> u64 {
    let mut waiting = vec![folder.to_owned()];
    let mut sum = 0_u64;
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(found) = entry.metadata() else { continue };
            sum = sum.saturating_add(found.blocks().saturating_mul(512));
            if found.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deep_closed_or_a_link_goes_and_nothing_else_does() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        let (root, kept) = (dir.path().join("root"), dir.path().join("kept"));
        fs::create_dir(&root)?;
        fs::create_dir(&kept)?;
        fs::write(kept.join("file"), "here")?;
        std::os::unix::fs::symlink(&kept, root.join("link"))?;
        fs::create_dir(root.join(".removed-1"))?;
        // Grown from below: no path to it is ever long.
        let (mut tree, part) = (dir.path().join("tree"), "d".repeat(200));
        fs::create_dir(&tree)?;
        for number in 0..60 {
            let above = dir.path().join(format!("tree{number}"));
            fs::create_dir(&above)?;
            fs::rename(&tree, above.join(&part))?;
            fs::write(above.join("file"), "x")?;
            tree = above;
        }
        fs::create_dir(tree.join("closed"))?;
        fs::set_permissions(tree.join("closed"), Permissions::from_mode(0o000))?;
        fs::rename(&tree, root.join("deep"))?;
        assert!(measured(&root) > 0);
        remove(&root)?;
        assert!(!root.exists());
        assert_eq!(fs::read_to_string(kept.join("file"))?, "here");
        remove(&root)
    }
}

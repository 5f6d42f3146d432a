//! Small files and directories that outlive a power cut and that only their owner can
//! read, since they hold customers' events and secrets.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;

/// Replaces a file by these bytes. After a crash it is the old file or the new one.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = Path::new(&temporary);
    let written = write_synced(temporary, bytes);
    if written.is_err() {
        // Frees the allocated space: a full disk must not stay full because of a failed write.
        remove(temporary)?;
    }
    written?;
    std::fs::rename(temporary, path)?;
    sync_parent(path)
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, bytes)?.sync_all()
}

/// Writes a file that need not outlive a power cut.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = private(File::options().create(true).truncate(true).write(true)).open(path)?;
    file.write_all(bytes)?;
    Ok(file)
}

/// Makes a new file readable by its owner alone.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(FILE_MODE)
}

/// Makes a directory, and its missing parents.
pub(crate) fn create_dir(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = parent(path) {
        create_dir(parent)?;
    }
    match DirBuilder::new().mode(DIR_MODE).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync_dir(path)?;
    sync_parent(path)
}

/// Takes the permissions of everybody but the owner from a file, or from a directory and
/// all in it, which an earlier version or a copy may have left. Links inside a directory
/// are not followed.
pub(crate) fn mend_permissions(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        return restrict(path, FILE_MODE);
    }
    restrict_dir(path)?;
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        if !entry.file_type()?.is_symlink() {
            mend_permissions(&entry.path())?;
        }
    }
    Ok(())
}

/// Takes the permissions of everybody but the owner from a directory.
pub(crate) fn restrict_dir(path: &Path) -> io::Result<()> {
    restrict(path, DIR_MODE)
}

/// Sets a mode, unless only the owner has permissions already.
fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    let others = std::fs::metadata(path)?.permissions().mode() & 0o077;
    if others == 0 {
        return Ok(());
    }
    std::fs::set_permissions(path, Permissions::from_mode(mode))
}

fn parent(path: &Path) -> Option<&Path> {
    path.parent().filter(|parent| !parent.as_os_str().is_empty())
}

/// Makes a new or changed name in a directory durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    sync_dir(parent(path).unwrap_or(Path::new(".")))
}

/// Makes a directory's entries durable.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a directory and all in it, if it is there.
pub(crate) fn remove_dir(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

//! A small disk that can be filled: a tmpfs, if this user may mount one.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const DISK_BYTES: usize = 512 << 20;
const CHUNK_BYTES: usize = 64 << 10;

/// A mounted disk; unmounted when it is dropped.
#[derive(Debug)]
pub(super) struct FillableDisk {
    at: PathBuf,
}

impl FillableDisk {
    /// Mounts the disk; `None` if this user may not mount.
    pub(super) fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).ok()?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={DISK_BYTES},mode=0700"), "sluice-chaos"]).arg(at);
        let mounted = mount.stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
        mounted.success().then(|| Self { at: at.to_owned() })
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }

    /// Writes until there is no room.
    pub(super) fn fill(&self) -> io::Result<()> {
        let mut ballast = OpenOptions::new().create(true).append(true).open(self.ballast())?;
        let mut size = CHUNK_BYTES;
        let chunk = vec![1; CHUNK_BYTES];
        while size >= 512 {
            match ballast.write(&chunk[..size]) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => size /= 2,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes room again.
    pub(super) fn clear(&self) -> io::Result<()> {
        std::fs::remove_file(self.ballast())
    }
}

impl Drop for FillableDisk {
    fn drop(&mut self) {
        // Lazily, since the server may not have ended yet.
        Command::new("umount").arg("-l").arg(&self.at).stderr(Stdio::null()).status().ok();
    }
}

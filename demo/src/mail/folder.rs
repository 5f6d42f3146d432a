//! Mails as files: `<key>.eml` in a folder, which any mail program opens.
//!
//! A file is written under a hidden name, synced, and then renamed, so a file is
//! there whole or not at all. The newest files are kept; keys ascend with time.

use super::letter::{MailSender, letter};
use super::{Mail, MailError, Mailer};
use async_trait::async_trait;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Writes mails into a folder.
pub struct MailFolder {
    folder: Arc<OpenFolder>,
    sender: MailSender,
}

struct OpenFolder {
    path: PathBuf,
    files_max: usize,
    /// The names of the files, the oldest first.
    names: Mutex<BTreeSet<String>>,
}

impl MailFolder {
    /// Makes the folder if it is missing.
    ///
    /// # Errors
    /// If it cannot be made or read.
    pub fn open(path: &Path, files_max: usize, sender: MailSender) -> Result<Self, MailError> {
        let failed =
            |error: io::Error| MailError::later(format!("open the folder {}: {error}", path.display()));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let mut names = BTreeSet::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            names.extend(
                name.to_str()
                    .filter(|name| name.ends_with(".eml") && !name.starts_with('.'))
                    .map(str::to_owned),
            );
        }
        let folder = OpenFolder { path: path.to_owned(), files_max, names: Mutex::new(names) };
        Ok(Self { folder: Arc::new(folder), sender })
    }
}

#[async_trait]
impl Mailer for MailFolder {
    async fn send(&self, mail: &Mail) -> Result<String, MailError> {
        let bytes = letter(mail, &self.sender)?.formatted();
        let (folder, key) = (self.folder.clone(), mail.key().to_owned());
        let written = tokio::task::spawn_blocking(move || folder.write(&key, &bytes)).await;
        written.map_err(|error| MailError::later(format!("write a mail: {error}")))?
    }

    fn place(&self) -> String {
        self.folder.path.display().to_string()
    }
}

impl OpenFolder {
    fn write(&self, key: &str, bytes: &[u8]) -> Result<String, MailError> {
        let name = format!("{key}.eml");
        let path = self.path.join(&name);
        // Locked while the file is written: two mails with one key make one file.
        let mut names = self.names.lock();
        let shown = path.display().to_string();
        if path.exists() {
            return Ok(shown);
        }
        self.write_whole(key, &path, bytes)
            .map_err(|error| MailError::later(format!("write {shown}: {error}")))?;
        names.insert(name);
        while names.len() > self.files_max {
            let Some(oldest) = names.pop_first() else { break };
            if let Err(error) = std::fs::remove_file(self.path.join(&oldest))
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(file = oldest, %error, "an old mail could not be removed");
            }
        }
        Ok(shown)
    }

    fn write_whole(&self, key: &str, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let hidden = self.path.join(format!(".{key}.part"));
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&hidden)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&hidden, path)?;
        File::open(&self.path)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::super::contract::{self, ArrivedMail, read_letter, sample};
    use super::*;

    fn arrived(folder: &Path) -> Vec<ArrivedMail> {
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.map(|path| read_letter(&std::fs::read(path).unwrap())).collect()
    }

    fn open(path: &Path, files_max: usize) -> MailFolder {
        MailFolder::open(path, files_max, MailSender::parse("Demo <demo@sluice.example>").unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_folder_keeps_the_contract() {
        let folder = tempfile::tempdir().unwrap();
        contract::suite(&open(folder.path(), 100), || arrived(folder.path())).await;
    }

    #[tokio::test]
    async fn the_newest_files_stay_also_over_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        for nth in 0..5 {
            open(folder.path(), 3).send(&sample(&format!("key-{nth}"))).await.unwrap();
        }
        let mut names: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["key-2.eml", "key-3.eml", "key-4.eml"]);
    }

    #[tokio::test]
    async fn a_file_that_was_cut_by_a_crash_is_no_mail_and_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".key-1.part"), "From: ha").unwrap();
        open(folder.path(), 3).send(&sample("key-1")).await.unwrap();
        assert_eq!(arrived(folder.path()).len(), 1);
    }

    #[tokio::test]
    async fn a_folder_that_is_gone_is_told_and_the_mail_may_be_sent_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mail");
        let mailer = open(&path, 3);
        std::fs::remove_dir(&path).unwrap();
        let error = mailer.send(&sample("key-1")).await.unwrap_err();
        assert!(matches!(&error, MailError::Later { what, .. } if what.contains("key-1.eml")), "{error}");
        std::fs::create_dir(&path).unwrap();
        mailer.send(&sample("key-1")).await.unwrap();
    }
}

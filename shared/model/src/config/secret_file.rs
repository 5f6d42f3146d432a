//! Reading a secret from a file, which may be exchanged while the process runs.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The most bytes of a secret: a larger file is not a secret.
const BYTES_MAX: u64 = 64 << 10;

/// Why a secret could not be read. The message never shows the file's content.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is empty.
    #[error("{0} is empty")]
    Empty(PathBuf),
    /// The file is larger than any secret.
    #[error("{0} is larger than {BYTES_MAX} bytes: it holds no secret")]
    TooLarge(PathBuf),
    /// The file is not text.
    #[error("{0} is not UTF-8 text")]
    NotText(PathBuf),
}

/// The text of a file, without the white space at its end.
///
/// # Errors
/// If there is no such text.
pub fn read_secret(path: &Path) -> Result<String, SecretFileError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|source| SecretFileError::Read { path: path.to_owned(), source })?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(SecretFileError::TooLarge(path.to_owned()));
    }
    let mut text = String::from_utf8(bytes).map_err(|_other| SecretFileError::NotText(path.to_owned()))?;
    text.truncate(text.trim_end().len());
    if text.is_empty() { Err(SecretFileError::Empty(path.to_owned())) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_the_text_without_its_end_of_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            read_secret(&path)
        };
        assert_eq!(read(b" p@ss word\r\n").unwrap(), " p@ss word");
        assert!(matches!(read(b"\n \n"), Err(SecretFileError::Empty(_))));
        assert!(matches!(read(&[0xff, 0xfe]), Err(SecretFileError::NotText(_))));
        assert!(matches!(read(&[b'x'; 65_537]), Err(SecretFileError::TooLarge(_))));
        assert_eq!(read(&[b'x'; 65_536]).unwrap().len(), 65_536);
        let missing = read_secret(&dir.path().join("none")).unwrap_err().to_string();
        assert!(missing.contains("none: No such file"), "{missing}");
    }
}

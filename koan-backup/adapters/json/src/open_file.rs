//! Keeps a file open, so that its content can be read even if another file replaces it.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;

use koan_backup_core::{Error, ErrorKind, Result};

use super::failure::failed;
use super::fingerprint::FileFingerprint;

/// An open file with the fingerprint that it had when it was opened.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) path: PathBuf,
    file: File,
    pub(super) fingerprint: FileFingerprint,
}

impl OpenFile {
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        let opened = File::open(&path)
            .and_then(|file| FileFingerprint::of_file(&file).map(|fingerprint| (file, fingerprint)));
        let (file, fingerprint) = opened.map_err(|error| failed("opening", &path, error))?;
        Ok(Self { path, file, fingerprint })
    }

    /// Returns a reader from the start of the file up to the length that it had when it was opened.
    pub(super) fn reader(self: &Arc<Self>) -> BufReader<OpenFileReader> {
        BufReader::with_capacity(1 << 18, OpenFileReader { file: Arc::clone(self), offset: 0 })
    }

    /// Reads `length` bytes of the file from `offset`.
    pub(super) fn read_range(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut content = vec![0; length];
        let mut filled = 0;
        while filled < length {
            let next = offset + u64::try_from(filled).unwrap_or(u64::MAX);
            match read_at(&self.file, &mut content[filled..], next) {
                Ok(0) => return Err(failed("reading", &self.path, io::ErrorKind::UnexpectedEof.into())),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed("reading", &self.path, error)),
            }
        }
        Ok(content)
    }

    /// Fails if the file was changed since it was opened.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        let current =
            FileFingerprint::of_file(&self.file).map_err(|error| failed("reading", &self.path, error))?;
        if current == self.fingerprint { Ok(()) } else { Err(changed(&self.path.display().to_string())) }
    }
}

/// Returns the error for a file or directory that changed while it was read.
pub(super) fn changed(path: &str) -> Error {
    Error::new(
        ErrorKind::Provider,
        format!(
            "`{path}` was changed while it was read; stop the program that writes to it, or let the program \
             write a new file and rename the new file over the old file"
        ),
    )
}

/// A reader of an open file, from its start up to the length that it had when it was opened.
#[derive(Debug)]
pub(super) struct OpenFileReader {
    file: Arc<OpenFile>,
    offset: u64,
}

impl Read for OpenFileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let remaining = usize::try_from(self.file.fingerprint.length - self.offset).unwrap_or(usize::MAX);
        let wanted = remaining.min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let read = read_at(&self.file.file, &mut buffer[..wanted], self.offset)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.offset += u64::try_from(read).unwrap_or(u64::MAX);
        Ok(read)
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}

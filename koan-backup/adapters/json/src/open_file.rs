//! A file that is kept open: what it held when it was opened can be read, though another takes its place.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;

use koan_backup_core::{Error, ErrorKind, Result};

use super::failure::failed;
use super::fingerprint::Stamp;

/// An open file and how it was.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) path: PathBuf,
    file: File,
    pub(super) stamp: Stamp,
}

impl Held {
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        let opened = File::open(&path).and_then(|file| Stamp::of_file(&file).map(|stamp| (file, stamp)));
        let (file, stamp) = opened.map_err(|error| failed("opening", &path, error))?;
        Ok(Self { path, file, stamp })
    }

    /// Reads all that it held.
    pub(super) fn reader(self: &Arc<Self>) -> BufReader<HeldReader> {
        BufReader::with_capacity(1 << 18, HeldReader { held: Arc::clone(self), at: 0 })
    }

    /// Reads a part of it.
    pub(super) fn part(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut part = vec![0; length];
        let mut done = 0;
        while done < length {
            let at = offset + u64::try_from(done).unwrap_or(u64::MAX);
            match read_at(&self.file, &mut part[done..], at) {
                Ok(0) => return Err(failed("reading", &self.path, io::ErrorKind::UnexpectedEof.into())),
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed("reading", &self.path, error)),
            }
        }
        Ok(part)
    }

    /// Refuses a file that is not as it was when it was opened.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        let now = Stamp::of_file(&self.file).map_err(|error| failed("reading", &self.path, error))?;
        if now == self.stamp { Ok(()) } else { Err(changed(&self.path.display().to_string())) }
    }
}

/// Why a read of something that changed counts for nothing.
pub(super) fn changed(what: &str) -> Error {
    Error::new(
        ErrorKind::Provider,
        format!(
            "`{what}` was changed while it was read; stop what writes to it, or have it write a new file and rename \
             that over the old one"
        ),
    )
}

/// Reads a held file from its beginning to where it ended.
#[derive(Debug)]
pub(super) struct HeldReader {
    held: Arc<Held>,
    at: u64,
}

impl Read for HeldReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.held.stamp.length - self.at).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let read = read_at(&self.held.file, &mut buffer[..wanted], self.at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += u64::try_from(read).unwrap_or(u64::MAX);
        Ok(read)
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, at)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, at)
}

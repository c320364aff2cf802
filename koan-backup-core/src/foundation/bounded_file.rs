//! Reads complete files of a limited size.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

/// Reads a file that has at most `limit` bytes.
///
/// # Errors
/// The file cannot be read, has more bytes, or is not a regular file: a pipe or a device may never end.
pub fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    // The type is examined first, because opening a pipe waits for its writer.
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    if !metadata.is_file() {
        let text = "it is a pipe or a device, and only a regular file is read";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let too_large = || {
        let text = format!("it has more than {}, which is the limit for this file", binary_size(limit));
        io::Error::new(io::ErrorKind::FileTooLarge, text)
    };
    if metadata.len() > limit {
        return Err(too_large());
    }
    // The capacity is sufficient, because a buffer that grows would leave a copy of a secret in freed memory.
    let capacity = usize::try_from(metadata.len().saturating_add(1)).unwrap_or_default();
    let mut content = Vec::with_capacity(capacity);
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut content)?;
    if u64::try_from(content.len()).is_ok_and(|length| length <= limit) {
        Ok(content)
    } else {
        Err(too_large())
    }
}

/// Returns a limit in KiB or MiB.
fn binary_size(bytes: u64) -> String {
    match bytes {
        _ if bytes >= 1 << 20 => format!("{} MiB", bytes >> 20),
        _ => format!("{} KiB", bytes >> 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("file");
        fs::write(&path, [7; 2048]).expect("the file is written");
        assert_eq!(read_bounded(&path, 2048).expect("the file fits").len(), 2048);
        let error = read_bounded(&path, 2047).expect_err("the file is longer");
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert!(error.to_string().contains("more than 1 KiB"), "{error}");
        let error = read_bounded(folder.path(), 2048).expect_err("a directory has no content");
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_and_a_device_are_refused_without_waiting() {
        let folder = tempfile::tempdir().expect("a directory");
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.is_ok_and(|status| status.success()), "the pipe is created");
        for path in [pipe.as_path(), Path::new("/dev/zero")] {
            let error = read_bounded(path, 2048).expect_err("only a regular file is read");
            assert!(error.to_string().contains("a pipe or a device"), "{}: {error}", path.display());
        }
    }
}

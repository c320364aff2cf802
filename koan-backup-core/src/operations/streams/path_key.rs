//! The keyed hash that paths of encrypted types contain in place of the object id.
//!
//! The key is in the state directory of this machine. It only groups the backups of one aggregate: it is not needed to
//! find or read a backup, and a lost key only starts new groups.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::encryption::random_key;
use crate::environment::Environment;
use crate::foundation::blocking::blocking;
use crate::foundation::bounded_file::read_bounded;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::hex::hex;
use crate::foundation::private_files::{create_private_directories, create_private_file};
use crate::foundation::published_file::publish_new_file;

/// The file of the key in the state directory.
const KEY_FILE: &str = "stream-paths.key";
/// The length of the key.
const KEY_BYTES: usize = 32;

/// The key of the hash.
#[derive(Clone)]
pub(super) struct PathKey(Zeroizing<[u8; KEY_BYTES]>);

impl PathKey {
    /// Reads the key of this machine, and creates it if it does not exist.
    ///
    /// # Errors
    /// The state directory cannot be written, or its key file is damaged.
    pub(super) async fn of_machine(environment: &Environment) -> Result<Self> {
        let directory = environment.state.directory().to_path_buf();
        let path = directory.join(KEY_FILE);
        let read =
            blocking("reads the key of the paths of event streams", move || read_or_create(&directory));
        read.await?.map_err(|source| failed(path, source))
    }

    /// Returns the segment of a path that contains the hash of an object id.
    pub(super) fn segment(&self, object: &str, object_id: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_slice()).expect("a key may have any length");
        mac.update(object.as_bytes());
        mac.update(&[0]);
        mac.update(object_id.as_bytes());
        hex(&mac.finalize().into_bytes())
    }
}

fn failed(path: PathBuf, source: io::Error) -> Error {
    let text = format!(
        "`{}`, the key that hides object ids in the paths of encrypted backups, cannot be used",
        path.display()
    );
    Error::with_source(ErrorKind::Configuration, text, source).with_help(
        "make the state directory writable, or set another one with `.state_directory(…)`; if the file is damaged, remove \
         it: existing backups remain readable",
    )
}

fn read_or_create(directory: &Path) -> io::Result<PathKey> {
    let path = directory.join(KEY_FILE);
    match read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    create_private_directories(directory)?;
    let temporary = directory.join(format!("{KEY_FILE}.{}.new", Uuid::now_v7().simple()));
    let written = (|| {
        let mut file = create_private_file(&temporary)?;
        file.write_all(random_key().as_slice())?;
        file.sync_all()?;
        publish_new_file(&temporary, &path)
    })();
    let _ = std::fs::remove_file(&temporary);
    match written {
        // Another process was faster, and its key is used.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => read(&path),
    }
}

fn read(path: &Path) -> io::Result<PathKey> {
    let bytes = Zeroizing::new(read_bounded(path, 1 << 10)?);
    let key = <[u8; KEY_BYTES]>::try_from(bytes.as_slice());
    let key = key.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it does not have 32 bytes"))?;
    Ok(PathKey(Zeroizing::new(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_processes_of_a_machine_use_one_key_that_only_its_owner_reads() {
        let folder = tempfile::tempdir().expect("a directory is created");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let create = || read_or_create(folder.path()).expect("the key is created").segment("order", "17");
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(create)).collect();
            threads.into_iter().map(|thread| thread.join().expect("the thread ends")).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
        assert!(!keys[0].contains("17") || keys[0].len() == 64);
        let key = read_or_create(folder.path()).expect("the key is read");
        assert_ne!(key.segment("order", "17"), key.segment("order", "18"));
        assert_ne!(key.segment("a", "b"), key.segment("ab", ""));
        let files = std::fs::read_dir(folder.path()).expect("the directory is listed").count();
        assert_eq!(files, 1, "no temporary file remains");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(folder.path().join(KEY_FILE))
                .expect("the file exists")
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::write(folder.path().join(KEY_FILE), "short").expect("the file is written");
        assert!(read_or_create(folder.path()).is_err(), "a damaged key is not replaced silently");
    }
}

//! A tar archive of a directory tree, compressed with gzip.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use koan_backup_core::private_files::{ExistingFile, open_private_file};
use koan_backup_core::{Error, ErrorKind, publish_new_file};
use tokio_util::sync::CancellationToken;

use super::staged_tree::{StagedTree, StagingFault};
use crate::configuration_file::exists;
use crate::failure::{Failure, Outcome};

/// A directory beside the tar archive, which receives the tree first. It is removed when it is dropped.
#[derive(Debug)]
pub(super) struct Staged {
    directory: StagedTree,
    target: PathBuf,
}

impl Staged {
    /// Creates the directory, after the removal of what a killed extraction to the same tar archive has left.
    ///
    /// # Errors
    /// The tar archive exists already, another extraction to it is running, or its directory cannot be written.
    pub(super) fn new(target: &Path) -> Outcome<Self> {
        if exists(target) {
            return Err(existing(target));
        }
        let directory = StagedTree::beside(target).map_err(|fault| match fault {
            StagingFault::Failed(source) => write_error(target, source),
            StagingFault::Busy => {
                let text = format!("another extraction to `{}` is running", target.display());
                Failure::from(Error::new(ErrorKind::Busy, text)).with_help("try again when it has ended")
            }
            StagingFault::Foreign(path) => Failure::usage(
                format!("`{}` was not written by koan-backup, so nothing was extracted", path.display()),
                "move it away, or select another file",
            ),
        })?;
        Ok(Self { directory, target: target.to_owned() })
    }

    /// Returns the directory for the tree.
    pub(super) fn directory(&self) -> PathBuf {
        self.directory.path().join("tree")
    }

    /// Writes the tar archive. If it fails or is cancelled, no file remains.
    ///
    /// # Errors
    /// The tar archive cannot be written, or the work was cancelled.
    pub(super) async fn pack(self, cancel: CancellationToken) -> Outcome<()> {
        let target = self.target.clone();
        let packed = tokio::task::spawn_blocking(move || self.write(&cancel)).await;
        match packed {
            Ok(Ok(())) => Ok(()),
            Ok(Err(source)) if source.kind() == io::ErrorKind::AlreadyExists => Err(existing(&target)),
            Ok(Err(source)) if source.kind() == io::ErrorKind::Interrupted => Err(Failure::interrupted()),
            Ok(Err(source)) => Err(write_error(&target, source)),
            Err(_) => {
                let text = "a thread that writes a tar archive ended unexpectedly";
                Err(Error::new(ErrorKind::Internal, text).into())
            }
        }
    }

    fn write(&self, cancel: &CancellationToken) -> io::Result<()> {
        let partial = self.directory.path().join("archive.tar.gz");
        let file = open_private_file(&partial, ExistingFile::Refused)?;
        let compressed = GzEncoder::new(BufWriter::new(file), Compression::default());
        let mut archive = tar::Builder::new(compressed);
        archive.follow_symlinks(false);
        append(&mut archive, &self.directory(), Path::new(""), cancel)?;
        let mut file = archive.into_inner()?.finish()?;
        file.flush()?;
        file.get_ref().sync_all()?;
        // A file that was created meanwhile is not replaced.
        publish_new_file(&partial, &self.target)
    }
}

/// Adds the files of a directory, in the order of their names, without the hidden files of the tree.
fn append(
    archive: &mut tar::Builder<GzEncoder<BufWriter<File>>>,
    directory: &Path,
    name: &Path,
    cancel: &CancellationToken,
) -> io::Result<()> {
    let mut entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        if cancel.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let name = name.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => append(archive, &entry.path(), &name, cancel)?,
            false => archive.append_path_with_name(entry.path(), &name)?,
        }
    }
    Ok(())
}

fn existing(target: &Path) -> Failure {
    Failure::usage(
        format!("`{}` exists already, so nothing was extracted", target.display()),
        "select another file",
    )
}

fn write_error(target: &Path, source: io::Error) -> Failure {
    let text = format!("the tar archive `{}` cannot be written", target.display());
    Failure::from(Error::with_source(ErrorKind::Storage, text, source))
        .with_help("check the directory, its permissions and its free space")
}

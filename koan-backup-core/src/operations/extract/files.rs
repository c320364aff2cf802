//! Unpacks an archive into a directory, as `unzip` does, and verifies everything that it writes.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::stream::TryStreamExt as _;
use sha2::{Digest as _, Sha256};

use super::mark::{self, ExtractionMark};
use super::open::OpenBackup;
use super::options::ExtractOptions;
use super::records::EndCheck;
use super::report::{ExtractReport, ExtractedFile, ExtractedRecords};
use crate::archive::{EntityManifest, contains_records, lines_file, read_blocks};
use crate::foundation::blocking::blocking;
use crate::foundation::cancellation::until_cancelled;
use crate::foundation::digest;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::operations::tree::{CreatedPaths, write_error};

/// The number of bytes of an encrypted entry that are copied at once.
const COPY_BYTES: u64 = 1 << 20;

/// Writes the documents and the records of a backup into an empty or new directory. Encrypted records are decrypted
/// if a key of the context decrypts them, and copied as they are otherwise.
///
/// # Cancel safety
/// If the future is dropped, fails or is cancelled, everything that was written is removed.
pub(crate) async fn run(
    backup: &OpenBackup,
    directory: PathBuf,
    options: &ExtractOptions,
) -> Result<ExtractReport> {
    let created = CreatedPaths::default();
    // The mark is dropped after the guard, so that its lock is held until everything is removed.
    let mut mark = None;
    let guard = created.guard();
    match extract(backup, &directory, &created, options, &mut mark).await {
        Ok(report) => {
            guard.keep();
            Ok(report)
        }
        Err(error) => {
            guard.undo().await;
            Err(error)
        }
    }
}

/// Marks the directory, writes the files, and removes the mark. The caller drops `held_mark` after it has removed the
/// files of an extraction that failed.
async fn extract(
    backup: &OpenBackup,
    directory: &Path,
    created: &CreatedPaths,
    options: &ExtractOptions,
    held_mark: &mut Option<Arc<ExtractionMark>>,
) -> Result<ExtractReport> {
    let (target, paths) = (directory.to_owned(), created.clone());
    let mark = Arc::new(blocking("writes files", move || prepare(&target, &paths)).await??);
    *held_mark = Some(Arc::clone(&mark));
    let report = Extraction { backup, directory, created, mark: &mark, options }.run().await?;
    let target = directory.to_owned();
    blocking("writes files", move || mark.remove(&target)).await??;
    Ok(report)
}

struct Extraction<'a> {
    backup: &'a OpenBackup,
    directory: &'a Path,
    created: &'a CreatedPaths,
    mark: &'a Arc<ExtractionMark>,
    options: &'a ExtractOptions,
}

impl Extraction<'_> {
    async fn run(&self) -> Result<ExtractReport> {
        let manifest = self.backup.manifest();
        let reader = self.backup.archive().reader();
        let mut report = ExtractReport {
            id: manifest.id,
            name: manifest.name.clone(),
            directory: self.directory.display().to_string(),
            files: Vec::new(),
            undecrypted: Vec::new(),
            failed: self.backup.failed(),
            notes: self.backup.notes().to_vec(),
        };
        for name in reader.names().filter(|name| !contains_records(name)) {
            let content = until_cancelled(&self.options.cancel, reader.document(name)).await?;
            let size_bytes = length(&content);
            let mut file = self.create(name).await?;
            let written = blocking("writes files", move || {
                file.file
                    .write_all(&content)
                    .and_then(|()| file.file.sync_all())
                    .map_err(|error| file.error(error))
            });
            written.await??;
            report.files.push(ExtractedFile { path: name.to_owned(), size_bytes, records: None });
        }
        for (entity, file) in self.backup.completed() {
            let encrypted = self.backup.archive().require_decrypted(entity).is_err();
            let (path, size_bytes) = match encrypted {
                false => self.records(entity, file).await?,
                true => {
                    report.undecrypted.push(entity.entity.clone());
                    self.stored(entity, file).await?
                }
            };
            let records = ExtractedRecords {
                entity: entity.entity.clone(),
                set: entity.set.clone(),
                item_count: entity.item_count,
                encrypted,
            };
            report.files.push(ExtractedFile { path, size_bytes, records: Some(records) });
        }
        report.undecrypted.dedup();
        match self.options.cancel.is_cancelled() {
            true => Err(Error::cancelled()),
            false => Ok(report),
        }
    }

    /// Writes the records of an entity as lines, and compares them with the manifest.
    async fn records(&self, entity: &EntityManifest, file: &str) -> Result<(String, u64)> {
        let (archive, cancel) = (self.backup.archive(), &self.options.cancel);
        let path = lines_file(file).to_owned();
        let mut output = self.create(&path).await?;
        let mut check = EndCheck::new(self.backup, entity, archive.reader(), &Arc::from(file));
        let blocks =
            read_blocks(archive.reader(), file, archive.blocks(file)?, usize::MAX, |_, _, lines| lines);
        let mut blocks = std::pin::pin!(blocks);
        while let Some(lines) = until_cancelled(cancel, blocks.try_next()).await? {
            let lines =
                lines.map_err(|fault| archive.reader().damaged_entry_error(file, &fault.to_string()))?;
            check = check.add(lines.clone()).await?;
            output = output.append(lines).await?;
        }
        until_cancelled(cancel, check.finish()).await?;
        Ok((path, output.finish().await?))
    }

    /// Writes an encrypted entry as it is stored, and compares its bytes with the manifest.
    async fn stored(&self, entity: &EntityManifest, file: &str) -> Result<(String, u64)> {
        let reader = self.backup.archive().reader();
        let mut output = self.create(file).await?;
        let (mut range, mut hasher) = (reader.byte_range(file)?, Sha256::new());
        while range.start < range.end {
            let wanted = COPY_BYTES.min(range.end - range.start);
            let bytes = until_cancelled(&self.options.cancel, reader.range(range.start, wanted)).await?;
            range.start += wanted;
            hasher = digest::update(hasher, bytes.clone()).await?;
            output = output.append(bytes).await?;
        }
        if entity.content_hash.as_ref() != Some(&digest::finish(hasher)) {
            return Err(reader.damaged_entry_error(file, "the hash of its bytes differs from the manifest"));
        }
        Ok((file.to_owned(), output.finish().await?))
    }

    /// Creates a file and its directories. The names of entries were checked when the archive was opened.
    async fn create(&self, name: &str) -> Result<Output> {
        let (path, root, created) =
            (self.directory.join(name), self.directory.to_owned(), self.created.clone());
        let (mark, name) = (Arc::clone(self.mark), PathBuf::from(name));
        blocking("writes files", move || {
            let folders: Vec<_> =
                name.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()).collect();
            for folder in folders.into_iter().rev() {
                if !root.join(folder).exists() {
                    mark.record(folder)?;
                }
                let folder = root.join(folder);
                created.directory_if_missing(&folder).map_err(|source| write_error(&folder, source))?;
            }
            mark.record(&name)?;
            let file = created.file(&path).map_err(|source| write_error(&path, source))?;
            Ok(Output { file, path, size_bytes: 0 })
        })
        .await?
    }
}

/// A file that is being written.
struct Output {
    file: File,
    path: PathBuf,
    size_bytes: u64,
}

impl Output {
    async fn append(mut self, bytes: bytes::Bytes) -> Result<Self> {
        blocking("writes files", move || {
            self.file.write_all(&bytes).map_err(|source| self.error(source))?;
            self.size_bytes += length(&bytes);
            Ok(self)
        })
        .await?
    }

    /// Makes the file durable, and returns its size.
    async fn finish(self) -> Result<u64> {
        blocking("writes files", move || {
            self.file.sync_all().map_err(|source| self.error(source))?;
            Ok(self.size_bytes)
        })
        .await?
    }

    fn error(&self, source: io::Error) -> Error {
        write_error(&self.path, source)
    }
}

/// Creates the directory, or refuses one that is not empty after the removal of what a killed extraction has left in
/// it. Then marks it.
fn prepare(directory: &Path, created: &CreatedPaths) -> Result<ExtractionMark> {
    mark::remove_interrupted(directory)?;
    require_empty(directory, created)?;
    ExtractionMark::create(directory, created)
}

fn require_empty(directory: &Path, created: &CreatedPaths) -> Result<()> {
    match fs::read_dir(directory) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => {
                let text = format!(
                    "the directory `{}` is not empty, so nothing is written into it",
                    directory.display()
                );
                Err(Error::new(ErrorKind::Configuration, text)
                    .with_help("specify an empty or a new directory"))
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            created.directory(directory).map_err(|source| {
                let help = match source.kind() {
                    io::ErrorKind::NotFound => "create its parent directory first",
                    _ => "give this user permission to create it, or specify another directory",
                };
                write_error(directory, source).with_help(help)
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            let text =
                format!("`{}` is not a directory, so nothing is extracted into it", directory.display());
            Err(Error::new(ErrorKind::Configuration, text).with_help("specify an empty or a new directory"))
        }
        Err(source) => Err(write_error(directory, source)
            .with_help("give this user permission to read and write it, or specify another directory")),
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

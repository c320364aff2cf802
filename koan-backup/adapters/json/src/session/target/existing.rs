//! The records that exist when a restore begins.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use koan_backup_core::{Error, ErrorKind, Result, entity::EntityCodec};

use super::super::super::directory::Layout;
use super::super::super::document::Document;
use super::super::super::documents::{DocumentLocation, Documents, Listing};
use super::super::super::failure::failed;
use super::super::super::fingerprint::FileFingerprint;
use super::super::super::open_file::OpenFile;
use super::super::super::row_reader::{InvalidDocument, RowReader};
use super::super::unchanged::UnchangedCheck;
use koan_backup_core::provider::keyed::RecordKey;

/// The records of a set by their keys.
#[derive(Debug)]
pub(super) struct Existing {
    codec: EntityCodec,
    pub(super) files: Files,
    pub(super) locations: Vec<DocumentLocation>,
    by_key: HashMap<RecordKey, usize>,
    /// The indexes of records with a duplicate key and of records that cannot be read. The restore removes
    /// these records, because it replaces the set.
    surplus: Vec<usize>,
}

/// The files of the records.
#[derive(Debug)]
pub(super) enum Files {
    Lines { path: PathBuf, file: Option<Arc<OpenFile>> },
    Documents(Arc<Listing>),
}

impl Existing {
    /// Reads all existing records. Fails for damaged records and duplicate keys, unless the restore replaces
    /// the set.
    pub(super) fn read(layout: Layout, path: &Path, codec: &EntityCodec, replaces: bool) -> Result<Self> {
        let files = Files::open(layout, path)?;
        let mut documents = files.documents();
        let mut rows = RowReader::new(codec.clone());
        let (mut locations, mut by_key, mut surplus) = (Vec::new(), HashMap::new(), Vec::new());
        while let Some(location) = documents.advance()? {
            let index = locations.len();
            locations.push(location);
            let parsed = Document::parse(documents.content()).map_err(InvalidDocument::from);
            match parsed.and_then(|document| rows.record(&document)) {
                Ok((record, _)) => {
                    let key = RecordKey::of(&record, codec.schema());
                    match by_key.entry(key) {
                        Entry::Vacant(vacant) => {
                            vacant.insert(index);
                        }
                        Entry::Occupied(_) if replaces => surplus.push(index),
                        Entry::Occupied(_) => {
                            let text = format!(
                                "{}: {} `{}` has a duplicate key; remove one of the records, or restore with \
                                 `replace_existing`",
                                documents.description(codec),
                                codec.name(),
                                codec.record_key(&record)
                            );
                            return Err(Error::new(ErrorKind::Record, text));
                        }
                    }
                }
                Err(_) if replaces => surplus.push(index),
                Err(reason) => {
                    let error = documents.error(codec, reason);
                    return Err(error.context(
                        "an existing record cannot be read; correct it, or restore with `replace_existing`, which \
                         removes it",
                    ));
                }
            }
        }
        documents.check_unchanged()?;
        Ok(Self { codec: codec.clone(), files, locations, by_key, surplus })
    }

    pub(super) fn path(&self) -> &Path {
        match &self.files {
            Files::Lines { path, .. } => path,
            Files::Documents(listing) => &listing.directory,
        }
    }

    /// Returns the index of the record with this key.
    pub(super) fn find(&self, key: &RecordKey) -> Option<usize> {
        self.by_key.get(key).copied()
    }

    /// Returns whether the record at an index equals the record of a line.
    pub(super) fn is_equal(&self, index: usize, line: &[u8]) -> Result<bool> {
        let content = self.content(index)?;
        let record = Document::parse(&content)
            .map_err(InvalidDocument::from)
            .and_then(|document| RowReader::new(self.codec.clone()).record(&document));
        Ok(record.is_ok_and(|(_, found)| line.strip_suffix(b"\n") == Some(&found)))
    }

    /// Returns the text of the record at an index.
    pub(super) fn content(&self, index: usize) -> Result<Vec<u8>> {
        let Some(location) = self.locations.get(index) else { return Ok(Vec::new()) };
        match &self.files {
            Files::Lines { file: Some(file), .. } => file.read_range(location.offset, location.length),
            Files::Lines { .. } => Ok(Vec::new()),
            Files::Documents(listing) => listing.content(location.index),
        }
    }

    /// Returns the indexes of the records that are not in the archive. `is_in_archive` returns whether the
    /// archive contains a key.
    pub(super) fn not_in_archive(&self, is_in_archive: impl Fn(&RecordKey) -> bool) -> Vec<usize> {
        let others = self.by_key.iter().filter(|(key, _)| !is_in_archive(key)).map(|(_, index)| *index);
        let mut indexes: Vec<usize> = others.chain(self.surplus.iter().copied()).collect();
        indexes.sort_unstable();
        indexes
    }

    /// Returns the check that no other program has changed the files.
    pub(super) fn unchanged_check(&self) -> UnchangedCheck {
        match &self.files {
            Files::Lines { path, file } => {
                UnchangedCheck::File(path.clone(), file.as_ref().map(|file| file.fingerprint))
            }
            Files::Documents(listing) => UnchangedCheck::Listing(Arc::clone(listing)),
        }
    }
}

impl Files {
    fn open(layout: Layout, path: &Path) -> Result<Self> {
        Ok(match layout {
            Layout::Documents => Self::Documents(Arc::new(Listing::read(path)?)),
            Layout::Lines => {
                let fingerprint =
                    FileFingerprint::of_path(path).map_err(|error| failed("examining", path, error))?;
                let file = fingerprint.map(|_| OpenFile::open(path.to_owned())).transpose()?;
                Self::Lines { path: path.to_owned(), file: file.map(Arc::new) }
            }
        })
    }

    fn documents(&self) -> Documents {
        match self {
            Self::Lines { file: Some(file), .. } => Documents::from_lines(Arc::clone(file)),
            Self::Lines { .. } => Documents::none(),
            Self::Documents(listing) => Documents::from_files(Arc::clone(listing)),
        }
    }
}

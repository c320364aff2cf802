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
    pub(super) places: Vec<DocumentLocation>,
    by_key: HashMap<RecordKey, usize>,
    /// Records with a duplicate key and records that cannot be read. They are removed, because the set is
    /// replaced.
    surplus: Vec<usize>,
}

/// The files of the records.
#[derive(Debug)]
pub(super) enum Files {
    Lines { path: PathBuf, file: Option<Arc<OpenFile>> },
    Documents(Arc<Listing>),
}

impl Existing {
    /// Reads all existing records. Refuses damaged records and duplicate keys, unless the set is replaced.
    pub(super) fn read(layout: Layout, path: &Path, codec: &EntityCodec, replacing: bool) -> Result<Self> {
        let files = Files::open(layout, path)?;
        let mut documents = files.documents();
        let mut rows = RowReader::new(codec.clone());
        let (mut places, mut by_key, mut surplus) = (Vec::new(), HashMap::new(), Vec::new());
        while let Some(place) = documents.advance()? {
            let index = places.len();
            places.push(place);
            let parsed = Document::parse(documents.content()).map_err(InvalidDocument::from);
            match parsed.and_then(|document| rows.record(&document)) {
                Ok((record, _)) => {
                    let key = RecordKey::of(&record, codec.schema());
                    match by_key.entry(key) {
                        Entry::Vacant(vacant) => {
                            vacant.insert(index);
                        }
                        Entry::Occupied(_) if replacing => surplus.push(index),
                        Entry::Occupied(_) => {
                            let text = format!(
                                "{}: {} `{}` has a duplicate key; remove one of the records, or restore with `replace_existing`",
                                documents.description(codec),
                                codec.name(),
                                codec.record_key(&record)
                            );
                            return Err(Error::new(ErrorKind::Record, text));
                        }
                    }
                }
                Err(_) if replacing => surplus.push(index),
                Err(why) => {
                    let error = documents.error(codec, why);
                    return Err(error
                        .context("the existing record cannot be kept; `replace_existing` would remove it"));
                }
            }
        }
        documents.check_unchanged()?;
        Ok(Self { codec: codec.clone(), files, places, by_key, surplus })
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
    pub(super) fn holds(&self, index: usize, line: &[u8]) -> Result<bool> {
        let content = self.content(index)?;
        let record = Document::parse(&content)
            .map_err(InvalidDocument::from)
            .and_then(|document| RowReader::new(self.codec.clone()).record(&document));
        Ok(record.is_ok_and(|(_, found)| line.strip_suffix(b"\n") == Some(&found)))
    }

    /// Returns the text of the record at an index.
    pub(super) fn content(&self, index: usize) -> Result<Vec<u8>> {
        let Some(place) = self.places.get(index) else { return Ok(Vec::new()) };
        match &self.files {
            Files::Lines { file: Some(file), .. } => file.part(place.offset, place.length),
            Files::Lines { .. } => Ok(Vec::new()),
            Files::Documents(listing) => listing.content(place.index),
        }
    }

    /// Returns the indexes of the records whose keys are not in the archive.
    pub(super) fn not_in(&self, has: impl Fn(&RecordKey) -> bool) -> Vec<usize> {
        let others = self.by_key.iter().filter(|(key, _)| !has(key)).map(|(_, index)| *index);
        let mut indexes: Vec<usize> = others.chain(self.surplus.iter().copied()).collect();
        indexes.sort_unstable();
        indexes
    }

    /// Returns the check that the files are unchanged.
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
            Layout::Documents => Self::Documents(Arc::new(Listing::of(path)?)),
            Layout::Lines => {
                let there =
                    FileFingerprint::of_path(path).map_err(|error| failed("looking at", path, error))?;
                let file = there.map(|_| OpenFile::open(path.to_owned())).transpose()?;
                Self::Lines { path: path.to_owned(), file: file.map(Arc::new) }
            }
        })
    }

    fn documents(&self) -> Documents {
        match self {
            Self::Lines { file: Some(file), .. } => Documents::of_lines(Arc::clone(file)),
            Self::Lines { .. } => Documents::none(),
            Self::Documents(listing) => Documents::of_files(Arc::clone(listing)),
        }
    }
}

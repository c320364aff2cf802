//! Reads the documents of one set, from a file of lines or from a file for each document.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use koan_backup_core::{Error, ErrorKind, Result, entity::EntityCodec};

use super::directory::{Entry, entries, is_document};
use super::document::DocumentError;
use super::failure::failed;
use super::fingerprint::FileFingerprint;
use super::line_reader::{LineError, LineReader, MAX_LINE_BYTES};
use super::open_file::{OpenFile, OpenFileReader, changed};
use super::row_reader::InvalidDocument;

/// The list of the files of a set of documents, with the fingerprint of each file.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) directory: PathBuf,
    /// The names and fingerprints, sorted by name.
    pub(super) files: Vec<(String, FileFingerprint)>,
    /// The names of the other entries.
    pub(super) others: Vec<String>,
}

impl Listing {
    /// Lists the files of a directory.
    pub(super) fn read(directory: &Path) -> Result<Self> {
        let (mut files, mut others) = (Vec::new(), Vec::new());
        for entry in entries(directory)? {
            match entry {
                Entry { is_utf8: false, path, .. } => {
                    return Err(Error::new(
                        ErrorKind::Provider,
                        format!("`{}` has a name that is not UTF-8; rename it", path.display()),
                    ));
                }
                Entry { fingerprint: Some(fingerprint), .. } if is_document(&entry) => {
                    files.push((entry.name, fingerprint))
                }
                entry => others.push(entry.name),
            }
        }
        Ok(Self { directory: directory.to_owned(), files, others })
    }

    /// Fails if files of the directory were added, removed or changed since it was listed.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        if Self::read(&self.directory)?.files == self.files {
            Ok(())
        } else {
            Err(changed(&self.directory.display().to_string()))
        }
    }

    /// Returns the content of a file.
    pub(super) fn content(&self, index: usize) -> Result<Vec<u8>> {
        let Some((name, fingerprint)) = self.files.get(index) else { return Ok(Vec::new()) };
        let path = self.directory.join(name);
        let read = || -> io::Result<(FileFingerprint, Vec<u8>)> {
            let file = File::open(&path)?;
            let current = FileFingerprint::of_file(&file)?;
            let mut content = Vec::new();
            // One additional byte is read to detect that the file has grown.
            file.take(fingerprint.length.saturating_add(1)).read_to_end(&mut content)?;
            Ok((current, content))
        };
        if fingerprint.length > u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX) {
            return Err(too_long(&path.display().to_string()));
        }
        let (current, content) = read().map_err(|error| failed("reading", &path, error))?;
        if current != *fingerprint || u64::try_from(content.len()) != Ok(fingerprint.length) {
            return Err(changed(&path.display().to_string()));
        }
        Ok(content)
    }
}

/// Reads the documents of one set.
#[derive(Debug)]
pub(super) struct Documents {
    source: DocumentSource,
    content: Vec<u8>,
    /// The location of the current document.
    location: DocumentLocation,
}

#[derive(Debug)]
enum DocumentSource {
    /// The set does not exist.
    Nothing,
    Lines {
        file: Arc<OpenFile>,
        lines: LineReader<BufReader<OpenFileReader>>,
    },
    Files {
        listing: Arc<Listing>,
        next: usize,
    },
}

/// The location of a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DocumentLocation {
    /// The line, or the file in the order of names, counted from 1.
    pub(super) number: u64,
    /// The offset of the document in its file.
    pub(super) offset: u64,
    pub(super) length: usize,
    /// The index of the file in its listing.
    pub(super) index: usize,
}

impl Documents {
    /// Returns the documents of a set that does not exist.
    pub(super) fn none() -> Self {
        Self { source: DocumentSource::Nothing, content: Vec::new(), location: DocumentLocation::default() }
    }

    pub(super) fn from_lines(file: Arc<OpenFile>) -> Self {
        let lines = LineReader::new(file.reader());
        Self { source: DocumentSource::Lines { file, lines }, ..Self::none() }
    }

    pub(super) fn from_files(listing: Arc<Listing>) -> Self {
        Self { source: DocumentSource::Files { listing, next: 0 }, ..Self::none() }
    }

    /// Advances to the next document and returns its location, or `None` at the end.
    pub(super) fn advance(&mut self) -> Result<Option<DocumentLocation>> {
        match &mut self.source {
            DocumentSource::Nothing => Ok(None),
            DocumentSource::Lines { file, lines } => match lines.advance() {
                Ok(None) => Ok(None),
                Ok(Some(line)) => {
                    let length = lines.content().len();
                    self.location =
                        DocumentLocation { number: line.number, offset: line.offset, length, index: 0 };
                    Ok(Some(self.location))
                }
                Err(LineError::Io(error)) => Err(failed("reading", &file.path, error)),
                Err(LineError::TooLong(number)) => {
                    Err(too_long(&format!("{}, line {number}", file.path.display())))
                }
            },
            DocumentSource::Files { listing, next } => {
                if *next >= listing.files.len() {
                    return Ok(None);
                }
                self.content = listing.content(*next)?;
                *next += 1;
                let number = u64::try_from(*next).unwrap_or(u64::MAX);
                self.location =
                    DocumentLocation { number, offset: 0, length: self.content.len(), index: *next - 1 };
                Ok(Some(self.location))
            }
        }
    }

    /// Returns the text of the current document.
    pub(super) fn content(&self) -> &[u8] {
        match &self.source {
            DocumentSource::Lines { lines, .. } => lines.content(),
            _ => &self.content,
        }
    }

    /// Fails if files were changed since they were opened or listed.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        match &self.source {
            DocumentSource::Nothing => Ok(()),
            DocumentSource::Lines { file, .. } => file.check_unchanged(),
            DocumentSource::Files { listing, .. } => listing.check_unchanged(),
        }
    }

    /// Describes the current document for an error. The name of a document's file contains its key, which is
    /// secret if records are encrypted.
    pub(super) fn description(&self, entity: &EntityCodec) -> String {
        let number = self.location.number;
        match &self.source {
            DocumentSource::Nothing => entity.name().to_owned(),
            DocumentSource::Lines { file, .. } => format!("`{}`, line {number}", file.path.display()),
            DocumentSource::Files { listing, .. } => match listing.files.get(self.location.index) {
                Some((name, _)) if entity.shows_keys() => {
                    format!("`{}`", listing.directory.join(name).display())
                }
                _ => {
                    format!("file number {number} (sorted by name) in `{}`", listing.directory.display())
                }
            },
        }
    }

    /// Returns the error for the current document if it is not a record of the type.
    pub(super) fn error(&self, entity: &EntityCodec, reason: InvalidDocument) -> Error {
        let description = self.description(entity);
        match reason {
            InvalidDocument::Conversion(error) => Error::with_source(
                ErrorKind::Record,
                format!(
                    "{description} cannot be decoded as {}; correct the document or the type",
                    entity.name()
                ),
                error,
            ),
            InvalidDocument::Document(DocumentError { problem, position }) => {
                let is_line = matches!(self.source, DocumentSource::Lines { .. });
                let position = match position {
                    Some((_, column)) if is_line => format!(" at column {column}"),
                    Some((line, column)) => format!(" at line {line}, column {column}"),
                    None => String::new(),
                };
                let hint = if is_line { " (each line must be one complete document)" } else { "" };
                Error::new(
                    ErrorKind::Record,
                    format!("{description}{position}: the document {problem}{hint}"),
                )
            }
        }
    }
}

/// Returns the error for a document that is longer than the limit.
fn too_long(document: &str) -> Error {
    Error::new(
        ErrorKind::Record,
        format!(
            "`{document}` is longer than {MAX_LINE_BYTES} bytes, the maximum length of a document; store \
             large content outside of documents"
        ),
    )
}

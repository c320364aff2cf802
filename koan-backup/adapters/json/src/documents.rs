//! The documents of one set, one after the other, from whatever files they lie in.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use koan_backup_core::{Error, ErrorKind, Result, entity::EntityCodec};

use super::directory::{Entry, entries, is_document};
use super::document::Fault;
use super::failure::failed;
use super::fingerprint::Stamp;
use super::line_reader::{LONGEST, LineFault, LineReader};
use super::open_file::{Held, HeldReader, changed};
use super::row_reader::NoRecord;

/// The files of a set of documents, as they were listed.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) directory: PathBuf,
    /// Sorted by name.
    pub(super) files: Vec<(String, Stamp)>,
    /// The names of what else is there.
    pub(super) others: Vec<String>,
}

impl Listing {
    pub(super) fn of(directory: &Path) -> Result<Self> {
        let (mut files, mut others) = (Vec::new(), Vec::new());
        for entry in entries(directory)? {
            match entry {
                Entry { is_utf8: false, path, .. } => {
                    return Err(Error::new(
                        ErrorKind::Provider,
                        format!("`{}` has a name that is not UTF-8; rename it", path.display()),
                    ));
                }
                Entry { stamp: Some(stamp), .. } if is_document(&entry) => files.push((entry.name, stamp)),
                entry => others.push(entry.name),
            }
        }
        Ok(Self { directory: directory.to_owned(), files, others })
    }

    /// Refuses a directory in which files came, went or changed.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        if Self::of(&self.directory)?.files == self.files {
            Ok(())
        } else {
            Err(changed(&self.directory.display().to_string()))
        }
    }

    /// The content of a file.
    pub(super) fn content(&self, index: usize) -> Result<Vec<u8>> {
        let Some((name, stamp)) = self.files.get(index) else { return Ok(Vec::new()) };
        let path = self.directory.join(name);
        let read = || -> io::Result<(Stamp, Vec<u8>)> {
            let file = File::open(&path)?;
            let now = Stamp::of_file(&file)?;
            let mut content = Vec::new();
            // One byte more than it had tells that it grew.
            file.take(stamp.length.saturating_add(1)).read_to_end(&mut content)?;
            Ok((now, content))
        };
        if stamp.length > u64::try_from(LONGEST).unwrap_or(u64::MAX) {
            return Err(too_long(&path.display().to_string()));
        }
        let (now, content) = read().map_err(|error| failed("reading", &path, error))?;
        if now != *stamp || u64::try_from(content.len()) != Ok(stamp.length) {
            return Err(changed(&path.display().to_string()));
        }
        Ok(content)
    }
}

/// Reads the documents of one set.
#[derive(Debug)]
pub(super) struct Documents {
    from: From,
    content: Vec<u8>,
    /// Of the document that was read last.
    place: Place,
}

#[derive(Debug)]
enum From {
    /// There is nothing of the set.
    Nothing,
    Lines {
        file: Arc<Held>,
        lines: LineReader<BufReader<HeldReader>>,
    },
    Files {
        listing: Arc<Listing>,
        next: usize,
    },
}

/// Where a document is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The line, or the file in the order of names, counted from 1.
    pub(super) number: u64,
    /// In its file.
    pub(super) offset: u64,
    pub(super) length: usize,
    /// In its listing.
    pub(super) index: usize,
}

impl Documents {
    pub(super) fn none() -> Self {
        Self { from: From::Nothing, content: Vec::new(), place: Place::default() }
    }

    pub(super) fn of_lines(file: Arc<Held>) -> Self {
        let lines = LineReader::new(file.reader());
        Self { from: From::Lines { file, lines }, ..Self::none() }
    }

    pub(super) fn of_files(listing: Arc<Listing>) -> Self {
        Self { from: From::Files { listing, next: 0 }, ..Self::none() }
    }

    /// Goes to the next document.
    pub(super) fn advance(&mut self) -> Result<Option<Place>> {
        match &mut self.from {
            From::Nothing => Ok(None),
            From::Lines { file, lines } => match lines.advance() {
                Ok(None) => Ok(None),
                Ok(Some(line)) => {
                    let length = lines.content().len();
                    self.place = Place { number: line.number, offset: line.offset, length, index: 0 };
                    Ok(Some(self.place))
                }
                Err(LineFault::Io(error)) => Err(failed("reading", &file.path, error)),
                Err(LineFault::TooLong(number)) => {
                    Err(too_long(&format!("{}, line {number}", file.path.display())))
                }
            },
            From::Files { listing, next } => {
                if *next >= listing.files.len() {
                    return Ok(None);
                }
                self.content = listing.content(*next)?;
                *next += 1;
                let number = u64::try_from(*next).unwrap_or(u64::MAX);
                self.place = Place { number, offset: 0, length: self.content.len(), index: *next - 1 };
                Ok(Some(self.place))
            }
        }
    }

    pub(super) fn content(&self) -> &[u8] {
        match &self.from {
            From::Lines { lines, .. } => lines.content(),
            _ => &self.content,
        }
    }

    /// Refuses what changed since it was opened or listed.
    pub(super) fn check_unchanged(&self) -> Result<()> {
        match &self.from {
            From::Nothing => Ok(()),
            From::Lines { file, .. } => file.check_unchanged(),
            From::Files { listing, .. } => listing.check_unchanged(),
        }
    }

    /// The document that was read last, for an error. The name of a document's file is its key, which is content where
    /// records are encrypted.
    pub(super) fn named(&self, entity: &EntityCodec) -> String {
        let number = self.place.number;
        match &self.from {
            From::Nothing => entity.name().to_owned(),
            From::Lines { file, .. } => format!("`{}`, line {number}", file.path.display()),
            From::Files { listing, .. } => match listing.files.get(self.place.index) {
                Some((name, _)) if entity.shows_keys() => {
                    format!("`{}`", listing.directory.join(name).display())
                }
                _ => format!("file {number} by name of `{}`", listing.directory.display()),
            },
        }
    }

    /// Why the document that was read last is none of the type.
    pub(super) fn fault(&self, entity: &EntityCodec, why: NoRecord) -> Error {
        let named = self.named(entity);
        match why {
            NoRecord::Refused(error) => Error::with_source(
                ErrorKind::Record,
                format!("{named} does not decode as {}; correct the document or the type", entity.name()),
                error,
            ),
            NoRecord::Fault(Fault { problem, place }) => {
                let one_a_line = matches!(self.from, From::Lines { .. });
                let place = match place {
                    Some((_, column)) if one_a_line => format!(" at column {column}"),
                    Some((line, column)) => format!(" at line {line}, column {column}"),
                    None => String::new(),
                };
                let hint = if one_a_line { " (each line holds one whole document)" } else { "" };
                Error::new(ErrorKind::Record, format!("{named}{place}: the document {problem}{hint}"))
            }
        }
    }
}

fn too_long(named: &str) -> Error {
    Error::new(
        ErrorKind::Record,
        format!(
            "`{named}` is longer than the {LONGEST} bytes that a document can have; keep large content in a store of files"
        ),
    )
}

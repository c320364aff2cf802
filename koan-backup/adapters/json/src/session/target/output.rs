//! The new files of a set, which are staged until the commit moves them to their paths.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use koan_backup_core::{Result, value::Value};

use super::super::super::directory::Directory;
use super::super::super::failure::failed;
use super::super::super::journal::{Journal, Rename};
use super::super::super::name::NewDocumentNames;
use super::super::super::staging::Staging;
use super::existing::{Existing, Files};

/// The files that were written for a set.
#[derive(Debug)]
pub(super) enum Output {
    Lines {
        /// The file, which is created when the first line is written.
        file: Option<Scratch>,
        replacing: bool,
        /// The new line for each old line that is replaced, by the index of the old line.
        replaced: HashMap<usize, Span>,
        added: Vec<Span>,
    },
    Documents {
        names: NewDocumentNames,
        renames: Vec<Rename>,
    },
}

/// The new lines, in the order of the archive.
#[derive(Debug)]
pub(super) struct Scratch {
    name: String,
    file: BufWriter<File>,
    length: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    offset: u64,
    length: usize,
}

impl Output {
    pub(super) fn new(existing: &Existing, replacing: bool) -> Self {
        match &existing.files {
            Files::Lines { .. } => {
                Self::Lines { file: None, replacing, replaced: HashMap::new(), added: Vec::new() }
            }
            Files::Documents(listing) => {
                let names = listing.files.iter().map(|(name, _)| name).chain(&listing.others);
                Self::Documents {
                    names: NewDocumentNames::avoiding(names.map(String::as_str)),
                    renames: Vec::new(),
                }
            }
        }
    }

    /// Writes a new record, or one that replaces the existing record at `place`.
    pub(super) fn add(
        &mut self,
        staging: &mut Staging,
        existing: &Existing,
        place: Option<usize>,
        key: &[Value<'_>],
        line: &[u8],
    ) -> Result<()> {
        match self {
            Self::Lines { file, replaced, added, .. } => {
                let scratch = Scratch::made(file, staging)?;
                let span = scratch.write(line).map_err(|error| failed("writing", &staging.path, error))?;
                match place {
                    Some(index) => drop(replaced.insert(index, span)),
                    None => added.push(span),
                }
            }
            Self::Documents { names, renames } => {
                let Files::Documents(listing) = &existing.files else { return Ok(()) };
                let (from, mut file) = staging.file()?;
                let old = place.and_then(|index| listing.files.get(existing.places[index].index));
                let name = old.map_or_else(|| names.next(key), |(name, _)| name.clone());
                let path = listing.directory.join(&name);
                file.write_all(line).map_err(|error| failed("writing", &staging.path, error))?;
                if old.is_some() {
                    keep_permissions(&path, &file)?;
                }
                let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
                renames.push(Rename { from, to: name, length });
            }
        }
        Ok(())
    }

    /// Adds the steps of the commit to the journal. `removed` contains the indexes of the records that are
    /// removed. Returns whether anything changes.
    pub(super) fn finish(
        self,
        directory: &Directory,
        staging: &mut Staging,
        journal: &mut Journal,
        existing: &Existing,
        removed: &[usize],
    ) -> Result<bool> {
        match self {
            Self::Lines { mut file, replacing, replaced, added } => {
                let Files::Lines { path, file: old } = &existing.files else { return Ok(false) };
                if file.is_none() && removed.is_empty() {
                    return Ok(false);
                }
                let scratch = Scratch::made(&mut file, staging)?;
                scratch.file.flush().map_err(|error| failed("writing", &staging.path, error))?;
                let (name, new) = if replacing || existing.places.is_empty() {
                    (scratch.name.clone(), None)
                } else {
                    let (name, new) = staging.file()?;
                    let new =
                        merge(BufWriter::new(new), existing, scratch, &replaced, &added, &staging.path)?;
                    (name, Some(new))
                };
                let new = new.as_ref().unwrap_or(scratch.file.get_ref());
                if old.is_some() {
                    keep_permissions(path, new)?;
                }
                new.sync_all().map_err(|error| failed("syncing", &staging.path, error))?;
                let length =
                    new.metadata().map_err(|error| failed("looking at", &staging.path, error))?.len();
                journal.renames.push(Rename { from: name, to: directory.relative(path)?, length });
                Ok(true)
            }
            Self::Documents { renames, .. } => {
                let Files::Documents(listing) = &existing.files else { return Ok(false) };
                if renames.is_empty() && removed.is_empty() {
                    return Ok(false);
                }
                let inside = directory.relative(&listing.directory)?;
                let target = |name: &str| format!("{inside}/{name}");
                for rename in renames {
                    directory.refuse_links(&listing.directory.join(&rename.to))?;
                    journal.renames.push(Rename { to: target(&rename.to), ..rename });
                }
                let names =
                    removed.iter().filter_map(|index| listing.files.get(existing.places[*index].index));
                journal.removals.extend(names.map(|(name, _)| target(name)));
                Ok(true)
            }
        }
    }
}

/// Writes the old lines in their order, each either unchanged or replaced, and then the new lines.
fn merge(
    mut out: BufWriter<File>,
    existing: &Existing,
    scratch: &mut Scratch,
    replaced: &HashMap<usize, Span>,
    added: &[Span],
    staging: &Path,
) -> Result<File> {
    let failed = |error| failed("writing", staging, error);
    for index in 0..existing.places.len() {
        match replaced.get(&index) {
            Some(span) => out.write_all(&scratch.read(*span).map_err(failed)?).map_err(failed)?,
            None => {
                let line = existing.content(index)?;
                out.write_all(&line).and_then(|()| out.write_all(b"\n")).map_err(failed)?;
            }
        }
    }
    for span in added {
        out.write_all(&scratch.read(*span).map_err(failed)?).map_err(failed)?;
    }
    out.into_inner().map_err(|error| failed(error.into_error()))
}

impl Scratch {
    fn made<'s>(file: &'s mut Option<Self>, staging: &mut Staging) -> Result<&'s mut Self> {
        if let Some(scratch) = file {
            return Ok(scratch);
        }
        let (name, new) = staging.file()?;
        Ok(file.insert(Self { name, file: BufWriter::with_capacity(1 << 18, new), length: 0 }))
    }

    fn write(&mut self, line: &[u8]) -> std::io::Result<Span> {
        self.file.write_all(line)?;
        let span = Span { offset: self.length, length: line.len() };
        self.length += u64::try_from(line.len()).unwrap_or(u64::MAX);
        Ok(span)
    }

    fn read(&mut self, span: Span) -> std::io::Result<Vec<u8>> {
        let mut line = vec![0; span.length];
        let file = self.file.get_mut();
        file.seek(SeekFrom::Start(span.offset))?;
        file.read_exact(&mut line)?;
        Ok(line)
    }
}

/// Copies the permissions of a file to the new file that replaces it.
fn keep_permissions(old: &Path, new: &File) -> Result<()> {
    let kept = fs::metadata(old).and_then(|metadata| new.set_permissions(metadata.permissions()));
    kept.map_err(|error| failed("keeping the permissions of", old, error))
}

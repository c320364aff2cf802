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
        /// The file with the new lines. It is created when the first line is written.
        new_lines: Option<NewLines>,
        /// Whether the restore replaces all existing records.
        replaces: bool,
        /// The new line for each existing line that is replaced, by the index of the existing line.
        replaced: HashMap<usize, Span>,
        added: Vec<Span>,
    },
    Documents {
        names: NewDocumentNames,
        renames: Vec<Rename>,
    },
}

/// A staged file with the new lines, in the order of the archive.
#[derive(Debug)]
pub(super) struct NewLines {
    name: String,
    file: BufWriter<File>,
    length: u64,
}

/// The position of a line in the file of the new lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    offset: u64,
    length: usize,
}

impl Output {
    pub(super) fn new(existing: &Existing, replaces: bool) -> Self {
        match &existing.files {
            Files::Lines { .. } => {
                Self::Lines { new_lines: None, replaces, replaced: HashMap::new(), added: Vec::new() }
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

    /// Writes a record. It replaces the existing record at `existing_index`, or is new if that is `None`.
    pub(super) fn add(
        &mut self,
        staging: &mut Staging,
        existing: &Existing,
        existing_index: Option<usize>,
        key: &[Value<'_>],
        line: &[u8],
    ) -> Result<()> {
        match self {
            Self::Lines { new_lines, replaced, added, .. } => {
                let new_lines = NewLines::get_or_create(new_lines, staging)?;
                let span = new_lines.write(line).map_err(|error| failed("writing", &staging.path, error))?;
                match existing_index {
                    Some(index) => drop(replaced.insert(index, span)),
                    None => added.push(span),
                }
            }
            Self::Documents { names, renames } => {
                let Files::Documents(listing) = &existing.files else { return Ok(()) };
                let (from, mut file) = staging.create_file()?;
                let replaced =
                    existing_index.and_then(|index| listing.files.get(existing.locations[index].index));
                let name = replaced.map_or_else(|| names.next(key), |(name, _)| name.clone());
                let path = listing.directory.join(&name);
                file.write_all(line).map_err(|error| failed("writing", &staging.path, error))?;
                if replaced.is_some() {
                    copy_permissions(&path, &file)?;
                }
                let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
                renames.push(Rename { from, to: name, length });
            }
        }
        Ok(())
    }

    /// Adds the steps of the commit to the journal. `removed` contains the indexes of the records that are
    /// removed. Returns whether the restore changes files of the set.
    pub(super) fn finish(
        self,
        directory: &Directory,
        staging: &mut Staging,
        journal: &mut Journal,
        existing: &Existing,
        removed: &[usize],
    ) -> Result<bool> {
        match self {
            Self::Lines { mut new_lines, replaces, replaced, added } => {
                let Files::Lines { path, file: old } = &existing.files else { return Ok(false) };
                if new_lines.is_none() && removed.is_empty() {
                    return Ok(false);
                }
                let new_lines = NewLines::get_or_create(&mut new_lines, staging)?;
                new_lines.file.flush().map_err(|error| failed("writing", &staging.path, error))?;
                let (name, merged) = if replaces || existing.locations.is_empty() {
                    (new_lines.name.clone(), None)
                } else {
                    let (name, file) = staging.create_file()?;
                    let merged =
                        merge(BufWriter::new(file), existing, new_lines, &replaced, &added, &staging.path)?;
                    (name, Some(merged))
                };
                let new = merged.as_ref().unwrap_or(new_lines.file.get_ref());
                if old.is_some() {
                    copy_permissions(path, new)?;
                }
                new.sync_all().map_err(|error| failed("syncing", &staging.path, error))?;
                let length = new.metadata().map_err(|error| failed("examining", &staging.path, error))?.len();
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
                    removed.iter().filter_map(|index| listing.files.get(existing.locations[*index].index));
                journal.removals.extend(names.map(|(name, _)| target(name)));
                Ok(true)
            }
        }
    }
}

/// Writes the existing lines in their order, each either unchanged or replaced, and then the added lines.
/// Returns the file.
fn merge(
    mut out: BufWriter<File>,
    existing: &Existing,
    new_lines: &mut NewLines,
    replaced: &HashMap<usize, Span>,
    added: &[Span],
    staging: &Path,
) -> Result<File> {
    let failed = |error| failed("writing", staging, error);
    for index in 0..existing.locations.len() {
        match replaced.get(&index) {
            Some(span) => out.write_all(&new_lines.read(*span).map_err(failed)?).map_err(failed)?,
            None => {
                let line = existing.content(index)?;
                out.write_all(&line).and_then(|()| out.write_all(b"\n")).map_err(failed)?;
            }
        }
    }
    for span in added {
        out.write_all(&new_lines.read(*span).map_err(failed)?).map_err(failed)?;
    }
    out.into_inner().map_err(|error| failed(error.into_error()))
}

impl NewLines {
    /// Returns the file of the new lines, which is created if it does not exist.
    fn get_or_create<'s>(new_lines: &'s mut Option<Self>, staging: &mut Staging) -> Result<&'s mut Self> {
        if let Some(new_lines) = new_lines {
            return Ok(new_lines);
        }
        let (name, file) = staging.create_file()?;
        Ok(new_lines.insert(Self { name, file: BufWriter::with_capacity(1 << 18, file), length: 0 }))
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
fn copy_permissions(old: &Path, new: &File) -> Result<()> {
    let copied = fs::metadata(old).and_then(|metadata| new.set_permissions(metadata.permissions()));
    copied.map_err(|error| failed("copying the permissions of", old, error))
}

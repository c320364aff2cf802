//! The directory of a database, and its contents.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use koan_backup_core::{Error, ErrorKind, Result, SetName};

use super::failure::failed;
use super::fingerprint::FileFingerprint;
use super::name;
use super::presence::{Presence, unusable};

/// The directory for koan-backup's own files.
pub(super) const HIDDEN_DIRECTORY: &str = ".koan";

/// How documents are stored in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// One file for each set, with one document on each line.
    Lines,
    /// One file for each document.
    Documents,
}

/// The directory of a database.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    pub(super) root: PathBuf,
    pub(super) layout: Layout,
    pub(super) presence: Arc<Presence>,
}

/// The type of a directory entry. For a symbolic link, it is the type of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    File,
    Directory,
    /// A pipe, a socket, or a symbolic link without a target.
    Other,
}

/// An entry of a directory.
#[derive(Debug)]
pub(super) struct Entry {
    /// The name, with replacement characters if it is not UTF-8.
    pub(super) name: String,
    pub(super) is_utf8: bool,
    pub(super) path: PathBuf,
    pub(super) kind: EntryKind,
    pub(super) fingerprint: Option<FileFingerprint>,
}

/// The path of a set: a file of lines or a directory of documents.
#[derive(Clone, Debug)]
pub(super) struct SetPath {
    pub(super) set: SetName,
    pub(super) path: PathBuf,
}

/// The contents of the directory of an entity.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// The sets: the default set first, then the others, sorted by name.
    pub(super) sets: Vec<SetPath>,
    /// Names that are not data of the entity.
    pub(super) others: Vec<String>,
}

impl Directory {
    /// Opens the directory at `path`. The directory need not exist yet.
    pub(super) fn open(path: &Path, layout: Layout) -> Result<Self> {
        let failed = |source: io::Error| unusable(path, source);
        let absolute = std::path::absolute(path).map_err(failed)?;
        let existing = absolute.ancestors().find_map(|ancestor| fs::metadata(ancestor).ok());
        if existing.is_some_and(|existing| !existing.is_dir()) {
            return Err(failed(io::Error::from(io::ErrorKind::NotADirectory)));
        }
        let root = match absolute.canonicalize() {
            Ok(root) => {
                fs::read_dir(&root).map_err(failed)?;
                root
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => resolved(&absolute),
            Err(error) => return Err(failed(error)),
        };
        Ok(Self { root, layout, presence: Arc::default() })
    }

    /// Returns the path of the directory for koan-backup's own files.
    pub(super) fn hidden(&self) -> PathBuf {
        self.root.join(HIDDEN_DIRECTORY)
    }

    /// Reads the contents of the directory of an entity. A directory that does not exist is empty.
    pub(super) fn contents(&self, type_name: &str) -> Result<Contents> {
        let directory = self.root.join(type_name);
        let mut contents = Contents::default();
        for entry in entries(&directory)? {
            let set = match self.layout {
                Layout::Lines if entry.kind == EntryKind::File => entry.name.strip_suffix(".jsonl"),
                Layout::Documents if entry.kind == EntryKind::Directory => entry
                    .name
                    .strip_prefix('#')
                    .filter(|name| name::to_set(name).is_some_and(|set| !set.is_root())),
                _ => None,
            };
            let is_document = self.layout == Layout::Documents && is_document(&entry);
            match set.filter(|_| entry.is_utf8).and_then(name::to_set) {
                Some(set) => contents.sets.push(SetPath { set, path: entry.path }),
                None if is_document => {}
                None => contents.others.push(format!("{type_name}/{}", entry.name)),
            }
        }
        if self.layout == Layout::Documents {
            contents.sets.push(SetPath { set: SetName::root(), path: directory });
        }
        contents.sets.sort_by(|a, b| (!a.set.is_root(), &a.set).cmp(&(!b.set.is_root(), &b.set)));
        if let Some(duplicate) = contents.sets.windows(2).find(|pair| pair[0].set == pair[1].set) {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!(
                    "`{}` and `{}` both contain the set `{}`, so it is unknown which of them is valid; merge them",
                    duplicate[0].path.display(),
                    duplicate[1].path.display(),
                    duplicate[0].set
                ),
            ));
        }
        Ok(contents)
    }

    /// Returns the path of a set, which need not exist.
    pub(super) fn set_path(&self, type_name: &str, set: &SetName) -> Result<SetPath> {
        let contents = self.contents(type_name)?;
        if let Some(existing) = contents.sets.into_iter().find(|existing| existing.set == *set) {
            return Ok(existing);
        }
        let directory = self.root.join(type_name);
        let path = match self.layout {
            Layout::Documents if set.is_root() => directory,
            Layout::Documents => directory.join(format!("#{}", name::encoded_set(set))),
            Layout::Lines => directory.join(format!("{}.jsonl", name::encoded_set(set))),
        };
        let is_same =
            |entry: &Entry| Some(entry.name.to_lowercase()) == file_name(&path).map(str::to_lowercase);
        if let Some(other) = entries(&self.root.join(type_name))?.iter().find(|entry| is_same(entry)) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "the set `{set}` would be stored in `{}`, but the existing `{}` differs from it only in \
                     case; rename the existing one",
                    path.display(),
                    other.path.display()
                ),
            ));
        }
        Ok(SetPath { set: set.clone(), path })
    }

    /// Returns a path in the form of the journal: relative to the root, with `/` between its components.
    pub(super) fn relative(&self, path: &Path) -> Result<String> {
        let components = path.strip_prefix(&self.root).ok().and_then(|inside| {
            inside.components().map(|component| component.as_os_str().to_str()).collect::<Option<Vec<_>>>()
        });
        components.map(|components| components.join("/")).ok_or_else(|| {
            Error::new(
                ErrorKind::Provider,
                format!("the name of `{}` is not UTF-8; rename it", path.display()),
            )
        })
    }

    /// Fails if a path below the root is or contains a symbolic link, because a restore must not write
    /// outside of the directory.
    pub(super) fn refuse_links(&self, path: &Path) -> Result<()> {
        let mut ancestor = path.to_owned();
        while ancestor != self.root {
            match fs::symlink_metadata(&ancestor) {
                Ok(metadata) if metadata.is_symlink() => {
                    return Err(Error::new(
                        ErrorKind::Unsupported,
                        format!(
                            "`{}` is a symbolic link, and a restore does not write through symbolic links; \
                             replace the link by its target",
                            ancestor.display()
                        ),
                    ));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed("examining", &ancestor, error)),
            }
            if !ancestor.pop() {
                break;
            }
        }
        Ok(())
    }
}

/// Returns the path of a directory that does not exist, with symbolic links in the existing part resolved.
fn resolved(path: &Path) -> PathBuf {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(path), _, _) => path,
        (Err(_), Some(parent), Some(name)) => match fs::read_link(path) {
            // The target of the link does not exist, for example because its disk is not mounted.
            Ok(target) => parent.join(target),
            Err(_) => resolved(parent).join(name),
        },
        (Err(_), _, _) => path.to_owned(),
    }
}

/// Returns whether an entry is a document.
pub(super) fn is_document(entry: &Entry) -> bool {
    entry.kind == EntryKind::File && entry.name.ends_with(".json")
}

pub(super) fn file_name(path: &Path) -> Option<&str> {
    path.file_name().and_then(|name| name.to_str())
}

/// Returns the entries of a directory whose names do not start with a dot, sorted by path. A directory that
/// does not exist has no entries.
pub(super) fn entries(directory: &Path) -> Result<Vec<Entry>> {
    let listed = match fs::read_dir(directory) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("listing", directory, error)),
    };
    let mut entries = Vec::new();
    for listed in listed {
        let listed = listed.map_err(|error| failed("listing", directory, error))?;
        let name = listed.file_name();
        let is_utf8 = name.to_str().is_some();
        let name = name.to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let path = listed.path();
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed("examining", &path, error)),
        };
        let kind = metadata.as_ref().map_or(EntryKind::Other, entry_kind);
        let fingerprint = metadata.as_ref().map(FileFingerprint::from_metadata);
        entries.push(Entry { name, is_utf8, path, kind, fingerprint });
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

fn entry_kind(metadata: &Metadata) -> EntryKind {
    if metadata.is_file() {
        EntryKind::File
    } else if metadata.is_dir() {
        EntryKind::Directory
    } else {
        EntryKind::Other
    }
}

//! The names of the files and directories of a tree.

use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use percent_encoding::utf8_percent_encode;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::archive::layout::UNESCAPED;
use crate::foundation::id::SetName;

/// The registry of all backups in a tree.
pub(crate) const REGISTRY_FILE: &str = "manifest.json";
/// The description of the data files of an entity.
pub(crate) const METADATA_FILE: &str = "metadata.json";
/// The encrypted part of the description of encrypted data files.
pub(crate) const SEALED_METADATA_FILE: &str = "metadata.json.age";
/// The link to the newest backup of an entity.
pub(crate) const LATEST_LINK: &str = "latest";

/// The format of the name of the directory of a backup.
const TIME_FORMAT: &str = "%Y-%m-%dT%H-%M-%SZ";
/// The number of characters of the name of a directory of a backup.
const TIME_LENGTH: usize = "2025-10-02T15-30-45Z".len();

/// Returns the directory of an entity: the path of its type with dots, for example `shop.models.Media`.
pub(crate) fn type_directory(type_path: &str, entity: &str) -> String {
    let path = if type_path.is_empty() { entity } else { type_path };
    let name = utf8_percent_encode(&path.replace("::", "."), UNESCAPED).to_string();
    // Names that the tree itself uses, hidden names, and `..` must not be the name of an entity.
    match name.starts_with('.') || name.ends_with('.') || name == REGISTRY_FILE {
        true => name.replace('.', "%2E"),
        false => name,
    }
}

/// Returns the directory of a backup: the second at which the backup started.
pub(crate) fn time_directory(created_at: Timestamp) -> String {
    created_at.strftime(TIME_FORMAT).to_string()
}

/// Returns whether a text has the form of a time as [`time_directory`] returns it.
pub(crate) fn is_tree_time(text: &str) -> bool {
    text.len() == TIME_LENGTH
        && text.bytes().zip(b"0000-00-00T00-00-00Z").all(|(found, form)| match form {
            b'0' => found.is_ascii_digit(),
            _ => found == *form,
        })
}

/// Returns the name of the data file of a set, for example `data#archive.json`.
pub(crate) fn data_file(set: &SetName, encrypted: EncryptedFile) -> String {
    let suffix = match encrypted {
        EncryptedFile::Yes => ".age",
        EncryptedFile::No => "",
    };
    match set.is_root() {
        true => format!("data.json{suffix}"),
        false => format!("data#{}.json{suffix}", utf8_percent_encode(set.as_str(), UNESCAPED)),
    }
}

/// Whether a data file is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EncryptedFile {
    Yes,
    No,
}

impl EncryptedFile {
    pub(crate) fn of(encrypt: bool) -> Self {
        if encrypt { Self::Yes } else { Self::No }
    }
}

/// The path of the directory of one entity and backup, relative to the root of the tree. It has exactly two names,
/// so that it never refers to a file outside of the root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TreePath {
    entity: String,
    time: String,
}

impl TreePath {
    /// Creates the path from the names of its two directories. Returns `None` if one of them is not a plain name.
    pub(crate) fn new(entity: &str, time: &str) -> Option<Self> {
        let valid = is_plain_name(entity) && is_plain_name(time);
        valid.then(|| Self { entity: entity.to_owned(), time: time.to_owned() })
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (entity, time) = text.split_once('/')?;
        Self::new(entity, time)
    }

    /// Returns the name of the directory of the entity.
    pub(crate) fn entity(&self) -> &str {
        &self.entity
    }

    /// Returns the name of the directory of the backup.
    pub(crate) fn time(&self) -> &str {
        &self.time
    }

    /// Returns the path below a root.
    pub(crate) fn within(&self, root: &Path) -> PathBuf {
        root.join(&self.entity).join(&self.time)
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.entity, self.time)
    }
}

impl Serialize for TreePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TreePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom("a directory of a tree must consist of two plain names, `entity/time`")
        })
    }
}

/// Returns whether a text is the name of a file in its directory, and not a path or a hidden file.
pub(super) fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name != REGISTRY_FILE
        && !name.chars().any(|c| c.is_control() || matches!(c, '/' | '\\' | ':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_of_a_type_is_its_path_with_dots_and_never_leaves_the_root() {
        for (path, directory) in [
            ("shop::models::Media", "shop.models.Media"),
            ("shop::Pair<shop::A, u8>", "shop.Pair%3Cshop.A%2C%20u8%3E"),
            ("", "Named"),
            ("..", "%2E%2E"),
            ("../../etc", "%2E%2E%2F%2E%2E%2Fetc"),
            ("manifest::json", "manifest%2Ejson"),
            ("::staging", "%2Estaging"),
        ] {
            assert_eq!(type_directory(path, "Named"), directory, "{path}");
            assert!(TreePath::new(directory, "2025-10-02T15-30-45Z").is_some(), "{directory}");
        }
    }

    #[test]
    fn a_path_that_leaves_the_root_is_refused() {
        for path in ["", "a", "/a", "a/", "a/b/c", "../b", "a/..", ".staging/b", "a\\b/c", "c:/b", "a/b\0"] {
            assert_eq!(TreePath::parse(path), None, "{path:?}");
        }
        assert!(TreePath::parse("shop.User/2025-10-02T15-30-45Z-0a1b2c3d").is_some());
    }

    #[test]
    fn a_time_has_exactly_one_form() {
        let time: Timestamp = "2025-10-02T15:30:45.999Z".parse().expect("the timestamp is valid");
        assert_eq!(time_directory(time), "2025-10-02T15-30-45Z");
        assert!(is_tree_time("2025-10-02T15-30-45Z"));
        for text in
            ["2025-10-02T15:30:45Z", "2025-10-02", "2025-10-02T15-30-45Z-0a1b2c3d", "x025-10-02T15-30-45Z"]
        {
            assert!(!is_tree_time(text), "{text}");
        }
    }

    #[test]
    fn the_name_of_a_set_is_encoded() {
        let set = SetName::new("a b").expect("the set name is valid");
        assert_eq!(data_file(&set, EncryptedFile::No), "data#a%20b.json");
        assert_eq!(data_file(&SetName::root(), EncryptedFile::Yes), "data.json.age");
    }
}

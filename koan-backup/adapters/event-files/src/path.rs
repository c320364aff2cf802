//! The paths of files, and the names of aggregates in them.

use std::fmt::Write as _;

use koan_backup_core::{Error, ErrorKind, Result};
use object_store::path::Path;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

/// The folder of the store.
const ROOT: &str = "event-store";
/// The maximum length of a name that contains the id itself. Disks permit 255 bytes.
const MAX_NAME_BYTES: usize = 180;
/// The prefix of a name that contains the hash of an id.
const HASHED: &str = "sha256-";

/// Everything except lower-case letters, digits, `-` and `_`. Upper case is encoded because some disks ignore case.
const ENCODED: AsciiSet = {
    let mut set = NON_ALPHANUMERIC.remove(b'-').remove(b'_');
    let mut letter = b'A';
    while letter <= b'Z' {
        set = set.add(letter);
        letter += 1;
    }
    set
};

/// Returns the name of a folder for an object name or object id.
pub(crate) fn folder_name(id: &str) -> String {
    let name = utf8_percent_encode(id, &ENCODED).to_string();
    if !name.is_empty() && name.len() <= MAX_NAME_BYTES && !name.starts_with(HASHED) {
        return name;
    }
    let mut hashed = HASHED.to_owned();
    for byte in Sha256::digest(id.as_bytes()) {
        // Writing to a string cannot fail.
        let _ = write!(hashed, "{byte:02x}");
    }
    hashed
}

/// Returns the object name or object id that a folder name contains. Returns `None` if it contains a hash.
pub(crate) fn id_of(folder_name: &str) -> Option<String> {
    if folder_name.starts_with(HASHED) {
        return None;
    }
    percent_decode_str(folder_name).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// Returns the folder of all streams.
pub(crate) fn streams() -> Result<Path> {
    parse(format!("{ROOT}/streams"))
}

/// Returns the folder of an object name.
pub(crate) fn object(object: &str) -> Result<Path> {
    parse(format!("{ROOT}/streams/{}", folder_name(object)))
}

/// Returns the path of the folder with this name.
pub(crate) fn object_folder(folder_name: &str) -> Result<Path> {
    parse(format!("{ROOT}/streams/{folder_name}"))
}

/// Returns the path of a file in a folder of an object.
pub(crate) fn file_in(object_folder: &str, id_folder: &str, name: &str) -> Result<Path> {
    parse(format!("{ROOT}/streams/{object_folder}/{id_folder}/{name}"))
}

/// Returns the folder of an aggregate.
pub(crate) fn aggregate(object: &str, object_id: &str) -> Result<Path> {
    aggregate_folder(&folder_name(object), &folder_name(object_id))
}

/// Returns the path of the folder with this name in a folder of an object.
pub(crate) fn aggregate_folder(object_folder: &str, id_folder: &str) -> Result<Path> {
    parse(format!("{ROOT}/streams/{object_folder}/{id_folder}"))
}

/// Returns the path of a file of an aggregate.
pub(crate) fn file(object: &str, object_id: &str, name: &str) -> Result<Path> {
    file_in(&folder_name(object), &folder_name(object_id), name)
}

/// Returns the folder of the journals.
pub(crate) fn journals() -> Result<Path> {
    parse(format!("{ROOT}/journals"))
}

pub(crate) fn journal(restore: &str) -> Result<Path> {
    parse(format!("{ROOT}/journals/{restore}.json"))
}

/// Returns the folder of the outcomes.
pub(crate) fn outcomes() -> Result<Path> {
    parse(format!("{ROOT}/outcomes"))
}

pub(crate) fn outcome(restore: &str) -> Result<Path> {
    parse(format!("{ROOT}/outcomes/{restore}.json"))
}

/// Returns the folder of the marks of withdrawn changes.
pub(crate) fn withdrawals() -> Result<Path> {
    parse(format!("{ROOT}/withdrawals"))
}

pub(crate) fn withdrawal(restore: &str) -> Result<Path> {
    parse(format!("{ROOT}/withdrawals/{restore}.json"))
}

pub(crate) fn mark() -> Result<Path> {
    parse(format!("{ROOT}/mark.json"))
}

fn parse(path: String) -> Result<Path> {
    Path::parse(&path)
        .map_err(|source| Error::with_source(ErrorKind::Internal, format!("`{path}` is not a path"), source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_name_contains_the_id_or_its_hash() {
        for (id, name) in [
            ("order-17", "order-17"),
            ("A", "%41"),
            ("a/b", "a%2Fb"),
            ("..", "%2E%2E"),
            ("a%2Fb", "a%252%46b"),
            ("ä", "%C3%A4"),
        ] {
            assert_eq!(folder_name(id), name);
            assert_eq!(id_of(name).as_deref(), Some(id));
        }
        let long = "x".repeat(300);
        for id in ["", "sha256-", &long] {
            let name = folder_name(id);
            assert!(name.starts_with(HASHED) && name.len() == 71, "{name}");
            assert_eq!(id_of(&name), None);
        }
    }
}

//! Names of files and directories. Different keys and sets have different names, even if the file system
//! ignores case.

use std::collections::HashSet;
use std::fmt::Write as _;

use koan_backup_core::{SetName, entity::EntityCodec, value::Value};
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

/// The length of a document's name without its extension, in bytes: every file system accepts it.
const MAX_NAME_BYTES: usize = 180;

/// Names that Windows reserves for devices, whatever follows the first dot.
const WINDOWS_DEVICE_NAMES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// Returns the directory of an entity: its table if it names one, otherwise its name, encoded as in archives.
pub(super) fn of_type(entity: &EntityCodec) -> String {
    let name = entity.descriptor().table().unwrap_or(entity.name());
    encode(name, |byte| byte.is_ascii_alphanumeric() || b"._#-".contains(&byte))
}

/// Returns the part of a file or directory name that encodes a set. Upper case is encoded, so that `Old`
/// and `old` are different names on every file system.
pub(super) fn of_set(set: &SetName) -> String {
    encode(set.as_str(), is_kept)
}

/// Returns the set for a name, however it is encoded; `None` if no set can have this name.
pub(super) fn to_set(name: &str) -> Option<SetName> {
    SetName::new(percent_decode_str(name).decode_utf8().ok()?.into_owned()).ok()
}

/// Generates names for new documents that no existing document has.
#[derive(Debug, Default)]
pub(super) struct NewDocumentNames {
    /// The used names in lower case.
    used: HashSet<String>,
}

impl NewDocumentNames {
    /// Creates a generator that avoids these names.
    pub(super) fn avoiding<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        Self { used: names.map(str::to_lowercase).collect() }
    }

    /// Returns a name for the document of a key.
    pub(super) fn next(&mut self, key: &[Value<'_>]) -> String {
        let stem = stem(key);
        let mut name = format!("{stem}.json");
        let mut number = 1;
        while !self.used.insert(name.to_lowercase()) {
            number += 1;
            name = format!("{stem}~{number}.json");
        }
        name
    }
}

/// Returns the name of a document without its extension. The parts of a key are separated by commas, which
/// are encoded within the parts.
fn stem(key: &[Value<'_>]) -> String {
    let whole = key.iter().map(part).collect::<Vec<_>>().join(",");
    let device = whole.split('.').next().is_some_and(|first| {
        WINDOWS_DEVICE_NAMES.contains(&first)
            || (first.len() == 4 && (first.starts_with("com") || first.starts_with("lpt")))
    });
    if device {
        format!("%{:02X}{}", whole.as_bytes()[0], &whole[1..])
    } else if whole.len() > MAX_NAME_BYTES {
        let hash = Sha256::digest(whole.as_bytes());
        let hash = hash.iter().take(16).fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        format!("{}~{hash}", &whole[..MAX_NAME_BYTES - 40])
    } else {
        whole
    }
}

fn part(value: &Value<'_>) -> String {
    let text = match value {
        // Encoded text cannot end with a single percent sign.
        Value::Null => return "%".to_owned(),
        Value::Str(text) | Value::Json(text) | Value::Decimal(text) if text.is_empty() => {
            return "%%".to_owned();
        }
        Value::Str(text) | Value::Json(text) | Value::Decimal(text) => return encode(text, is_kept),
        Value::Bool(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        Value::F64(value) => format!("{value:?}"),
        Value::Uuid(bytes) => uuid::Uuid::from_bytes(*bytes).hyphenated().to_string(),
        Value::Timestamp(at) => at.to_string(),
        Value::DateTime(at) => at.to_string(),
        Value::Date(day) => day.to_string(),
        Value::Time(hour) => hour.to_string(),
        Value::Bytes(bytes) => bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }),
        other => format!("{other:?}"),
    };
    encode(&text, is_kept)
}

fn is_kept(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte)
}

/// Percent-encodes the bytes that are not `kept`, and a dot at the start, because names that start with a dot
/// are never data.
fn encode(text: &str, kept: fn(u8) -> bool) -> String {
    let mut name = String::with_capacity(text.len());
    for (index, byte) in text.bytes().enumerate() {
        if kept(byte) && !(index == 0 && byte == b'.') {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "%{byte:02X}");
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_of(names: &mut NewDocumentNames, key: &str) -> String {
        names.next(&[Value::Str(key.into())])
    }

    #[test]
    fn different_keys_have_different_names_even_if_case_is_ignored() {
        let keys = [
            "a",
            "A",
            "%41",
            "%",
            "%%",
            "",
            " ",
            ".",
            "..",
            "../../etc/passwd",
            "/etc",
            "a/b",
            "a\\b",
            "a,b",
            "con",
            "con.x",
            "COM1",
            "com1",
            "nul",
            "#archive",
            "é",
            "e\u{301}",
            "É",
            "a~2",
            "x:y",
            "x\0y",
            "x\ny",
            ".koan",
        ];
        let mut names = NewDocumentNames::default();
        let mut seen = HashSet::new();
        for key in keys {
            let name = name_of(&mut names, key);
            assert!(seen.insert(name.to_lowercase()), "{key:?} shares {name}");
            assert!(!name.starts_with(['.', '#']), "{name}");
            assert!(name.is_ascii() && !name.contains(['/', '\\', ':', '\0', '\n', ' ']), "{name}");
            assert!(!WINDOWS_DEVICE_NAMES.contains(&name.split('.').next().unwrap_or_default()), "{name}");
        }
        assert_eq!(name_of(&mut NewDocumentNames::default(), "a-1.b"), "a-1.b.json");
        assert_eq!(name_of(&mut NewDocumentNames::default(), "User"), "%55ser.json");
    }

    #[test]
    fn parts_of_a_key_are_distinguishable() {
        let pair = |one: &'static str, other: &'static str| {
            NewDocumentNames::default().next(&[Value::Str(one.into()), Value::Str(other.into())])
        };
        assert_eq!(pair("a", "b"), "a,b.json");
        assert_ne!(pair("a,", "b"), pair("a", ",b"));
        assert_ne!(pair("", "b"), NewDocumentNames::default().next(&[Value::Null, Value::Str("b".into())]));
    }

    #[test]
    fn long_keys_have_short_distinct_names() {
        let long = "k".repeat(5_000);
        let (mut names, other) = (NewDocumentNames::default(), format!("{long}x"));
        let (one, other) = (name_of(&mut names, &long), name_of(&mut names, &other));
        assert!(one.len() < 200 && one != other, "{one} {other}");
    }

    #[test]
    fn an_existing_name_is_not_used_again() {
        let mut names = NewDocumentNames::avoiding(["7.JSON", "8.json"].into_iter());
        assert_eq!(names.next(&[Value::I64(7)]), "7~2.json");
        assert_eq!(names.next(&[Value::I64(8)]), "8~2.json");
        assert_eq!(names.next(&[Value::I64(9)]), "9.json");
    }

    #[test]
    fn the_name_of_a_set_is_decoded_to_the_same_set() {
        for set in ["archive", "Archive", "ü x", "a.b", ".hidden", "100%"] {
            let set = SetName::new(set).expect("a set");
            assert_eq!(to_set(&of_set(&set)), Some(set));
        }
        assert_eq!(to_set("Archive"), SetName::new("Archive").ok());
        assert_eq!(to_set("a%23b"), None);
        assert_eq!(to_set("%FF"), None);
    }
}

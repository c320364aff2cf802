//! Names of files and directories. Different keys and sets have different names, even if the file system
//! ignores case.

use std::collections::HashSet;
use std::fmt::Write as _;

use koan_backup_core::{SetName, entity::EntityCodec, value::Value};
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};

/// The maximum length of a document's name without its extension, in bytes. Every file system accepts names
/// of this length.
const MAX_NAME_BYTES: usize = 180;

/// Names that Windows reserves for devices, with and without an extension.
const WINDOWS_DEVICE_NAMES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// Returns the name of the directory of an entity: its `table`, or its name if it has no `table`, encoded as
/// in archives.
pub(super) fn entity_directory(entity: &EntityCodec) -> String {
    let name = entity.descriptor().table().unwrap_or(entity.name());
    encode(name, |byte| byte.is_ascii_alphanumeric() || b"._#-".contains(&byte))
}

/// Returns the part of a file or directory name that encodes a set. Upper case is encoded, so that `Old`
/// and `old` are different names on every file system.
pub(super) fn encoded_set(set: &SetName) -> String {
    encode(set.as_str(), is_unencoded)
}

/// Returns the set for a percent-encoded name, or `None` if no set can have this name. Characters that need
/// not be encoded may be encoded.
pub(super) fn to_set(name: &str) -> Option<SetName> {
    SetName::new(percent_decode_str(name).decode_utf8().ok()?.into_owned()).ok()
}

/// A generator of names for new documents. Each name differs from all names that are used already.
#[derive(Debug, Default)]
pub(super) struct NewDocumentNames {
    /// The used names in lower case.
    used: HashSet<String>,
}

impl NewDocumentNames {
    /// Creates a generator that does not return any of these names.
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

/// Returns the name of a document without its extension. The components of a key are separated by commas; a
/// comma within a component is encoded.
fn stem(key: &[Value<'_>]) -> String {
    let name = key.iter().map(encoded_component).collect::<Vec<_>>().join(",");
    let is_device = name.split('.').next().is_some_and(|first| {
        WINDOWS_DEVICE_NAMES.contains(&first)
            || (first.len() == 4 && (first.starts_with("com") || first.starts_with("lpt")))
    });
    if is_device {
        format!("%{:02X}{}", name.as_bytes()[0], &name[1..])
    } else if name.len() > MAX_NAME_BYTES {
        let hash = Sha256::digest(name.as_bytes());
        let hash = hash.iter().take(16).fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        format!("{}~{hash}", &name[..MAX_NAME_BYTES - 40])
    } else {
        name
    }
}

/// Returns the encoded text of one component of a key.
fn encoded_component(value: &Value<'_>) -> String {
    let text = match value {
        // Encoded text never ends with a percent sign, so `%` and `%%` are distinct from all texts.
        Value::Null => return "%".to_owned(),
        Value::Str(text) | Value::Json(text) | Value::Decimal(text) if text.is_empty() => {
            return "%%".to_owned();
        }
        Value::Str(text) | Value::Json(text) | Value::Decimal(text) => return encode(text, is_unencoded),
        Value::Bool(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        Value::F64(value) => format!("{value:?}"),
        Value::Uuid(bytes) => uuid::Uuid::from_bytes(*bytes).hyphenated().to_string(),
        Value::Timestamp(instant) => instant.to_string(),
        Value::DateTime(date_time) => date_time.to_string(),
        Value::Date(date) => date.to_string(),
        Value::Time(time) => time.to_string(),
        Value::Bytes(bytes) => bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }),
    };
    encode(&text, is_unencoded)
}

fn is_unencoded(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte)
}

/// Percent-encodes the bytes for which `is_literal` returns `false`, and a dot at the start, because names
/// that start with a dot are ignored.
fn encode(text: &str, is_literal: fn(u8) -> bool) -> String {
    let mut name = String::with_capacity(text.len());
    for (index, byte) in text.bytes().enumerate() {
        if is_literal(byte) && !(index == 0 && byte == b'.') {
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
        let mut generated = HashSet::new();
        for key in keys {
            let name = name_of(&mut names, key);
            assert!(generated.insert(name.to_lowercase()), "{key:?} has the name {name} of another key");
            assert!(!name.starts_with(['.', '#']), "{name}");
            assert!(name.is_ascii() && !name.contains(['/', '\\', ':', '\0', '\n', ' ']), "{name}");
            assert!(!WINDOWS_DEVICE_NAMES.contains(&name.split('.').next().unwrap_or_default()), "{name}");
        }
        assert_eq!(name_of(&mut NewDocumentNames::default(), "a-1.b"), "a-1.b.json");
        assert_eq!(name_of(&mut NewDocumentNames::default(), "User"), "%55ser.json");
    }

    #[test]
    fn different_composite_keys_with_the_same_text_have_different_names() {
        let pair = |first: &'static str, second: &'static str| {
            NewDocumentNames::default().next(&[Value::Str(first.into()), Value::Str(second.into())])
        };
        assert_eq!(pair("a", "b"), "a,b.json");
        assert_ne!(pair("a,", "b"), pair("a", ",b"));
        assert_ne!(pair("", "b"), NewDocumentNames::default().next(&[Value::Null, Value::Str("b".into())]));
    }

    #[test]
    fn long_keys_have_short_distinct_names() {
        let long = "k".repeat(5_000);
        let (mut names, longer) = (NewDocumentNames::default(), format!("{long}x"));
        let (first, second) = (name_of(&mut names, &long), name_of(&mut names, &longer));
        assert!(first.len() < 200 && first != second, "{first} {second}");
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
            let set = SetName::new(set).expect("the name is valid");
            assert_eq!(to_set(&encoded_set(&set)), Some(set));
        }
        assert_eq!(to_set("Archive"), SetName::new("Archive").ok());
        assert_eq!(to_set("a%23b"), None);
        assert_eq!(to_set("%FF"), None);
    }
}

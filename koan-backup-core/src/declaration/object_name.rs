//! The rules for object names. The macros have the same rules.

use crate::foundation::error::{Error, ErrorKind, Result};

/// The maximum length of an object name in bytes.
const MAX_BYTES: usize = 200;
/// The ends of the names of parts in archives.
const SUFFIXES: [&str; 2] = [".documents", ".snapshots"];

/// Checks an object name. `location` is where it is declared.
///
/// # Errors
/// The name is empty, too long, contains a control character, or ends like the name of a part.
pub(super) fn check(object: &str, location: &str) -> Result<()> {
    let problem = if object.trim().is_empty() {
        "is empty; enter the name that the event store contains".to_owned()
    } else if object.len() > MAX_BYTES {
        format!("has {} bytes; at most {MAX_BYTES} are allowed", object.len())
    } else if object.chars().any(char::is_control) {
        "contains a control character, which no name in an archive can contain; remove it".to_owned()
    } else if let Some(suffix) = SUFFIXES.iter().find(|suffix| object.ends_with(*suffix)) {
        format!("`{object}` ends with `{suffix}`, as archives name a part of streams; use another name")
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::InvalidName, format!("the object name at {location} {problem}")))
}

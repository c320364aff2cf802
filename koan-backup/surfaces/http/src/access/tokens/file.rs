//! The file of tokens.

use std::io::Read as _;
use std::path::Path;

use jiff::Timestamp;
use koan_backup_core::{Error, ErrorKind};
use toml::{Table, Value};

use super::entry::TokenEntry;
use super::list::TokenList;
use crate::access::role::Role;

/// The maximum size of a file of tokens, which is enough for the maximum number of tokens.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

const FIELDS: [&str; 4] = ["name", "role", "sha256", "expires"];

/// Reads the bytes of the file.
///
/// # Errors
/// The file cannot be read, is too large, is not a file, or can be changed by other users than its owner.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |error| {
        Error::with_source(ErrorKind::Configuration, "the file cannot be read", error)
            .with_help("check the path and the permissions of the file")
    };
    // A pipe would block until something writes to it.
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(Error::new(ErrorKind::Configuration, "the path is not a file"));
    }
    let file = std::fs::File::open(path).map_err(failed)?;
    check_permissions(&file.metadata().map_err(failed)?)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Error::new(ErrorKind::Configuration, "the file is larger than 1 MiB")
            .with_help("remove the tokens that are not used"));
    }
    Ok(bytes)
}

/// Refuses a file to which others could add a token.
#[cfg(unix)]
fn check_permissions(metadata: &std::fs::Metadata) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt as _;
    if metadata.permissions().mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Configuration, "the file can be changed by other users than its owner")
        .with_help("run `chmod 600` on it"))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the permissions of other systems are not checked")]
fn check_permissions(_: &std::fs::Metadata) -> Result<(), Error> {
    Ok(())
}

/// Returns whether other users can read the file.
#[cfg(unix)]
pub(super) fn is_readable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
pub(super) fn is_readable_by_others(_: &Path) -> bool {
    false
}

/// Parses the content of a file. Errors contain the names of tokens, and no other value.
pub(super) fn parse(bytes: &[u8]) -> Result<TokenList, Error> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Error::new(ErrorKind::Configuration, "the file is not UTF-8 text"))?;
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        // The message of the parser may repeat a value, and a value may be a token.
        let line =
            error.span().map_or(1, |span| text.get(..span.start).map_or(1, |t| t.matches('\n').count() + 1));
        Error::new(ErrorKind::Configuration, format!("line {line} is not valid TOML"))
    })?;
    let mut list = TokenList::default();
    for (key, value) in &table {
        if key != "token" {
            return Err(unknown_field("the file", key, &["token"]));
        }
        let Value::Array(entries) = value else {
            return Err(Error::new(ErrorKind::Configuration, "`token` is not a list of tables")
                .with_help("begin each token with a line `[[token]]`"));
        };
        for (number, entry) in (1..).zip(entries) {
            list.add(token(number, entry)?)?;
        }
    }
    Ok(list)
}

fn token(number: usize, value: &Value) -> Result<TokenEntry, Error> {
    let invalid = |message: String| Error::new(ErrorKind::Configuration, message);
    let place = format!("token {number}");
    let Value::Table(table) = value else {
        return Err(
            invalid(format!("{place} is not a table")).with_help("begin each token with a line `[[token]]`")
        );
    };
    if let Some(key) = table.keys().find(|key| !FIELDS.contains(&key.as_str())) {
        return Err(unknown_field(&place, key, &FIELDS));
    }
    let text = |field: &str| match table.get(field) {
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err(invalid(format!("{place}: `{field}` is not text"))),
        None => Err(invalid(format!("{place} has no field `{field}`"))),
    };
    let at_place = |error: Error| Error::with_source(error.kind(), format!("{place} is not valid"), error);
    let role: Role = text("role")?.parse().map_err(at_place)?;
    let entry = TokenEntry::new(text("name")?, role, text("sha256")?).map_err(at_place)?;
    match table.get("expires") {
        None => Ok(entry),
        Some(value) => Ok(entry.expires(expiry(value).ok_or_else(|| {
            invalid(format!("{place}: `expires` is not a time with an offset"))
                .with_help("write it like `expires = 2027-01-31T00:00:00Z`")
        })?)),
    }
}

fn expiry(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Datetime(time) => time.to_string().parse().ok(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// Creates the error for an unknown field. A name that may be a token is not repeated.
fn unknown_field(place: &str, key: &str, known: &[&str]) -> Error {
    let nearest = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&key.to_lowercase(), name), *name))
        .filter(|(edits, name)| *edits <= (name.len() / 3).max(1))
        .min();
    let Some((_, nearest)) = nearest else {
        return Error::new(ErrorKind::Configuration, format!("{place} has an unknown field"))
            .with_help(format!("the fields are `{}`", known.join("`, `")));
    };
    Error::new(ErrorKind::Configuration, format!("{place} has the unknown field `{key}`"))
        .with_help(format!("did you mean `{nearest}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

    fn error(text: &str) -> String {
        parse(text.as_bytes()).expect_err("the file is not valid").chain()
    }

    fn entry(lines: &str) -> String {
        format!("[[token]]\nname = \"ci\"\nrole = \"operator\"\n{lines}\n")
    }

    #[test]
    fn the_text_of_an_entry_is_read_as_the_same_entry() {
        let time = "2027-01-31T00:00:00Z".parse().expect("a time");
        let entry = TokenEntry::new("a \"b\" \\c", Role::Admin, HASH).expect("valid").expires(time);
        let list = parse(entry.to_string().as_bytes()).expect("the text of an entry is valid");
        assert_eq!(format!("{list:?}"), format!("{:?}", TokenList::default().joined(&list).expect("valid")));
        assert!(format!("{list:?}").contains("role: Admin"));
        assert_eq!(list.len(), 1);
    }

    #[test]
    fn each_mistake_in_a_file_is_refused_with_its_place() {
        let valid = entry(&format!("sha256 = \"{HASH}\""));
        let cases = [
            (entry(""), "token 1 has no field `sha256`"),
            (entry("sha256 = 5"), "token 1: `sha256` is not text"),
            (entry(&format!("sha265 = \"{HASH}\"")), "did you mean `sha256`?"),
            (entry(&format!("sha256 = \"{HASH}\"\nsecret = \"x\"")), "token 1 has an unknown field"),
            (valid.replace("operator", "root"), "the roles are `viewer`, `operator` and `admin`"),
            (valid.replace("[[token]]", "[[tokens]]"), "did you mean `token`?"),
            (valid.replace("[[token]]", "[token]"), "`token` is not a list of tables"),
            (valid.repeat(2), "two tokens have the name `ci`"),
            (
                format!("{valid}{}", valid.replace("\"ci\"", "\"b\"")),
                "the tokens `ci` and `b` have the same hash",
            ),
            (valid.replace("\"ci\"", "\"c\\ni\""), "control character"),
            (format!("{valid}expires = 2027-01-31"), "`expires` is not a time with an offset"),
            (format!("{valid}expires = 2027-01-31T00:00:00"), "`expires` is not a time with an offset"),
            (format!("{valid}\nname"), "line 6 is not valid TOML"),
        ];
        for (text, expected) in cases {
            assert!(error(&text).contains(expected), "{text}\ngives: {}", error(&text));
        }
        assert!(error(&String::from_utf8_lossy(&[0xff])).contains("not valid TOML"));
        assert!(parse(&[0xff]).is_err());
    }

    #[test]
    fn an_error_about_a_file_contains_no_value_of_it() {
        let secret = format!("koan_{}", "s".repeat(43));
        let files = [
            format!("{secret}\n"),
            format!("{secret} = 1\n"),
            format!("token = \"{secret}\"\n"),
            format!("token = \"{secret}\n"),
            entry(&format!("sha256 = \"{secret}\"")),
            entry(&format!("sha256 = \"{HASH}\"\nexpires = \"{secret}\"")),
            entry(&format!("{secret} = 1")),
            format!("[[token]]\nname = \"{secret}\"\nrole = \"viewer\"\nsha256 = \"{HASH}\"\n"),
            format!("[[token]]\nname = \"a\"\nrole = \"{secret}\"\nsha256 = \"{HASH}\"\n"),
        ];
        for file in files {
            assert!(!error(&file).contains("ssss"), "the error contains a value: {}", error(&file));
        }
    }
}

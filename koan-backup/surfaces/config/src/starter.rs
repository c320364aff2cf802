//! The commented starter file of `koan-backup init`.

use koan_backup_core::{ApplicationIdentity, Error, ErrorKind, Result};

use crate::effective::without_credentials;

/// The lines of the starter file that name the application and the database.
const APPLICATION_LINE: &str = "application = \"shop\"";
const PROVIDER_LINE: &str = "main = \"sqlite:shop.db\"";

/// The schemes of databases.
const PROVIDER_SCHEMES: [&str; 5] = ["sqlite", "postgres", "postgresql", "json", "memory"];

/// Returns the text of a commented `koan.toml` to start from.
///
/// ```
/// assert!(koan_backup::config::starter().contains("[providers]"));
/// ```
pub fn starter() -> &'static str {
    include_str!("starter/koan.toml")
}

/// Returns the text of [`starter`] for an application and the URL of its database.
///
/// ```
/// let text = koan_backup::config::starter_for("notes", "sqlite:notes.db")?;
/// assert!(text.contains("\nmain = \"sqlite:notes.db\"\n"));
/// # Ok::<(), koan_backup::Error>(())
/// ```
///
/// # Errors
/// The name is not valid, or the URL is not that of a supported database, or contains a password, which does not belong
/// in a file.
pub fn starter_for(application: &str, url: &str) -> Result<String> {
    ApplicationIdentity::new(application, "development")?;
    if without_credentials(url) != url {
        return Err(Error::new(
            ErrorKind::Configuration,
            "the URL contains a password, which is not written to a file",
        )
        .with_help("omit the password, and set `password = { env = \"…\" }` for the provider in the file"));
    }
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    if !PROVIDER_SCHEMES.contains(&scheme) {
        let text = format!("`{}` is not the URL of a supported database", url.escape_debug());
        return Err(Error::new(ErrorKind::Configuration, text)
            .with_help("for example `sqlite:shop.db`, `postgres://user@host/database` or `json:./data`"));
    }
    // A string of JSON is also a string of TOML.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    Ok(starter().replacen(APPLICATION_LINE, &format!("application = {}", quoted(application)), 1).replacen(
        PROVIDER_LINE,
        &format!("main = {}", quoted(url)),
        1,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_that_are_replaced_exist_once() {
        for line in [APPLICATION_LINE, PROVIDER_LINE] {
            let count = starter().lines().filter(|existing| *existing == line).count();
            assert_eq!(count, 1, "{line}");
        }
    }

    #[test]
    fn a_password_is_not_written() {
        let error = starter_for("notes", "postgres://ada:secret@host/notes").expect_err("a password");
        assert!(!error.chain().contains("secret"), "{}", error.chain());
        assert!(starter_for("notes", "postgres://ada@host/notes").is_ok());
        assert!(starter_for("", "sqlite:notes.db").is_err(), "an application has a name");
    }
}

//! Reads the schema of a database for the generated module.

use koan_backup_core::{Error, ErrorKind, Result, provider::Provider};

use crate::compare::{Difference, compare};
use crate::options::GenerateOptions;
use crate::render::render;

/// Reads the schema of a database, and returns the text of a module with its entities.
///
/// All rows of the database may be read, because the type of a field must fit every stored value. Nothing is
/// written. Dropping the future stops the work.
///
/// # Errors
/// The database cannot be read, or its provider has no tables.
pub async fn generate(provider: &dyn Provider, options: &GenerateOptions) -> Result<String> {
    Ok(render(&provider.database_schema().await?, options))
}

/// Reads the schema of a database, and returns its differences from the module `module_text`. The result is empty if
/// the module covers the database.
///
/// # Errors
/// The database cannot be read, its provider has no tables, or the module is not valid Rust.
pub async fn check(provider: &dyn Provider, module_text: &str) -> Result<Vec<Difference>> {
    compare(module_text, &provider.database_schema().await?)
}

/// Opens the database of a URL: `sqlite:shop.db`, or `postgres://user@host/database`. Programs that need other
/// options, such as ignored tables, open the provider themselves.
///
/// # Errors
/// The URL has another scheme, the feature for the database is not enabled, or the database cannot be opened.
pub fn open(url: &str) -> Result<Box<dyn Provider>> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        return open_sqlite(path.strip_prefix("//").unwrap_or(path));
    }
    if url.starts_with("postgres:") || url.starts_with("postgresql:") {
        return open_postgres(url);
    }
    // The URL may contain a password, so the message contains only its scheme.
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    Err(Error::new(
        ErrorKind::Configuration,
        format!(
            "the scheme `{}` is not that of a database with tables; use `sqlite:shop.db` or \
             `postgres://user@host/database`",
            scheme.escape_debug()
        ),
    ))
}

#[cfg(feature = "sqlite")]
fn open_sqlite(path: &str) -> Result<Box<dyn Provider>> {
    if !std::path::Path::new(path).exists() {
        let text = format!("the database `{path}` does not exist");
        return Err(Error::new(ErrorKind::NotFound, text).with_help("correct the path in the URL"));
    }
    Ok(Box::new(koan_backup_sqlite::Sqlite::options(path).read_only().open()?))
}

#[cfg(not(feature = "sqlite"))]
fn open_sqlite(_path: &str) -> Result<Box<dyn Provider>> {
    Err(missing_feature("sqlite"))
}

#[cfg(feature = "postgres")]
fn open_postgres(url: &str) -> Result<Box<dyn Provider>> {
    Ok(Box::new(koan_backup_postgres::Postgres::connect(url)?))
}

#[cfg(not(feature = "postgres"))]
fn open_postgres(_url: &str) -> Result<Box<dyn Provider>> {
    Err(missing_feature("postgres"))
}

#[cfg(not(all(feature = "sqlite", feature = "postgres")))]
fn missing_feature(feature: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("this program was built without the feature `{feature}`; build it with the feature"),
    )
}

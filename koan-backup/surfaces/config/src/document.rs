//! Reads a configuration file: TOML, YAML or JSON, by its extension.

mod json;
mod toml;
mod yaml;

use std::io::ErrorKind;
use std::path::Path;

use koan_backup_core::read_bounded;

use crate::node::Node;
use crate::origin::Places;
use crate::problem::Problem;

pub(crate) use toml::value;

/// The maximum size of a configuration file.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// Reads a file.
///
/// # Errors
/// The file cannot be read, its format is unknown, or it is malformed.
pub(crate) fn read(path: &Path) -> Result<Node, Problem> {
    let shown = path.display();
    let bytes = read_bounded(path, MAX_FILE_BYTES).map_err(|source| {
        let remedy = match source.kind() {
            ErrorKind::NotFound => "create it, or specify another path",
            ErrorKind::PermissionDenied => "give this user permission to read it, or specify another path",
            _ => "specify a regular file of at most 4 MiB",
        };
        Problem::of_file(format!("the configuration `{shown}` cannot be read: {source}")).with_remedy(remedy)
    })?;
    let text = String::from_utf8(bytes).map_err(|_| {
        Problem::of_file(format!("the configuration `{shown}` is not text in UTF-8"))
            .with_remedy("save it as UTF-8")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let places = Places::new(path.to_owned(), text);
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "toml" => toml::parse(&places),
        "yaml" | "yml" => yaml::parse(&places),
        "json" => json::parse(&places),
        _ => Err(Problem::of_file(format!("the format of the configuration `{shown}` is unknown"))
            .with_remedy("use a name that ends with `.toml`, `.yaml`, `.yml` or `.json`")),
    }
}

//! Reads a configuration file: TOML, YAML or JSON, by its extension.

mod json;
mod toml;
mod yaml;

use std::path::Path;

use crate::node::Node;
use crate::origin::Places;
use crate::problem::Problem;

pub(crate) use toml::value;

/// Reads a file.
///
/// # Errors
/// The file cannot be read, its format is unknown, or it is malformed.
pub(crate) fn read(path: &Path) -> Result<Node, Problem> {
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(|source| {
        Problem::of_file(format!("the configuration `{shown}` cannot be read: {source}"))
            .with_remedy("create it, or specify another path")
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

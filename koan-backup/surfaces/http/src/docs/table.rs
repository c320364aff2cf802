//! Tables of the page.

use super::html::Text;

/// Returns the beginning of a table.
pub(super) fn table(caption: &str, columns: &[&str]) -> String {
    let head: String =
        columns.iter().map(|column| format!("<th scope=\"col\">{}</th>", Text(column))).collect();
    format!("<table><caption>{}</caption><thead><tr>{head}</tr></thead><tbody>", Text(caption))
}

//! Text literals of SQL.

/// Returns a text as a literal of SQL. Backslashes need no escape, because every connection sets
/// `standard_conforming_strings`.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

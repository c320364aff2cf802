//! Quotes the names of tables and columns for SQL, and folds them for comparison.

pub use koan_backup_core::provider::folded;

/// Returns a name as a quoted SQL identifier.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns names as a list of quoted SQL identifiers.
pub fn quoted_list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// Returns names as a list for a message: each name in backticks, separated by commas.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_quotes_and_semicolons_is_quoted_as_one_identifier() {
        assert_eq!(quoted("a\"; drop table b; --"), "\"a\"\"; drop table b; --\"");
        assert_eq!(quoted_list(["a", "b c"]), "\"a\", \"b c\"");
    }
}

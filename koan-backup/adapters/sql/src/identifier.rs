//! Quotes the names of tables and columns for SQL, and folds them for comparison.

/// Returns a name as a quoted SQL identifier.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns names as a list of quoted SQL identifiers.
pub fn quoted_list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// Returns a name in lower case and without underscores: `InvoiceLine` and `invoice_line` have the same
/// result.
pub fn folded(name: &str) -> String {
    name.chars().filter(|&c| c != '_').flat_map(char::to_lowercase).collect()
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

    #[test]
    fn folded_names_differ_neither_by_case_nor_by_underscores() {
        assert_eq!(folded("InvoiceLine"), folded("invoice_line"));
        assert_ne!(folded("InvoiceLine"), folded("invoice_lines"));
    }
}

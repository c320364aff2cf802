//! Compares the names of tables and entities.

/// Returns a name in lower case and without underscores: `InvoiceLine` and `invoice_line` have the same
/// result.
pub fn folded(name: &str) -> String {
    name.chars().filter(|&c| c != '_').flat_map(char::to_lowercase).collect()
}

/// Returns whether two names are equal when case, underscores and plural forms are ignored.
pub fn is_near(name: &str, wanted: &str) -> bool {
    let (name, wanted) = (folded(name), folded(wanted));
    let plural_of = |plural: &str, singular: &str| {
        plural.strip_suffix('s') == Some(singular)
            || plural.strip_suffix("es") == Some(singular)
            || plural.strip_suffix("ies").is_some_and(|stem| singular.strip_suffix('y') == Some(stem))
    };
    name == wanted || plural_of(&name, &wanted) || plural_of(&wanted, &name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_names_differ_neither_by_case_nor_by_underscores() {
        assert_eq!(folded("InvoiceLine"), folded("invoice_line"));
        assert_ne!(folded("InvoiceLine"), folded("invoice_lines"));
    }

    #[test]
    fn near_names_differ_by_case_underscores_or_a_plural_form() {
        for (name, wanted) in [("invoice_lines", "InvoiceLine"), ("boxes", "Box"), ("Entry", "entries")] {
            assert!(is_near(name, wanted), "{name} {wanted}");
        }
        assert!(!is_near("order", "order_line"));
    }
}

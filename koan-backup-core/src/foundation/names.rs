//! Names in messages: lists, and suggestions for unknown names.

/// Formats names for a message: `` `a`, `b` ``, or `none` for an empty list.
pub(crate) fn names<S: AsRef<str>>(names: impl Iterator<Item = S>) -> String {
    let names: Vec<_> = names.map(|name| format!("`{}`", name.as_ref())).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// The number of characters of a name for each edit that a misspelling of it may contain. At least one edit is allowed.
const CHARACTERS_PER_EDIT: usize = 3;

/// Returns the remedy for an unknown name as the end of a message: the most similar known name, or all known names.
pub(crate) fn suggestion<'a>(unknown: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let edits = |name: &str| strsim::damerau_levenshtein(&unknown.to_lowercase(), &name.to_lowercase());
    let similar = known
        .clone()
        .map(|name| (edits(name), name))
        .filter(|(edits, name)| *edits <= (name.chars().count() / CHARACTERS_PER_EDIT).max(1));
    match similar.min_by_key(|(edits, _)| *edits) {
        Some((_, name)) => format!("did you mean `{name}`?"),
        None => format!("the known names are {}", names(known)),
    }
}

#[cfg(test)]
mod tests {
    use super::suggestion;

    #[test]
    fn a_misspelt_name_suggests_the_similar_one_and_another_name_lists_all() {
        let known = ["main", "billing"];
        let suggest = |name| suggestion(name, known.into_iter());
        assert_eq!(suggest("biling"), "did you mean `billing`?");
        assert_eq!(suggest("Main"), "did you mean `main`?");
        assert_eq!(suggest("orders"), "the known names are `main`, `billing`");
        assert_eq!(super::suggestion("orders", std::iter::empty()), "the known names are none");
    }
}

//! Remedies for names that are unknown: what was probably meant, and where an option belongs.

/// The number of characters of a name for each edit that a misspelling of it may contain. At least one edit is allowed.
const CHARACTERS_PER_EDIT: usize = 3;

/// Returns the known name that a name is probably a misspelling of.
pub(crate) fn near<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let edits = |other: &str| strsim::damerau_levenshtein(&name.to_lowercase(), other);
    let misspelt = known.map(|other| (edits(other), other));
    misspelt
        .filter(|(edits, other)| *edits <= (other.len() / CHARACTERS_PER_EDIT).max(1))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, other)| other)
}

/// Returns "did you mean …?" with the nearest name, or the list of the known names after `introduction`.
pub(crate) fn or_known<'a>(
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
    introduction: &str,
) -> String {
    match near(name, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let known = known.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            format!("{introduction} {known}")
        }
    }
}

/// What an option is called here, if it has another name in other libraries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Synonym {
    /// The option with this name.
    Of(&'static str),
    /// `enabled = false, reason = "…"` of `#[entity_backup]`.
    Excluded,
}

/// Returns what an option is called here, by the names that other libraries have for it.
pub(crate) fn synonym(name: &str) -> Option<Synonym> {
    Some(Synonym::Of(match name {
        "primary_key" | "primarykey" | "pk" | "id" | "primary" | "keys" => "key",
        "rename" | "entity_name" => "name",
        "table_name" | "tablename" | "collection" | "collection_name" => "table",
        "column_name" | "col" | "db_column" => "column",
        "aliases" | "old_name" | "old_names" | "renamed_from" | "formerly" => "alias",
        "database" | "db" | "source" => "provider",
        "encrypted" | "encryption" | "secret" | "sensitive" => "encrypt",
        "schema" | "with_schema" => "include_schema",
        "retention" | "keep_days" | "days" | "keep" => "retention_days",
        "because" | "why" => "reason",
        "enable" => "enabled",
        "skip" | "exclude" | "ignore" | "excluded" | "ignored" | "skipped" | "disabled" | "disable"
        | "no_backup" => {
            return Some(Synonym::Excluded);
        }
        _ => return None,
    }))
}

/// Returns what an option of `#[event_stream(…)]` is called here, by the names that other libraries have for it.
pub(crate) fn of_stream(name: &str) -> Option<&'static str> {
    Some(match name {
        "name" | "object_name" | "object_type" | "aggregate" | "aggregate_type" | "stream" | "category" => {
            "object"
        }
        "type" | "event_type" | "type_field" => "tag",
        "payload" | "data" => "content",
        "database" | "db" | "source" | "store" | "event_store" => "provider",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::near;

    #[test]
    fn a_misspelt_name_suggests_the_nearest_known_one_and_another_name_suggests_none() {
        let known = ["name", "table", "provider", "alias", "key", "crate"];
        let near = |name| near(name, known.into_iter());
        assert_eq!(near("nmae"), Some("name"));
        assert_eq!(near("Table"), Some("table"));
        assert_eq!(near("tabel"), Some("table"));
        assert_eq!(near("providr"), Some("provider"));
        assert_eq!(near("kye"), Some("key"));
        assert_eq!(near("colour"), None);
    }
}

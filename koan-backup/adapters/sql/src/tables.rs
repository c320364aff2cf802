//! The names of tables, and the errors about missing and ambiguous tables.

use koan_backup_core::{Error, ErrorKind, SetName, entity::EntityCodec};

use super::identifier::listed;

pub use koan_backup_core::provider::is_near;

/// Returns the name of the table that contains a set of an entity. `root` is the table of the default set.
pub fn set_table(root: &str, set: &SetName) -> String {
    if set.is_root() { root.to_owned() } else { format!("{root}#{set}") }
}

/// Returns the error about an entity whose name matches more than one table.
pub fn ambiguous<'a>(entity: &EntityCodec, tables: impl Iterator<Item = &'a str>) -> Error {
    Error::new(
        ErrorKind::Configuration,
        format!(
            "{} matches each of the tables {}; declare its table with #[entity(table = \"…\")]",
            entity.name(),
            listed(tables),
        ),
    )
}

/// Returns the error about an entity whose name matches an object that is not a table. `what` describes the
/// object, for example `a view`.
pub fn not_a_table(entity: &EntityCodec, name: &str, what: &str) -> Error {
    Error::new(
        ErrorKind::Configuration,
        format!(
            "{} matches `{name}`, which is {what}; declare a table with #[entity(table = \"…\")], or \
             exclude the entity with #[entity_backup(enabled = false, reason = \"…\")]",
            entity.name(),
        ),
    )
}

/// Returns the error about an entity without a table. `location` describes where the table was searched, and
/// `similar` is a table with a similar name.
pub fn not_found(entity: &EntityCodec, wanted: &str, location: &str, similar: Option<&str>) -> Error {
    let remedy = match similar {
        Some(table) => format!("did you mean #[entity(table = \"{}\")]?", table.escape_debug()),
        None => "create the table, or declare another table with #[entity(table = \"…\")]".to_owned(),
    };
    let absence = if entity.descriptor().table().is_some() {
        format!("there is no table `{wanted}`")
    } else {
        format!(
            "there is no table `{wanted}`, and none whose name differs from it only in case and underscores"
        )
    };
    let name = entity.name();
    Error::new(
        ErrorKind::NotFound,
        format!("{name} has no table in this database: {absence}{location}; {remedy}"),
    )
}

/// Returns the error about a set without a table.
pub fn no_set(entity: &EntityCodec, set: &SetName, table: &str) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!(
            "set `{set}` of {} has no table: table `{table}` does not exist; restore the set with \
             `create_missing`, or create the table",
            entity.name(),
        ),
    )
}

/// Returns the message that entities cannot share a table.
pub fn shared<'a>(table: &str, others: impl IntoIterator<Item = &'a str>) -> String {
    format!(
        "shares table `{table}` with {}; a restore of one entity with `replace_existing` would remove the \
         rows of the others, so combine them in one entity that has all the columns",
        listed(others)
    )
}

//! Names of tables, and the errors about missing and ambiguous tables.

use koan_backup_core::{Error, ErrorKind, SetName, entity::EntityCodec};

use super::identifier::{folded, listed};

/// Returns the name of the table that holds a set of the entity whose default set is in `root`.
pub fn set_table(root: &str, set: &SetName) -> String {
    if set.is_root() { root.to_owned() } else { format!("{root}#{set}") }
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

/// Returns the error about an entity whose name fits more than one table.
pub fn ambiguous<'a>(entity: &EntityCodec, tables: impl Iterator<Item = &'a str>) -> Error {
    Error::new(
        ErrorKind::Configuration,
        format!(
            "{} could be in each of the tables {}; say which with #[entity(table = \"…\")]",
            entity.name(),
            listed(tables),
        ),
    )
}

/// Returns the error about an entity whose name fits something that is not a table.
pub fn not_a_table(entity: &EntityCodec, name: &str, what: &str) -> Error {
    Error::new(
        ErrorKind::Configuration,
        format!(
            "{} would be in `{name}`, which is {what}; name a table with #[entity(table = \"…\")], or exclude the entity with \
             #[entity_backup(enabled = false, reason = \"…\")]",
            entity.name(),
        ),
    )
}

/// Returns the error about an entity without a table. `place` describes where the table was searched, and
/// `near` is a table with a similar name.
pub fn not_found(entity: &EntityCodec, wanted: &str, place: &str, near: Option<&str>) -> Error {
    let remedy = match near {
        Some(table) => format!("did you mean #[entity(table = \"{}\")]?", table.escape_debug()),
        None => "make the table, or say which it is with #[entity(table = \"…\")]".to_owned(),
    };
    let looked = if entity.descriptor().table().is_some() {
        format!("there is no table `{wanted}`")
    } else {
        format!("there is no table `{wanted}`, nor one that differs from it in case and underscores only")
    };
    let name = entity.name();
    Error::new(ErrorKind::NotFound, format!("{name} is not in this database: {looked}{place}; {remedy}"))
}

/// Returns the error about a set without a table.
pub fn no_set(entity: &EntityCodec, set: &SetName, table: &str) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!(
            "set `{set}` of {} would be in a table `{table}`, which does not exist; restore it with `create_missing`, or \
             make the table",
            entity.name(),
        ),
    )
}

/// Returns the message that entities cannot share a table.
pub fn shared<'a>(table: &str, others: impl IntoIterator<Item = &'a str>) -> String {
    format!(
        "shares table `{table}` with {}; restoring one with `replace_existing` would take the rows of the other, so \
         make one entity of them that has all the columns",
        listed(others)
    )
}

//! Finds the tables of sets: if table `note` contains the default set of an entity, table `note#archive`
//! contains its set `archive`.

use koan_backup_core::{Error, ErrorKind, Result, SetName, entity::EntityCodec};

use super::super::catalog::{Catalog, Table, TableKind};
use koan_backup_sql::identifier::{folded, listed};
use koan_backup_sql::tables::{no_set, set_table};

/// Returns the sets that have a table, except the default set, in the order of their names. `root` is the
/// table of the default set.
pub(in super::super) fn named_sets<'c>(
    catalog: &'c Catalog,
    entity: &EntityCodec,
    root: &Table,
) -> Vec<(SetName, &'c Table)> {
    let mut sets: Vec<_> = suffixed_tables(catalog, entity, root)
        .filter_map(|(name, table)| Some((SetName::new(name).ok()?, table)))
        .filter(|(set, _)| !set.is_root())
        .collect();
    let is_exact = |(set, table): &(SetName, &Table)| table.name == set_table(&root.name, set);
    sets.sort_by(|a, b| a.0.cmp(&b.0).then(is_exact(b).cmp(&is_exact(a))));
    sets
}

/// Returns the table that is named as if it contained a set `root`. Such a table is not used, because `root`
/// is the name of the default set.
pub(in super::super) fn table_named_root<'c>(
    catalog: &'c Catalog,
    entity: &EntityCodec,
    root: &Table,
) -> Option<&'c Table> {
    suffixed_tables(catalog, entity, root)
        .find(|(set, _)| *set == SetName::root().as_str())
        .map(|(_, table)| table)
}

/// Finds the table of a set that is not the default set.
pub(super) fn find<'c>(
    catalog: &'c Catalog,
    entity: &EntityCodec,
    root: &Table,
    set: &SetName,
) -> Result<&'c Table> {
    let name = set_table(&root.name, set);
    let found: Vec<&Table> = suffixed_tables(catalog, entity, root)
        // SQLite itself compares names without regard to case.
        .filter(|(other, _)| other.eq_ignore_ascii_case(set.as_str()))
        .map(|(_, table)| table)
        .collect();
    match found.as_slice() {
        [table] => Ok(table),
        [] => Err(no_set(entity, set, &name)),
        several => {
            several.iter().find(|table| table.name.eq_ignore_ascii_case(&name)).copied().ok_or_else(|| {
                Error::new(
                    ErrorKind::Configuration,
                    format!(
                        "set `{set}` of {} matches each of the tables {}; rename all of these tables except \
                         one",
                        entity.name(),
                        listed(several.iter().map(|table| table.name.as_str())),
                    ),
                )
            })
        }
    }
}

/// Returns the tables whose name consists of the name of the default set's table, `#` and a suffix. Each
/// table is returned with its suffix.
fn suffixed_tables<'c>(
    catalog: &'c Catalog,
    entity: &EntityCodec,
    root: &Table,
) -> impl Iterator<Item = (&'c str, &'c Table)> {
    let is_declared = entity.descriptor().table().is_some();
    let is_root = move |name: &str| {
        name.eq_ignore_ascii_case(&root.name)
            || !is_declared
                && folded(name) == folded(&root.name)
                // If another table has exactly this name, the name refers to that table.
                && !catalog.tables.iter().any(|table| table.name.eq_ignore_ascii_case(name))
    };
    let tables = catalog.tables.iter().filter(|table| table.kind == TableKind::Table);
    tables.filter_map(move |table| {
        let (name, set) = table.name.rsplit_once('#')?;
        is_root(name).then_some((set, table))
    })
}

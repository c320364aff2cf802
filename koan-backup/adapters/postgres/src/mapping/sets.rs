//! Finds the tables of sets: if table `note` contains the default set of an entity, table `note#archive`
//! contains its set `archive`.

use koan_backup_core::{Result, SetName, entity::EntityCodec};

use super::super::catalog::{Catalog, Table};
use koan_backup_sql::tables::{no_set, set_table};

/// Returns the sets that have a table, except the default set, in the order of their names. `root` is the
/// table of the default set.
pub(in super::super) fn named_sets<'c>(catalog: &'c Catalog, root: &Table) -> Vec<(SetName, &'c Table)> {
    let mut sets: Vec<_> = suffixed_tables(catalog, root)
        .filter_map(|(name, table)| Some((SetName::new(name).ok()?, table)))
        .filter(|(set, _)| !set.is_root())
        .collect();
    sets.sort_by(|a, b| a.0.cmp(&b.0));
    sets
}

/// Returns the table that is named as if it contained a set `root`. Such a table is not used, because `root`
/// is the name of the default set.
pub(in super::super) fn table_named_root<'c>(catalog: &'c Catalog, root: &Table) -> Option<&'c Table> {
    suffixed_tables(catalog, root).find(|(set, _)| *set == SetName::root().as_str()).map(|(_, table)| table)
}

/// Finds the table of a set that is not the default set.
pub(super) fn find<'c>(
    catalog: &'c Catalog,
    entity: &EntityCodec,
    root: &Table,
    set: &SetName,
) -> Result<&'c Table> {
    let found = suffixed_tables(catalog, root).find(|(name, _)| *name == set.as_str());
    found.map(|(_, table)| table).ok_or_else(|| no_set(entity, set, &set_table(&root.name, set)))
}

/// Returns the tables whose name consists of the name of the default set's table, `#` and a suffix. Each
/// table is returned with its suffix.
fn suffixed_tables<'c>(catalog: &'c Catalog, root: &Table) -> impl Iterator<Item = (&'c str, &'c Table)> {
    let tables = catalog.tables.iter().filter(|table| table.is_table() && table.schema == root.schema);
    tables.filter_map(move |table| {
        let (name, set) = table.name.rsplit_once('#')?;
        (name == root.name).then_some((set, table))
    })
}

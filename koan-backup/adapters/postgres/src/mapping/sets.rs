//! Finds the tables of sets: table `note#archive` holds the set `archive` of the entity in `note`.

use koan_backup_core::{Result, SetName, entity::EntityCodec};

use super::super::catalog::{Catalog, Table};
use koan_backup_sql::tables::{no_set, set_table};

/// Returns the sets that have a table, without the default one, in the order of their names. `root` is the
/// table of the default set.
pub(in super::super) fn named_sets<'c>(catalog: &'c Catalog, root: &Table) -> Vec<(SetName, &'c Table)> {
    let mut sets: Vec<_> = suffixed_tables(catalog, root)
        .filter_map(|(name, table)| Some((SetName::new(name).ok()?, table)))
        .filter(|(set, _)| !set.is_root())
        .collect();
    sets.sort_by(|a, b| a.0.cmp(&b.0));
    sets
}

/// Returns the table with the name of a set called `root`. It is not used, because `root` is the name of the
/// default set.
pub(in super::super) fn table_named_root<'c>(catalog: &'c Catalog, root: &Table) -> Option<&'c Table> {
    suffixed_tables(catalog, root).find(|(set, _)| *set == SetName::root().as_str()).map(|(_, table)| table)
}

/// Finds the table of a set other than the default one.
pub(super) fn find<'c>(
    catalog: &'c Catalog,
    entity: &EntityCodec,
    root: &Table,
    set: &SetName,
) -> Result<&'c Table> {
    let found = suffixed_tables(catalog, root).find(|(name, _)| *name == set.as_str());
    found.map(|(_, table)| table).ok_or_else(|| no_set(entity, set, &set_table(&root.name, set)))
}

/// Returns the tables named like the table of the default set, followed by `#` and a suffix, each with that
/// suffix.
fn suffixed_tables<'c>(catalog: &'c Catalog, root: &Table) -> impl Iterator<Item = (&'c str, &'c Table)> {
    let tables = catalog.tables.iter().filter(|table| table.is_table() && table.schema == root.schema);
    tables.filter_map(move |table| {
        let (name, set) = table.name.rsplit_once('#')?;
        (name == root.name).then_some((set, table))
    })
}

//! The tables beside the one of the default set: `note#archive` is the set `archive` of what is in `note`.

use koan_backup_core::{Result, SetName, entity::EntityCodec};

use super::super::catalog::{Catalog, Table};
use koan_backup_sql::tables::{no_set, set_table};

/// The sets of the entity in `root` that have a table, without the default one, in the order of their names.
pub(in super::super) fn named_sets<'c>(catalog: &'c Catalog, root: &Table) -> Vec<(SetName, &'c Table)> {
    let mut sets: Vec<_> = beside(catalog, root)
        .filter_map(|(name, table)| Some((SetName::new(name).ok()?, table)))
        .filter(|(set, _)| !set.is_root())
        .collect();
    sets.sort_by(|a, b| a.0.cmp(&b.0));
    sets
}

/// The table that would be the set `root`, were that not the name of the default set.
pub(in super::super) fn root_twin<'c>(catalog: &'c Catalog, root: &Table) -> Option<&'c Table> {
    beside(catalog, root).find(|(set, _)| *set == SetName::root().as_str()).map(|(_, table)| table)
}

/// The table of a set that is not the default one.
pub(super) fn find<'c>(
    catalog: &'c Catalog,
    entity: &EntityCodec,
    root: &Table,
    set: &SetName,
) -> Result<&'c Table> {
    let found = beside(catalog, root).find(|(name, _)| *name == set.as_str());
    found.map(|(_, table)| table).ok_or_else(|| no_set(entity, set, &set_table(&root.name, set)))
}

/// What is called like the table of the default set, `#` and something: that, and the table.
fn beside<'c>(catalog: &'c Catalog, root: &Table) -> impl Iterator<Item = (&'c str, &'c Table)> {
    let tables = catalog.tables.iter().filter(|table| table.is_table() && table.schema == root.schema);
    tables.filter_map(move |table| {
        let (name, set) = table.name.rsplit_once('#')?;
        (name == root.name).then_some((set, table))
    })
}

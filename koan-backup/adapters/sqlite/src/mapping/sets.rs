//! The tables beside the one of the default set: `note#archive` is the set `archive` of what is in `note`.

use koan_backup_core::{Error, ErrorKind, Result, SetName, entity::EntityCodec};

use super::super::catalog::{Catalog, Table, TableKind};
use koan_backup_sql::identifier::{folded, listed};
use koan_backup_sql::tables::{no_set, set_table};

/// The sets of the entity in `root` that have a table, without the default one, in the order of their names.
pub(in super::super) fn named_sets<'c>(
    catalog: &'c Catalog,
    entity: &EntityCodec,
    root: &Table,
) -> Vec<(SetName, &'c Table)> {
    let mut sets: Vec<_> = beside(catalog, entity, root)
        .filter_map(|(name, table)| Some((SetName::new(name).ok()?, table)))
        .filter(|(set, _)| !set.is_root())
        .collect();
    let is_exact = |(set, table): &(SetName, &Table)| table.name == set_table(&root.name, set);
    sets.sort_by(|a, b| a.0.cmp(&b.0).then(is_exact(b).cmp(&is_exact(a))));
    sets
}

/// The table that would be the set `root`, were that not the name of the default set.
pub(in super::super) fn root_twin<'c>(
    catalog: &'c Catalog,
    entity: &EntityCodec,
    root: &Table,
) -> Option<&'c Table> {
    beside(catalog, entity, root).find(|(set, _)| *set == SetName::root().as_str()).map(|(_, table)| table)
}

/// The table of a set that is not the default one.
pub(super) fn find<'c>(
    catalog: &'c Catalog,
    entity: &EntityCodec,
    root: &Table,
    set: &SetName,
) -> Result<&'c Table> {
    let name = set_table(&root.name, set);
    let found: Vec<&Table> = beside(catalog, entity, root)
        // SQLite itself does not tell names apart by case.
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
                        "set `{set}` of {} could be in each of the tables {}; rename all of them but one",
                        entity.name(),
                        listed(several.iter().map(|table| table.name.as_str())),
                    ),
                )
            })
        }
    }
}

/// What is called like the table of the default set, `#` and something: that, and the table.
fn beside<'c>(
    catalog: &'c Catalog,
    entity: &EntityCodec,
    root: &Table,
) -> impl Iterator<Item = (&'c str, &'c Table)> {
    let is_named = entity.descriptor().table().is_some();
    let is_root = move |name: &str| {
        name.eq_ignore_ascii_case(&root.name)
            || !is_named
                && folded(name) == folded(&root.name)
                // What is called like another table is beside that one.
                && !catalog.tables.iter().any(|table| table.name.eq_ignore_ascii_case(name))
    };
    let tables = catalog.tables.iter().filter(|table| table.kind == TableKind::Table);
    tables.filter_map(move |table| {
        let (name, set) = table.name.rsplit_once('#')?;
        is_root(name).then_some((set, table))
    })
}

//! How entities cover the tables of a database.

use std::collections::BTreeMap;

use koan_backup_core::{
    entity::EntityCodec,
    provider::EntityCoverage,
    schema::{FieldSchema, LogicalType},
};

use super::identifier::listed;
use super::tables::{is_near, shared};

/// The maximum number of names that a message lists.
const MAX_LISTED_NAMES: usize = 20;

/// An entity and the tables of a database that hold its records.
#[derive(Debug)]
pub struct EntityTables<'a, I> {
    /// The entity.
    pub entity: &'a EntityCodec,
    /// Its tables. The table of the default set is the first.
    pub tables: Vec<MatchedTable<I>>,
    /// Why the entity has no table.
    pub problem: Option<String>,
}

/// A table of an entity.
#[derive(Debug)]
pub struct MatchedTable<I> {
    /// Identifies the table in its database.
    pub id: I,
    /// The name in messages.
    pub table: String,
    /// How the table belongs to another table, for example as its partition.
    pub belongs: Option<String>,
    /// Which columns hold which fields, or why they cannot be matched.
    pub matched: Result<MatchedColumns, String>,
}

/// The columns of a table and the fields of an entity, as far as they belong together.
#[derive(Debug)]
pub struct MatchedColumns {
    /// Why records cannot be read or written.
    pub problem: Option<String>,
    /// Columns that hold a field.
    pub covered_columns: Vec<String>,
    /// Columns that hold no field.
    pub unmapped_columns: Vec<String>,
    /// Indexes of the fields that no column holds.
    pub unmapped_fields: Vec<usize>,
    /// Indexes of the fields of bytes that need several times their size in a line.
    pub bulky_fields: Vec<usize>,
}

/// Returns whether a field holds any number of bytes and serde writes them as a list of numbers.
pub fn is_bulky(field: &FieldSchema) -> bool {
    // An array has a length that is known when the program is compiled.
    field.logical == LogicalType::Bytes && field.wire.is_plain() && !field.rust_type.contains(';')
}

/// The tables that an application ignores.
#[derive(Debug)]
pub struct IgnoredTables<'a> {
    /// Names of tables, as the application wrote them, with the reasons.
    pub tables: &'a BTreeMap<String, String>,
    /// Returns whether a name, as the application wrote it, names a table of the database.
    pub names: fn(&str, &DatabaseTable<'_>) -> bool,
}

/// A table of the database.
#[derive(Debug)]
pub struct DatabaseTable<'a> {
    /// The name in messages.
    pub shown: &'a str,
    /// The schema of the table.
    pub schema: &'a str,
    /// The name without the schema.
    pub name: &'a str,
    /// The table whose partition this one is. Its rows are backed up with that table.
    pub partition_of: Option<&'a str>,
}

impl IgnoredTables<'_> {
    /// Returns whether the application ignores a table.
    pub fn contains(&self, table: &DatabaseTable<'_>) -> bool {
        self.tables.keys().any(|name| (self.names)(name, table))
    }

    /// Returns a warning for each name that has no effect: it names no table, or a table that is backed up.
    pub fn warnings<I>(&self, known: &[DatabaseTable<'_>], views: &[EntityTables<'_, I>]) -> Vec<String> {
        self.tables.keys().filter_map(|name| self.warning(name, known, views)).collect()
    }

    fn warning<I>(
        &self,
        name: &str,
        known: &[DatabaseTable<'_>],
        views: &[EntityTables<'_, I>],
    ) -> Option<String> {
        let called = format!("`ignore_table({name:?})`");
        let Some(table) = known.iter().find(|table| (self.names)(name, table)) else {
            let mapped =
                |shown: &str| views.iter().flat_map(|view| &view.tables).any(|seen| seen.table == shown);
            let free = known.iter().filter(|table| table.partition_of.is_none() && !self.contains(table));
            let free: Vec<&str> =
                free.map(|table| table.shown).filter(|shown| !mapped(shown)).take(MAX_LISTED_NAMES).collect();
            let near = known.iter().find(|table| is_near(table.name, name));
            let there = match (near, free.is_empty()) {
                (Some(near), _) => format!("did you mean `{}`?", near.shown),
                (None, true) => "every table is in an entity".to_owned(),
                (None, false) => format!("tables in no entity are {}", listed(free)),
            };
            return Some(format!("{called} names no table of the database: {there}"));
        };
        let entity = views.iter().find(|view| view.tables.iter().any(|seen| seen.table == table.shown));
        if let Some(view) = entity {
            return Some(format!(
                "{called} names the table of {}, which is backed up all the same; remove it, or exclude the entity with \
                 #[entity_backup(enabled = false, reason = \"…\")]",
                view.entity.name()
            ));
        }
        table.partition_of.map(|root| {
            format!(
                "{called} names a partition, whose rows are those of `{root}` and go where they go; remove it"
            )
        })
    }
}

/// Returns the coverage of each entity, in the order of `views`.
pub fn of_entities<I: PartialEq>(views: &[EntityTables<'_, I>]) -> Vec<EntityCoverage> {
    let of = |(index, view): (usize, &EntityTables<'_, I>)| {
        let others: Vec<_> =
            views.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, view)| view).collect();
        view.coverage(&others)
    };
    views.iter().enumerate().map(of).collect()
}

/// Returns the description of a table that belongs to no entity. If the name of the table would stand for the
/// set `root`, `root` is the table that actually holds this set.
pub fn unmapped_table(table: &str, root: Option<&String>) -> String {
    match root {
        Some(root) => format!("{table} (no set: the set `root` is table `{root}` itself; rename this one)"),
        None => table.to_owned(),
    }
}

impl<I: PartialEq> EntityTables<'_, I> {
    fn coverage(&self, others: &[&Self]) -> EntityCoverage {
        let mut coverage = EntityCoverage::new(self.entity.name());
        coverage.table = self.tables.first().map(|seen| seen.table.clone());
        coverage.belongs = self.tables.first().and_then(|seen| seen.belongs.clone());
        let mut problems: Vec<String> = self.problem.iter().cloned().collect();
        let fields = &self.entity.schema().fields;
        let absent = self.tables.first().and_then(|root| root.matched.as_ref().ok());
        let absent = absent.map_or(&[][..], |matched| &matched.unmapped_fields);
        for (index, seen) in self.tables.iter().enumerate() {
            let table = &seen.table;
            let called = |name: &str| match index {
                0 => name.to_owned(),
                _ => format!("{name} (in table `{table}`)"),
            };
            let sharing: Vec<(&Self, &MatchedTable<I>)> = others
                .iter()
                .flat_map(|view| view.tables.iter().map(move |seen| (*view, seen)))
                .filter(|(_, other)| other.id == seen.id)
                .collect();
            if !sharing.is_empty() {
                problems.push(shared(table, sharing.iter().map(|(view, _)| view.entity.name())));
            }
            match &seen.matched {
                Err(problem) => problems.push(problem.clone()),
                Ok(matched) => {
                    problems.extend(matched.problem.clone());
                    for &field in matched.bulky_fields.iter().filter(|_| index == 0) {
                        coverage.notes.push(format!(
                            "field `{}` holds bytes as a list of numbers, which takes up to five times their size and limits them to \
                             some 30 MB; #[serde(with = \"koan_backup::serde::base64\")] makes that 90 MB",
                            fields[field].name
                        ));
                    }
                    let elsewhere = |column: &String| sharing.iter().any(|(_, other)| other.covers(column));
                    let columns = matched.unmapped_columns.iter().filter(|column| !elsewhere(column));
                    coverage.unmapped_columns.extend(columns.map(|column| called(column)));
                    let unmapped = matched
                        .unmapped_fields
                        .iter()
                        .filter(|&&field| index == 0 || !absent.contains(&field));
                    coverage.unmapped_fields.extend(unmapped.map(|&field| called(&fields[field].name)));
                }
            }
        }
        coverage.problem = (!problems.is_empty()).then(|| problems.join("; "));
        coverage
    }
}

impl<I> MatchedTable<I> {
    /// Returns whether a field of the entity is in the column.
    fn covers(&self, column: &String) -> bool {
        self.matched.as_ref().is_ok_and(|matched| matched.covered_columns.contains(column))
    }
}

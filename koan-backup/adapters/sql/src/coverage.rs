//! How entities cover the tables of a database.

use std::collections::BTreeMap;

use koan_backup_core::{EntityCodec, EntityCoverage, FieldSchema, LogicalType};

use super::identifier::listed;
use super::tables::{is_near, shared};

/// Names that a message lists at most.
const LISTED: usize = 20;

/// What one entity has to do with a database.
pub struct View<'a, I> {
    pub entity: &'a EntityCodec,
    /// Its tables, that of the default set first.
    pub tables: Vec<Seen<I>>,
    /// Why there is none.
    pub problem: Option<String>,
}

/// A table as an entity sees it.
pub struct Seen<I> {
    /// What tells it from all others.
    pub id: I,
    /// Its name as people are told it.
    pub table: String,
    /// How it belongs to another table, if it does.
    pub belongs: Option<String>,
    /// What of it is in the entity, or why that cannot be told.
    pub matched: Result<Matched, String>,
}

/// What of a table is in an entity.
pub struct Matched {
    pub problem: Option<String>,
    pub covered_columns: Vec<String>,
    pub unmapped_columns: Vec<String>,
    pub unmapped_fields: Vec<usize>,
    /// Fields of bytes that need several times their size in a line.
    pub bulky_fields: Vec<usize>,
}

/// Whether a field holds any number of bytes that serde writes as a list of numbers.
pub fn is_bulky(field: &FieldSchema) -> bool {
    // An array has a length that is known when the program is compiled.
    field.logical == LogicalType::Bytes && field.wire.is_plain() && !field.rust_type.contains(';')
}

/// What the provider was told to leave out.
pub struct Ignored<'a> {
    pub tables: &'a BTreeMap<String, String>,
    /// Whether a name is that of a table, in this order: as it was given, and as the database has it.
    pub is: fn(&str, &Known<'_>) -> bool,
}

/// A table of the database.
pub struct Known<'a> {
    pub shown: &'a str,
    pub schema: &'a str,
    pub name: &'a str,
    /// The table that its rows are backed up with.
    pub partition_of: Option<&'a str>,
}

impl Ignored<'_> {
    /// Whether a table is meant to be in no entity.
    pub fn holds(&self, table: &Known<'_>) -> bool {
        self.tables.keys().any(|name| (self.is)(name, table))
    }

    /// What does nothing: names of no table, and of tables that are backed up all the same.
    pub fn warnings<I>(&self, known: &[Known<'_>], views: &[View<'_, I>]) -> Vec<String> {
        self.tables.keys().filter_map(|name| self.warning(name, known, views)).collect()
    }

    fn warning<I>(&self, name: &str, known: &[Known<'_>], views: &[View<'_, I>]) -> Option<String> {
        let called = format!("`ignore_table({name:?})`");
        let Some(table) = known.iter().find(|table| (self.is)(name, table)) else {
            let mapped =
                |shown: &str| views.iter().flat_map(|view| &view.tables).any(|seen| seen.table == shown);
            let free = known.iter().filter(|table| table.partition_of.is_none() && !self.holds(table));
            let free: Vec<&str> =
                free.map(|table| table.shown).filter(|shown| !mapped(shown)).take(LISTED).collect();
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

/// The coverage of each entity, in their order.
pub fn of_all<I: PartialEq>(views: &[View<'_, I>]) -> Vec<EntityCoverage> {
    let of = |(index, view): (usize, &View<'_, I>)| {
        let others: Vec<_> =
            views.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, view)| view).collect();
        view.coverage(&others)
    };
    views.iter().enumerate().map(of).collect()
}

/// A table in no entity, as it is told; `root` is the table whose set `root` it would be.
pub fn unmapped(table: &str, root: Option<&String>) -> String {
    match root {
        Some(root) => format!("{table} (no set: the set `root` is table `{root}` itself; rename this one)"),
        None => table.to_owned(),
    }
}

impl<I: PartialEq> View<'_, I> {
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
            let sharing: Vec<(&Self, &Seen<I>)> = others
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

impl<I> Seen<I> {
    /// Whether something of the entity is in the column.
    fn covers(&self, column: &String) -> bool {
        self.matched.as_ref().is_ok_and(|matched| matched.covered_columns.contains(column))
    }
}

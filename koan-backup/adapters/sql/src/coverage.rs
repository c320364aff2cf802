//! Determines which tables and columns of a database the entities cover.

use std::collections::BTreeMap;

use koan_backup_core::{
    SetName,
    entity::EntityCodec,
    provider::EntityCoverage,
    schema::{FieldSchema, LogicalType},
};

use super::identifier::listed;
use super::tables::{is_near, shared};

/// The maximum number of names that a message lists.
const MAX_LISTED_NAMES: usize = 20;

/// An entity and the tables of a database that contain its records.
#[derive(Debug)]
pub struct EntityTables<'a, I> {
    /// The entity.
    pub entity: &'a EntityCodec,
    /// The tables of the entity. The table of the default set is the first.
    pub tables: Vec<MatchedTable<I>>,
    /// The reason why the entity has no table, or `None` if it has a table.
    pub problem: Option<String>,
}

/// A table of an entity.
#[derive(Debug)]
pub struct MatchedTable<I> {
    /// The set whose records the table contains.
    pub set: SetName,
    /// The identifier of the table in its database.
    pub id: I,
    /// The name of the table in messages.
    pub table: String,
    /// The description of the table's relationship to another table, for example as a partition.
    pub relationship: Option<String>,
    /// The columns that contain fields, or the reason why the columns cannot be matched with fields.
    pub matched: Result<MatchedColumns, String>,
}

/// The columns of a table, matched with the fields of an entity.
#[derive(Debug)]
pub struct MatchedColumns {
    /// The reason why records cannot be read or written, or `None` if there is no such reason.
    pub problem: Option<String>,
    /// The columns that contain a field.
    pub covered_columns: Vec<String>,
    /// The columns without a field.
    pub unmapped_columns: Vec<String>,
    /// The indexes of the fields without a column.
    pub unmapped_fields: Vec<usize>,
    /// The indexes of the fields that contain bytes and need several times their size in a line, because
    /// serde writes the bytes as a list of numbers.
    pub byte_list_fields: Vec<usize>,
}

/// Returns whether a field contains a variable number of bytes, which serde writes as a list of numbers.
pub fn is_byte_list(field: &FieldSchema) -> bool {
    // The type of an array contains `;` and a fixed length, so arrays are excluded.
    field.logical == LogicalType::Bytes && field.wire.is_plain() && !field.rust_type.contains(';')
}

/// The tables that an application ignores.
#[derive(Debug)]
pub struct IgnoredTables<'a> {
    /// The names of the tables, as the application wrote them, each with the reason.
    pub tables: &'a BTreeMap<String, String>,
    /// The function that returns whether a name, as the application wrote it, refers to a table of the
    /// database.
    pub is_named: fn(&str, &DatabaseTable<'_>) -> bool,
}

/// A table of the database.
#[derive(Debug)]
pub struct DatabaseTable<'a> {
    /// The name of the table in messages.
    pub display_name: &'a str,
    /// The schema of the table.
    pub schema: &'a str,
    /// The name of the table without the schema.
    pub name: &'a str,
    /// The partitioned table, if this table is a partition. The rows of a partition are backed up with the
    /// partitioned table.
    pub partition_of: Option<&'a str>,
}

impl IgnoredTables<'_> {
    /// Returns whether the application ignores a table.
    pub fn contains(&self, table: &DatabaseTable<'_>) -> bool {
        self.tables.keys().any(|name| (self.is_named)(name, table))
    }

    /// Returns a warning for each name that has no effect, because no table has this name or the table is
    /// backed up.
    pub fn warnings<I>(&self, known: &[DatabaseTable<'_>], entities: &[EntityTables<'_, I>]) -> Vec<String> {
        self.tables.keys().filter_map(|name| self.warning(name, known, entities)).collect()
    }

    fn warning<I>(
        &self,
        name: &str,
        known: &[DatabaseTable<'_>],
        entities: &[EntityTables<'_, I>],
    ) -> Option<String> {
        let option = format!("`ignore_table({name:?})`");
        let Some(table) = known.iter().find(|table| (self.is_named)(name, table)) else {
            let is_mapped = |display_name: &str| {
                entities
                    .iter()
                    .flat_map(|entity_tables| &entity_tables.tables)
                    .any(|matched| matched.table == display_name)
            };
            let uncovered =
                known.iter().filter(|table| table.partition_of.is_none() && !self.contains(table));
            let uncovered: Vec<&str> = uncovered
                .map(|table| table.display_name)
                .filter(|display_name| !is_mapped(display_name))
                .take(MAX_LISTED_NAMES)
                .collect();
            let similar = known.iter().find(|table| is_near(table.name, name));
            let hint = match (similar, uncovered.is_empty()) {
                (Some(similar), _) => format!("did you mean `{}`?", similar.display_name),
                (None, true) => "every table is covered by an entity".to_owned(),
                (None, false) => format!("the tables without an entity are {}", listed(uncovered)),
            };
            return Some(format!("{option} has no effect, because the database has no such table: {hint}"));
        };
        let entity = entities.iter().find(|entity_tables| {
            entity_tables.tables.iter().any(|matched| matched.table == table.display_name)
        });
        if let Some(entity_tables) = entity {
            return Some(format!(
                "{option} has no effect, because {} covers the table and is backed up; remove the option, or \
                 exclude the entity with #[entity_backup(enabled = false, reason = \"…\")]",
                entity_tables.entity.name()
            ));
        }
        table.partition_of.map(|root| {
            format!(
                "{option} has no effect, because the table is a partition, whose rows are backed up or \
                 ignored with `{root}`; remove the option"
            )
        })
    }
}

/// Returns the coverage of each entity, in the order of `entities`.
pub fn of_entities<I: PartialEq>(entities: &[EntityTables<'_, I>]) -> Vec<EntityCoverage> {
    let coverage = |(index, entity_tables): (usize, &EntityTables<'_, I>)| {
        let others: Vec<_> = entities
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
            .map(|(_, entity_tables)| entity_tables)
            .collect();
        entity_tables.coverage(&others)
    };
    entities.iter().enumerate().map(coverage).collect()
}

/// Returns the description of a table without an entity. If the table is named as if it contained the set
/// `root`, the parameter `root` is the table that actually contains this set.
pub fn unmapped_table(table: &str, root: Option<&String>) -> String {
    match root {
        Some(root) => format!(
            "{table} (not used as a set, because the set `root` is in table `{root}`; rename table `{table}`)"
        ),
        None => table.to_owned(),
    }
}

impl<I: PartialEq> EntityTables<'_, I> {
    fn coverage(&self, others: &[&Self]) -> EntityCoverage {
        let mut coverage = EntityCoverage::new(self.entity.name());
        coverage.table = self.tables.first().map(|matched| matched.table.clone());
        coverage.relationship = self.tables.first().and_then(|matched| matched.relationship.clone());
        coverage.sets = self.tables.iter().map(|matched| matched.set.clone()).collect();
        let mut problems: Vec<String> = self.problem.iter().cloned().collect();
        let fields = &self.entity.schema().fields;
        let root = self.tables.first().and_then(|root| root.matched.as_ref().ok());
        let unmapped_in_root = root.map_or(&[][..], |matched| &matched.unmapped_fields);
        for (index, matched_table) in self.tables.iter().enumerate() {
            let table = &matched_table.table;
            let described_name = |name: &str| match index {
                0 => name.to_owned(),
                _ => format!("{name} (in table `{table}`)"),
            };
            let sharing: Vec<(&Self, &MatchedTable<I>)> = others
                .iter()
                .flat_map(|entity_tables| {
                    entity_tables.tables.iter().map(move |other| (*entity_tables, other))
                })
                .filter(|(_, other)| other.id == matched_table.id)
                .collect();
            if !sharing.is_empty() {
                problems.push(shared(
                    table,
                    sharing.iter().map(|(entity_tables, _)| entity_tables.entity.name()),
                ));
            }
            match &matched_table.matched {
                Err(problem) => problems.push(problem.clone()),
                Ok(matched) => {
                    problems.extend(matched.problem.clone());
                    for &field in matched.byte_list_fields.iter().filter(|_| index == 0) {
                        coverage.notes.push(format!(
                            "the bytes of field `{}` are written as a list of numbers, which takes up to \
                             five times their size and limits them to about 30 MB; \
                             #[serde(with = \"koan_backup::serde::base64\")] raises the limit to 90 MB",
                            fields[field].name
                        ));
                    }
                    let is_covered = |column: &String| sharing.iter().any(|(_, other)| other.covers(column));
                    let columns = matched.unmapped_columns.iter().filter(|column| !is_covered(column));
                    coverage.unmapped_columns.extend(columns.map(|column| described_name(column)));
                    let unmapped = matched
                        .unmapped_fields
                        .iter()
                        .filter(|&&field| index == 0 || !unmapped_in_root.contains(&field));
                    coverage
                        .unmapped_fields
                        .extend(unmapped.map(|&field| described_name(&fields[field].name)));
                }
            }
        }
        coverage.problem = (!problems.is_empty()).then(|| problems.join("; "));
        coverage
    }
}

impl<I> MatchedTable<I> {
    /// Returns whether the column contains a field of the entity.
    fn covers(&self, column: &String) -> bool {
        self.matched.as_ref().is_ok_and(|matched| matched.covered_columns.contains(column))
    }
}

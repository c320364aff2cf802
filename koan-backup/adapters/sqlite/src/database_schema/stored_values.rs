//! Determines which types of field read every value that a table contains.

use koan_backup_core::provider::ColumnFieldType;
use koan_backup_core::schema::LogicalType;
use koan_backup_core::value::OffsetStyle;
use koan_backup_sql::identifier::{quoted, quoted_list};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};

use super::candidates::{self, Candidate};
use crate::catalog::{Column, Table};
use crate::column_type::ColumnType;
use crate::form::Shape;

/// What the values of a table have in common, by column.
#[derive(Debug)]
pub(super) struct StoredValues {
    columns: Vec<ColumnValues>,
}

/// What the values of a column have in common.
#[derive(Debug)]
struct ColumnValues {
    name: String,
    candidates: Vec<CandidateValues>,
    is_empty: bool,
    has_null: bool,
    /// Whether a value is a time with an offset from UTC.
    has_offset: bool,
}

/// How a candidate reads the values of a column.
#[derive(Debug)]
struct CandidateValues {
    candidate: Candidate,
    column_type: ColumnType,
    /// Whether the candidate reads every value.
    reads_all: bool,
    /// Whether every value can be written back byte for byte.
    keeps_form: bool,
}

impl StoredValues {
    /// Reads every row of a table, and of the tables with the named sets of its entity.
    pub(super) fn read(connection: &Connection, table: &Table, sets: &[&Table]) -> Result<Self> {
        let mut values = Self { columns: table.columns.iter().map(ColumnValues::new).collect() };
        for stored in [table].iter().chain(sets) {
            values.read_rows(connection, stored)?;
        }
        Ok(values)
    }

    fn read_rows(&mut self, connection: &Connection, table: &Table) -> Result<()> {
        let names = quoted_list(table.columns.iter().map(|column| column.name.as_str()));
        let mut statement =
            connection.prepare(&format!("SELECT {names} FROM main.{}", quoted(&table.name)))?;
        // A table with a named set may have its columns in another order.
        let positions: Vec<Option<usize>> = table
            .columns
            .iter()
            .map(|column| {
                self.columns.iter().position(|values| values.name.eq_ignore_ascii_case(&column.name))
            })
            .collect();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for (index, position) in positions.iter().enumerate() {
                if let Some(position) = position {
                    self.columns[*position].record(row.get_ref(index)?);
                }
            }
        }
        Ok(())
    }

    /// Returns whether a column contains NULL.
    pub(super) fn contains_null(&self, column: &str) -> bool {
        self.columns.iter().any(|values| values.name == column && values.has_null)
    }

    /// Returns the first type of field that reads every value of a column, with notes if it is not the type
    /// that the declaration suggests.
    pub(super) fn field_type(&self, column: &Column) -> (ColumnFieldType, Vec<String>) {
        let Some(values) = self.columns.iter().find(|values| values.name == column.name) else {
            return (ColumnFieldType::Logical(LogicalType::Text), Vec::new());
        };
        if values.is_empty && candidates::is_untyped(column) {
            let note = "the column has no type and no values; choose the type of the field".to_owned();
            return (ColumnFieldType::Logical(LogicalType::Text), vec![note]);
        }
        let Some(chosen) = values.chosen() else {
            let reason = "it contains values that no single type of field reads, such as infinite numbers, or \
                          BLOBs and numbers; convert them to one storage class";
            return (ColumnFieldType::Unreadable(reason.to_owned()), Vec::new());
        };
        let expected = values.candidates.first().map(|first| first.candidate);
        let is_expected = expected == Some(chosen)
            || candidates::is_untyped(column)
            || matches!((expected, chosen), (Some(Candidate::DateTime), Candidate::Timestamp));
        let notes = match is_expected {
            true => Vec::new(),
            false => vec![format!(
                "the column is declared as `{}`, but it contains other values; correct them, or keep the type \
                 of the field",
                column.declared.escape_debug()
            )],
        };
        (ColumnFieldType::Logical(chosen.logical()), notes)
    }
}

impl ColumnValues {
    fn new(column: &Column) -> Self {
        let candidates = candidates::of_column(column).into_iter().map(|candidate| CandidateValues {
            candidate,
            column_type: ColumnType::of_kind(candidate.kind(), column),
            reads_all: true,
            keeps_form: true,
        });
        Self {
            name: column.name.clone(),
            candidates: candidates.collect(),
            is_empty: true,
            has_null: false,
            has_offset: false,
        }
    }

    fn record(&mut self, stored: ValueRef<'_>) {
        if stored == ValueRef::Null {
            self.has_null = true;
            return;
        }
        self.is_empty = false;
        for values in self.candidates.iter_mut().filter(|values| values.reads_all) {
            match values.column_type.read(stored) {
                Ok((value, form)) if values.candidate.represents(&value) => {
                    values.keeps_form &= form.is_some();
                    let shape = form.map(|form| form.shape);
                    self.has_offset |= matches!(
                        shape,
                        Some(Shape::Temporal(temporal)) if temporal.offset != OffsetStyle::Absent
                    );
                }
                _ => values.reads_all = false,
            }
        }
    }

    /// Returns the candidate for the field: the first that keeps the form of every value, or else the first
    /// that reads every value. `None` if there is none.
    fn chosen(&self) -> Option<Candidate> {
        // Text with an offset is an instant, although a date and time reads an offset of zero.
        let is_possible = |values: &&CandidateValues| {
            values.reads_all && !(self.has_offset && values.candidate == Candidate::DateTime)
        };
        let mut possible = self.candidates.iter().filter(is_possible);
        let best = possible.clone().find(|values| values.keeps_form).or_else(|| possible.next());
        best.map(|values| values.candidate)
    }
}

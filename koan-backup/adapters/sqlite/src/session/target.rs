//! The table of a target: its columns, and how each record fills them.

use std::path::Path;

use koan_backup_core::{
    Error, ErrorKind, Result,
    entity::{EntityCodec, Record},
    provider::RestoreTarget,
    value::Value,
};
use rusqlite::Connection;
use serde::Deserialize;

use super::super::bind::Stored;
use super::super::collation::Collations;
use super::super::column_type::ColumnType;
use super::super::error::failed;
use super::super::form::FormReplay;
use super::super::key_equality::KeyEquality;
use super::super::mapping::Mapping;
use super::super::observed_encoding::observed_forms;
use super::super::snapshot::PhysicalForm;
use koan_backup_sql::content::Content;
use koan_backup_sql::identifier::folded;

/// An entity's table, ready to be filled.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) entity: EntityCodec,
    /// The target as it was requested, without its physical form.
    pub(super) request: RestoreTarget,
    pub(super) mapping: Mapping,
    pub(super) physical: PhysicalForm,
    /// The columns that are written: those of the mapping, except those that SQLite computes.
    pub(super) columns: Vec<TargetColumn>,
    /// The key, as indexes into `columns`.
    pub(super) key: Vec<usize>,
    /// When two keys are equal.
    pub(super) equality: KeyEquality,
    /// The column that is another name of the rowid, as an index into `columns`.
    rowid: Option<usize>,
    /// Fields without a column, which must not hold anything.
    absent: Vec<usize>,
}

/// A column that is written.
#[derive(Debug)]
pub(super) struct TargetColumn {
    pub(super) name: String,
    column_type: ColumnType,
    content: Content,
    forms: FormReplay,
}

impl Target {
    pub(super) fn new(
        connection: &Connection,
        path: &Path,
        collations: &Collations,
        mut request: RestoreTarget,
        mapping: Mapping,
    ) -> Result<Self> {
        let entity = request.entity.clone();
        mapping.check(&entity)?;
        let physical = match request.physical.take() {
            None => None,
            Some(json) => Some(PhysicalForm::deserialize(&json).map_err(|_| unknown_form(&entity, None))?),
        };
        let habits = match physical {
            Some(_) => Vec::new(),
            None => observed_forms(connection, &entity, &mapping)
                .map_err(|error| failed(path, &format!("reading table `{}`", mapping.table.name), error))?,
        };
        let physical = physical.unwrap_or_default();
        let mut columns = Vec::with_capacity(mapping.columns.len());
        let mut key = Vec::new();
        for (index, place) in mapping.columns.iter().enumerate() {
            let name = place.column.name.clone();
            let is_key = mapping.key.contains(&index);
            if place.column.generated && is_key {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!(
                        "the key column `{name}` of {} is computed by SQLite, so no record can be written",
                        entity.name()
                    ),
                ));
            }
            if place.column.generated {
                continue;
            }
            if is_key {
                key.push(columns.len());
            }
            let column_type = place.column_type(&entity);
            let habit = habits.get(index).and_then(|forms| forms.first()).copied();
            let forms = match physical.columns.get(&name) {
                Some(json) => FormReplay::recorded(json).map_err(|_| unknown_form(&entity, Some(&name)))?,
                None => FormReplay::constant(habit.unwrap_or(column_type.default)),
            };
            columns.push(TargetColumn { name, column_type, content: place.content, forms });
        }
        let fields = &entity.schema().fields;
        let was_absent = |field: &usize| physical.fields_without_column.contains(&fields[*field].name);
        let absent = mapping.unmapped_fields.iter().copied().filter(|field| !was_absent(field)).collect();
        let names = key.iter().map(|&column: &usize| columns[column].name.as_str());
        let equality =
            KeyEquality::of(connection, collations, &mapping.table.name, names).map_err(|error| {
                failed(path, &format!("reading the key of table `{}`", mapping.table.name), error)
            })?;
        let alias = mapping.table.rowid_alias().map(|alias| alias.name.as_str());
        let rowid = columns.iter().position(|column: &TargetColumn| Some(column.name.as_str()) == alias);
        Ok(Self { entity, request, mapping, physical, columns, key, equality, rowid, absent })
    }

    pub(super) fn key_names(&self) -> impl Iterator<Item = &str> {
        self.key.iter().map(|&column| self.columns[column].name.as_str())
    }

    /// Returns the condition that finds the rows with a key. Its first parameter has the number `first`.
    pub(super) fn key_condition(&self, first: usize) -> String {
        let names = self.key.iter().map(|&column| self.columns[column].name.as_str());
        self.equality.condition(names, first)
    }

    pub(super) fn key_text(&self, record: &Record) -> String {
        self.entity.record_key(record)
    }

    /// Returns what is stored for a record, column by column.
    pub(super) fn fill<'r>(&mut self, record: &'r Record) -> Result<Vec<Stored<'r>>> {
        let fields = &self.entity.schema().fields;
        if let Some(&field) = self.absent.iter().find(|&&field| !record.values[field].is_null()) {
            return Err(self.no_column(record, &fields[field].name));
        }
        let has_column = |name: &str| {
            self.columns
                .iter()
                .any(|column| column.content == Content::Extra && is_called(&column.name, name))
        };
        if let Some((name, _)) =
            record.extra.iter().find(|(name, value)| !value.is_null() && !has_column(name))
        {
            return Err(self.no_column(record, name));
        }
        let mut stored = Vec::with_capacity(self.columns.len());
        for index in 0..self.columns.len() {
            let column = &mut self.columns[index];
            let value = match column.content {
                Content::Field(field) => &record.values[field],
                Content::Extra => extra(record, &column.name),
            };
            let form = column.forms.next();
            match column.column_type.store(value, form) {
                Ok(value) => stored.push(value),
                Err(conversion_error) => {
                    let (name, column) = (self.entity.name(), &self.columns[index].name);
                    let key = self.key_text(record);
                    return Err(Error::new(
                        ErrorKind::Record,
                        format!("{name} `{key}`: column `{column}` {conversion_error}"),
                    ));
                }
            }
        }
        if let Some(rowid) = self.rowid.filter(|&column| stored[column] == Stored::Null) {
            let (name, key, table) = (self.entity.name(), self.key_text(record), &self.mapping.table.name);
            let column = &self.columns[rowid].name;
            return Err(Error::new(
                ErrorKind::Record,
                format!(
                    "{name} `{key}`: column `{column}` of table `{table}` is its rowid, where SQLite would put a number in place \
                     of no value; declare the column `INT` with a constraint of its own, or give the record a value"
                ),
            ));
        }
        Ok(stored)
    }

    /// Returns the error for a record whose key already exists.
    pub(super) fn already_exists_error(&self, record: &Record) -> Error {
        let (name, key) = (self.entity.name(), self.key_text(record));
        let text =
            format!("{name} `{key}` exists already; restore with `overwrite` or `keep`, or remove it first");
        Error::new(ErrorKind::Conflict, text)
    }

    /// Returns the error for a record whose key is that of an earlier record of the archive.
    pub(super) fn duplicate_key_error(&self, record: &Record) -> Error {
        let (name, key) = (self.entity.name(), self.key_text(record));
        let table = &self.mapping.table.name;
        Error::new(
            ErrorKind::Record,
            format!(
                "{name} `{key}` is in the archive twice, by how table `{table}` compares its key; correct one of the records \
                 where they come from"
            ),
        )
    }

    /// Returns the error for a record whose key is that of several rows.
    pub(super) fn ambiguous_key_error(&self, record: &Record) -> Error {
        let (name, key) = (self.entity.name(), self.key_text(record));
        let table = &self.mapping.table.name;
        Error::new(
            ErrorKind::Constraint,
            format!(
                "{name} `{key}` is the key of several rows of table `{table}`; only one of them can be meant"
            ),
        )
    }

    fn no_column(&self, record: &Record, field: &str) -> Error {
        let (name, key, table) = (self.entity.name(), self.key_text(record), &self.mapping.table.name);
        let field = self.entity.shown_name(field);
        Error::new(
            ErrorKind::Record,
            format!(
                "{name} `{key}`: field `{field}` holds a value but table `{table}` has no column for it; add the column"
            ),
        )
    }
}

fn extra<'r>(record: &'r Record, column: &str) -> &'r Value<'static> {
    let named = |matches: &dyn Fn(&str) -> bool| record.extra.iter().find(|(name, _)| matches(name));
    let found = named(&|name| name == column).or_else(|| named(&|name| is_called(column, name)));
    found.map_or(&Value::Null, |(_, value)| value)
}

fn is_called(column: &str, name: &str) -> bool {
    column == name || folded(column) == folded(name)
}

fn unknown_form(entity: &EntityCodec, column: Option<&str>) -> Error {
    let of = column.map_or_else(String::new, |column| format!(" of column `{column}`"));
    Error::new(
        ErrorKind::Incompatible,
        format!(
            "the archive records a physical form{of} of {} that this version does not know; restore it with the version \
             that wrote it",
            entity.name()
        ),
    )
}

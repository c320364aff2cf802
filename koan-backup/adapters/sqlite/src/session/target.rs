//! The table of a target, and the conversion of records to the values of its columns.

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

/// The table to which the records of a target are written.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) entity: EntityCodec,
    /// The target as it was requested, without its physical form.
    pub(super) request: RestoreTarget,
    pub(super) mapping: Mapping,
    pub(super) physical: PhysicalForm,
    /// The columns that are written: the columns of the mapping, except generated columns.
    pub(super) columns: Vec<TargetColumn>,
    /// The key, as indexes into `columns`.
    pub(super) key: Vec<usize>,
    /// The key equality of the table.
    pub(super) equality: KeyEquality,
    /// The column that is an alias of the rowid, as an index into `columns`.
    rowid: Option<usize>,
    /// The fields without a column, for which no record may have a value. Fields that had no column when the
    /// backup was made are not included.
    absent: Vec<usize>,
}

/// A column of a target that is written.
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
        let observed = match physical {
            Some(_) => Vec::new(),
            None => observed_forms(connection, &mapping)
                .map_err(|error| failed(path, &format!("reading table `{}`", mapping.table.name), error))?,
        };
        let physical = physical.unwrap_or_default();
        let mut columns = Vec::with_capacity(mapping.columns.len());
        let mut key = Vec::new();
        for (index, mapped) in mapping.columns.iter().enumerate() {
            let name = mapped.column.name.clone();
            let is_key = mapping.key.contains(&index);
            if mapped.column.generated && is_key {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!(
                        "key column `{name}` of {} is computed by SQLite, so no record can be written; \
                         declare another key for the entity",
                        entity.name()
                    ),
                ));
            }
            if mapped.column.generated {
                continue;
            }
            if is_key {
                key.push(columns.len());
            }
            let column_type = mapped.column_type;
            let most_frequent = observed.get(index).and_then(|forms| forms.first()).copied();
            let forms = match physical.columns.get(&name) {
                Some(json) => FormReplay::recorded(json).map_err(|_| unknown_form(&entity, Some(&name)))?,
                None => FormReplay::constant(most_frequent.unwrap_or(column_type.default)),
            };
            columns.push(TargetColumn { name, column_type, content: mapped.content, forms });
        }
        let fields = &entity.schema().fields;
        let was_absent = |field: &usize| physical.fields_without_column.contains(&fields[*field].name);
        let absent = mapping.unmapped_fields.iter().copied().filter(|field| !was_absent(field)).collect();
        let names = key.iter().map(|&column: &usize| columns[column].name.as_str());
        let equality =
            KeyEquality::read(connection, collations, &mapping.table.name, names).map_err(|error| {
                failed(path, &format!("reading the key of table `{}`", mapping.table.name), error)
            })?;
        let alias = mapping.table.rowid_alias().map(|alias| alias.name.as_str());
        let rowid = columns.iter().position(|column: &TargetColumn| Some(column.name.as_str()) == alias);
        Ok(Self { entity, request, mapping, physical, columns, key, equality, rowid, absent })
    }

    pub(super) fn key_names(&self) -> impl Iterator<Item = &str> {
        self.key.iter().map(|&column| self.columns[column].name.as_str())
    }

    /// Returns the SQL condition that finds the rows with a key. `first` is the number of the first parameter
    /// of the condition.
    pub(super) fn key_condition(&self, first: usize) -> String {
        let names = self.key.iter().map(|&column| self.columns[column].name.as_str());
        self.equality.condition(names, first)
    }

    pub(super) fn key_text(&self, record: &Record) -> String {
        self.entity.record_key(record)
    }

    /// Converts a record to the values of the columns, in the order of the columns.
    pub(super) fn stored_values<'r>(&mut self, record: &'r Record) -> Result<Vec<Stored<'r>>> {
        let fields = &self.entity.schema().fields;
        if let Some(&field) = self.absent.iter().find(|&&field| !record.values[field].is_null()) {
            return Err(self.no_column_error(record, &fields[field].name));
        }
        let has_column = |name: &str| {
            self.columns
                .iter()
                .any(|column| column.content == Content::Extra && names_match(&column.name, name))
        };
        if let Some((name, _)) =
            record.extra.iter().find(|(name, value)| !value.is_null() && !has_column(name))
        {
            return Err(self.no_column_error(record, name));
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
                    "{name} `{key}` has no value for column `{column}` of table `{table}`, which is an alias \
                     of the rowid, so SQLite would store a number; declare the column `INT PRIMARY KEY`, which \
                     is not an alias of the rowid, or give the record a value"
                ),
            ));
        }
        Ok(stored)
    }

    /// Returns the error for a record whose key already exists.
    pub(super) fn already_exists_error(&self, record: &Record) -> Error {
        let (name, key) = (self.entity.name(), self.key_text(record));
        let text = format!(
            "{name} `{key}` exists already; restore with `overwrite` or `keep`, or remove the row first"
        );
        Error::new(ErrorKind::Conflict, text)
    }

    /// Returns the error for a record that has the same key as an earlier record of the archive.
    pub(super) fn duplicate_key_error(&self, record: &Record) -> Error {
        let (name, key) = (self.entity.name(), self.key_text(record));
        let table = &self.mapping.table.name;
        Error::new(
            ErrorKind::Record,
            format!(
                "{name} `{key}` has a duplicate key in the archive, because table `{table}` considers the keys \
                 of two records to be equal; correct one of the records in the database that was backed up"
            ),
        )
    }

    /// Returns the error for a record that has the same key as several rows.
    pub(super) fn ambiguous_key_error(&self, record: &Record) -> Error {
        let (name, key) = (self.entity.name(), self.key_text(record));
        let table = &self.mapping.table.name;
        Error::new(
            ErrorKind::Constraint,
            format!(
                "cannot write {name} `{key}`: several rows of table `{table}` have this key; remove all of \
                 these rows except one, or restore with `replace_existing`"
            ),
        )
    }

    /// Returns the error for a record that has a value for a field without a column.
    fn no_column_error(&self, record: &Record, field: &str) -> Error {
        let (name, key, table) = (self.entity.name(), self.key_text(record), &self.mapping.table.name);
        let field = self.entity.message_name(field);
        Error::new(
            ErrorKind::Record,
            format!(
                "{name} `{key}`: field `{field}` has a value, but table `{table}` has no column for the \
                 field; add the column"
            ),
        )
    }
}

/// Returns the value of a flattened map for a column. An exact name is preferred.
fn extra<'r>(record: &'r Record, column: &str) -> &'r Value<'static> {
    let find = |matches: &dyn Fn(&str) -> bool| record.extra.iter().find(|(name, _)| matches(name));
    let found = find(&|name| name == column).or_else(|| find(&|name| names_match(column, name)));
    found.map_or(&Value::Null, |(_, value)| value)
}

/// Returns whether the names of a column and of a map's entry are equal, apart from case and underscores.
fn names_match(column: &str, name: &str) -> bool {
    column == name || folded(column) == folded(name)
}

/// Returns the error for a physical form in an archive that this version does not know.
fn unknown_form(entity: &EntityCodec, column: Option<&str>) -> Error {
    let of_column = column.map_or_else(String::new, |column| format!(" of column `{column}`"));
    Error::new(
        ErrorKind::Incompatible,
        format!(
            "the archive records a physical form{of_column} of {} that this version of koan-backup does not \
             know; restore the backup with the version that wrote it",
            entity.name()
        ),
    )
}

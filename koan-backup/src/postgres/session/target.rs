//! Where records go: the columns, and how each record fills them.

use koan_backup_core::{EntityCodec, Error, ErrorKind, Record, RestoreTarget, Result, Value};
use serde::Deserialize as _;

use super::super::catalog::Identity;
use super::super::column_type::ColumnType;
use super::super::identifier::{folded, quoted, quoted_list};
use super::super::mapping::{Content, Mapping};
use super::super::physical::Physical;
use super::super::types::StoredType;
use crate::sql::misfit::Misfit;

/// An entity's table, ready to be filled.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) entity: EntityCodec,
    pub(super) mapping: Mapping,
    /// The columns that are written: all of the mapping's but those that PostgreSQL computes.
    pub(super) columns: Vec<TargetColumn>,
    /// The key, as indexes into `columns`.
    pub(super) key: Vec<usize>,
    /// Fields without a column, which must not hold anything.
    absent: Vec<usize>,
}

/// A column that is written.
#[derive(Debug)]
pub(super) struct TargetColumn {
    pub(super) name: String,
    pub(super) column_type: ColumnType,
    pub(super) declared: String,
    pub(super) not_null: bool,
    pub(super) identity: Identity,
    content: Content,
}

impl Target {
    pub(super) fn new(request: RestoreTarget, mapping: Mapping) -> Result<Self> {
        let entity = request.entity;
        mapping.check(&entity)?;
        let physical = match &request.physical {
            None => Physical::default(),
            Some(json) => Physical::deserialize(json).map_err(|_| {
                Error::new(
                    ErrorKind::Incompatible,
                    format!(
                        "the archive records something of the table of {} that this version does not know; restore it \
                         with the version that wrote it",
                        entity.name()
                    ),
                )
            })?,
        };
        let (mut columns, mut key) = (Vec::with_capacity(mapping.places.len()), Vec::new());
        for (index, place) in mapping.places.iter().enumerate() {
            let is_key = mapping.key.contains(&index);
            if place.column.generated && is_key {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!(
                        "the key column `{}` of {} is computed by PostgreSQL, so no record can be written",
                        place.column.name,
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
            columns.push(TargetColumn {
                name: place.column.name.clone(),
                column_type: place.column_type.clone(),
                declared: place.column.declared.clone(),
                not_null: place.column.not_null,
                identity: place.column.identity,
                content: place.content,
            });
        }
        let fields = &entity.schema().fields;
        let was_absent = |field: &usize| physical.fields_without_column.contains(&fields[*field].name);
        let absent = mapping.unmapped_fields.iter().copied().filter(|field| !was_absent(field)).collect();
        Ok(Self { entity, mapping, columns, key, absent })
    }

    pub(super) fn key_columns(&self) -> impl Iterator<Item = &TargetColumn> {
        self.key.iter().map(|&column| &self.columns[column])
    }

    /// The names of all columns as a list in SQL.
    pub(super) fn column_list(&self) -> String {
        quoted_list(self.columns.iter().map(|column| column.name.as_str()))
    }

    /// The names of the key's columns as a list in SQL.
    pub(super) fn key_list(&self) -> String {
        quoted_list(self.key_columns().map(|column| column.name.as_str()))
    }

    /// The condition that a row `s` has the key of a row `t`.
    pub(super) fn same_key(&self) -> String {
        let term = |column: &TargetColumn| {
            let name = quoted(&column.name);
            match column.not_null {
                true => format!("t.{name} = s.{name}"),
                false => format!("t.{name} IS NOT DISTINCT FROM s.{name}"),
            }
        };
        let terms: Vec<String> = self.key_columns().map(term).collect();
        if terms.is_empty() { "false".to_owned() } else { terms.join(" AND ") }
    }

    /// Whether the database keeps records of one key apart by itself.
    pub(super) fn keeps_apart(&self) -> bool {
        self.mapping.table.keeps_apart(self.key_columns().map(|column| column.name.as_str()))
    }

    /// Whether some column takes another form than the one that records are sent in.
    pub(super) fn has_conversions(&self) -> bool {
        self.columns.iter().any(TargetColumn::is_composite)
    }

    pub(super) fn key_text(&self, record: &Record) -> String {
        self.entity.record_key(record)
    }

    /// Appends the line of a record in the text form of COPY.
    pub(super) fn fill(&self, record: &Record, out: &mut Vec<u8>) -> Result<()> {
        let fields = &self.entity.schema().fields;
        if let Some(&field) = self.absent.iter().find(|&&field| !record.values[field].is_null()) {
            return Err(self.no_column(record, &fields[field].name));
        }
        if !record.extra.is_empty() {
            let has_column = |name: &str| {
                let extras = self.columns.iter().filter(|column| column.content == Content::Extra);
                extras.into_iter().any(|column| is_called(&column.name, name))
            };
            let lost = record.extra.iter().find(|(name, value)| !value.is_null() && !has_column(name));
            if let Some((name, _)) = lost {
                return Err(self.no_column(record, name));
            }
        }
        for (index, column) in self.columns.iter().enumerate() {
            if index > 0 {
                out.push(b'\t');
            }
            let value = match column.content {
                Content::Field(field) => &record.values[field],
                Content::Extra => extra(record, &column.name),
            };
            match column.column_type.text(value) {
                Ok(None) => out.extend_from_slice(b"\\N"),
                Ok(Some(text)) => push_escaped(&text, out),
                Err(misfit) => return Err(self.misfit(record, column, &misfit)),
            }
        }
        out.push(b'\n');
        Ok(())
    }

    fn misfit(&self, record: &Record, column: &TargetColumn, misfit: &Misfit) -> Error {
        let (name, key) = (self.entity.name(), self.key_text(record));
        Error::new(ErrorKind::Record, format!("{name} `{key}`: column `{}` {misfit}", column.name))
    }

    fn no_column(&self, record: &Record, field: &str) -> Error {
        let (name, key, table) = (self.entity.name(), self.key_text(record), &self.mapping.table.shown);
        Error::new(
            ErrorKind::Record,
            format!("{name} `{key}`: field `{field}` has no column in table `{table}`; add the column"),
        )
    }

    /// The error of a record whose key exists already.
    pub(super) fn taken(&self, key: &str) -> Error {
        let name = self.entity.name();
        let text =
            format!("{name} `{key}` exists already; restore with `overwrite` or `keep`, or remove it first");
        Error::new(ErrorKind::Conflict, text)
    }

    /// The error of a record whose key came before.
    pub(super) fn twice(&self, key: &str) -> Error {
        let (name, table) = (self.entity.name(), &self.mapping.table.shown);
        Error::new(
            ErrorKind::Constraint,
            format!("{name} `{key}` is in the archive twice, by how table `{table}` compares its key"),
        )
    }
}

impl TargetColumn {
    /// Whether it is a row in a column, which is sent as JSON.
    pub(super) fn is_composite(&self) -> bool {
        self.column_type.stored == StoredType::Composite && self.column_type.is_json()
    }

    /// What a row `s` of what was sent holds for the column.
    pub(super) fn converted(&self) -> String {
        let name = quoted(&self.name);
        match self.is_composite() {
            true => format!("pg_catalog.jsonb_populate_record(NULL::{}, s.{name})", self.declared),
            false => format!("s.{name}"),
        }
    }
}

fn push_escaped(text: &str, out: &mut Vec<u8>) {
    let escaped = |byte: u8| (byte == b'\\') | (byte == b'\n') | (byte == b'\r') | (byte == b'\t');
    let mut rest = text.as_bytes();
    // Without an early end, so that many bytes are looked at in one step: most texts have nothing to escape.
    if !rest.iter().fold(false, |found, &byte| found | escaped(byte)) {
        out.extend_from_slice(rest);
        return;
    }
    while let Some(place) = rest.iter().position(|&byte| escaped(byte)) {
        out.extend_from_slice(&rest[..place]);
        out.extend_from_slice(match rest[place] {
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            _ => b"\\\\",
        });
        rest = &rest[place + 1..];
    }
    out.extend_from_slice(rest);
}

/// What a flattened map holds for a column: under its very name, else under one that folds to the same.
fn extra<'r>(record: &'r Record, column: &str) -> &'r Value<'static> {
    let exact = record.extra.iter().find(|(name, _)| name == column);
    let found = exact.or_else(|| record.extra.iter().find(|(name, _)| is_called(column, name)));
    found.map_or(&Value::Null, |(_, value)| value)
}

fn is_called(column: &str, name: &str) -> bool {
    column == name || folded(column) == folded(name)
}

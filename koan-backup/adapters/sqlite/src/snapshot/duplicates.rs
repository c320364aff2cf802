//! Detects rows with the same key, which a restore would merge into one record.

use std::collections::HashSet;

use koan_backup_core::{
    Error, ErrorKind, Result,
    entity::EntityCodec,
    value::{Date, DateTime, Time, Timestamp, Value},
};
use rusqlite::types::{Value as StoredValue, ValueRef};

use super::super::error::failed;
use super::super::key_equality::KeyEquality;
use super::super::mapping::Mapping;
use super::reader::Reader;
use koan_backup_core::provider::keyed::RecordKey;
use koan_backup_sql::field_kind::FieldKind;
use koan_backup_sql::identifier::{quoted, quoted_list};

/// The key of the previous row. The key is recorded only if the table can consider keys with different bytes
/// to be the same.
pub(super) struct LastKey<'e> {
    equality: &'e KeyEquality,
    key: Vec<StoredValue>,
}

impl<'e> LastKey<'e> {
    pub(super) fn new(equality: &'e KeyEquality) -> Self {
        Self { equality, key: Vec::new() }
    }

    /// Records the key of a row. Returns whether the key is the same as the key of the previous row. Rows are
    /// in the order of their keys, by the collations of the columns.
    #[inline]
    pub(super) fn record<'r>(
        &mut self,
        key: &[usize],
        get: impl Fn(usize) -> rusqlite::Result<ValueRef<'r>>,
    ) -> rusqlite::Result<bool> {
        if self.equality.is_bytewise() {
            return Ok(false);
        }
        let key = key.iter().map(|&index| get(index)).collect::<rusqlite::Result<Vec<_>>>()?;
        let last: Vec<ValueRef<'_>> = self.key.iter().map(ValueRef::from).collect();
        let is_duplicate = self.equality.same(&key, &last);
        self.key = key.into_iter().map(owned).collect();
        Ok(is_duplicate)
    }
}

fn owned(value: ValueRef<'_>) -> StoredValue {
    match value {
        ValueRef::Null => StoredValue::Null,
        ValueRef::Integer(integer) => StoredValue::Integer(integer),
        ValueRef::Real(real) => StoredValue::Real(real),
        // The value is only compared, and text that is not UTF-8 was refused before.
        ValueRef::Text(text) => StoredValue::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(blob) => StoredValue::Blob(blob.to_vec()),
    }
}

/// Returns the error for two rows whose keys are equal by the table's collations.
pub(super) fn duplicate_key_error(entity: &EntityCodec, mapping: &Mapping, key: &str) -> Error {
    Error::new(
        ErrorKind::Record,
        format!(
            "{} `{key}` has the same key as the previous row, by the collation of the key of table `{}`, so \
             a restore would lose one of the rows; correct one of the rows, or declare a key that \
             distinguishes the records",
            entity.name(),
            mapping.table.name
        ),
    )
}

/// Searches for rows with the same key in different forms, such as 7 and '7', which are not adjacent.
///
/// The keys of all rows are kept in memory, so this function is called only if a key column contains several
/// forms.
pub(super) fn check_all_keys(reader: &Reader, entity: &EntityCodec, mapping: &Mapping) -> Result<()> {
    let to_error =
        |error| failed(&reader.path, &format!("comparing the keys of table `{}`", mapping.table.name), error);
    let columns = quoted_list(mapping.key.iter().map(|&index| mapping.columns[index].column.name.as_str()));
    let types: Vec<_> = mapping.key.iter().map(|&index| mapping.columns[index].column_type).collect();
    let query = format!("SELECT {columns} FROM main.{} NOT INDEXED", quoted(&mapping.table.name));
    let mut statement = reader.connection.prepare(&query).map_err(to_error)?;
    let mut rows = statement.query([]).map_err(to_error)?;
    let mut known_keys = HashSet::new();
    while let Some(row) = rows.next().map_err(to_error)? {
        let mut key = Vec::with_capacity(types.len());
        for (index, column_type) in types.iter().enumerate() {
            let stored = row.get_ref(index).map_err(to_error)?;
            key.push(match stored {
                ValueRef::Null => Value::Null,
                // All rows were read before, so the conversion cannot fail.
                stored => column_type
                    .read(stored)
                    .map_or(Value::Null, |(value, _)| parse_temporal(value, column_type.kind)),
            });
        }
        if !known_keys.insert(RecordKey::of_values(&key)) {
            let names = mapping.key.iter().map(|&index| mapping.columns[index].field_name(entity));
            let text = entity.key_text(names.zip(&key));
            return Err(Error::new(
                ErrorKind::Record,
                format!(
                    "{} `{text}` has two rows in table `{}`, whose keys are different forms of the same \
                     value, so a restore would lose one of the rows; convert the column to one form, and \
                     remove one of the rows",
                    entity.name(),
                    mapping.table.name
                ),
            ));
        }
    }
    Ok(())
}

/// Parses text to a date or time if the field has such a type. Other values are returned unchanged.
fn parse_temporal(value: Value<'_>, kind: FieldKind) -> Value<'_> {
    let Value::Str(text) = &value else { return value };
    let temporal = match kind {
        FieldKind::Timestamp => Timestamp::parse(text).map(|(instant, _)| Value::Timestamp(instant)),
        FieldKind::DateTime => DateTime::parse(text).map(|(local, _)| Value::DateTime(local)),
        FieldKind::Date => Date::parse(text).map(|(date, _)| Value::Date(date)),
        FieldKind::Time => Time::parse(text).map(|(time, _)| Value::Time(time)),
        _ => None,
    };
    temporal.unwrap_or(value)
}

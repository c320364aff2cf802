//! Rows of one key, which a restore would make one record.

use std::collections::HashSet;

use koan_backup_core::{
    Error, ErrorKind, Result,
    entity::EntityCodec,
    value::{Date, DateTime, Time, Timestamp, Value},
};
use rusqlite::types::{Value as StoredValue, ValueRef};

use super::super::column_type::Kind;
use super::super::error::failed;
use super::super::key_equality::KeyEquality;
use super::super::mapping::Mapping;
use super::Reader;
use koan_backup_core::provider::keyed::RecordKey;
use koan_backup_sql::identifier::{quoted, quoted_list};

/// The key of the row before, where keys that differ byte for byte can be one.
pub(super) struct LastKey<'e> {
    equality: &'e KeyEquality,
    key: Vec<StoredValue>,
}

impl<'e> LastKey<'e> {
    pub(super) fn new(equality: &'e KeyEquality) -> Self {
        Self { equality, key: Vec::new() }
    }

    /// Whether the row has the key of the one before. Rows are in the order of their keys, by the collations of the columns.
    #[inline]
    pub(super) fn repeats<'r>(
        &mut self,
        key: &[usize],
        get: impl Fn(usize) -> rusqlite::Result<ValueRef<'r>>,
    ) -> rusqlite::Result<bool> {
        if self.equality.is_bytewise() {
            return Ok(false);
        }
        let key = key.iter().map(|&place| get(place)).collect::<rusqlite::Result<Vec<_>>>()?;
        let last: Vec<ValueRef<'_>> = self.key.iter().map(ValueRef::from).collect();
        let repeats = self.equality.same(&key, &last);
        self.key = key.into_iter().map(owned).collect();
        Ok(repeats)
    }
}

fn owned(value: ValueRef<'_>) -> StoredValue {
    match value {
        ValueRef::Null => StoredValue::Null,
        ValueRef::Integer(integer) => StoredValue::Integer(integer),
        ValueRef::Real(real) => StoredValue::Real(real),
        // Only compared: what is no UTF-8 has been refused before.
        ValueRef::Text(text) => StoredValue::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(blob) => StoredValue::Blob(blob.to_vec()),
    }
}

/// The error of two rows whose keys the table's collations make one.
pub(super) fn equal_keys(entity: &EntityCodec, mapping: &Mapping, key: &str) -> Error {
    Error::new(
        ErrorKind::Record,
        format!(
            "{} `{key}` has the key of the row before it, by the collation with which table `{}` compares its key: one of \
             them would be lost in a restore; correct one of the rows, or declare a key that tells records apart",
            entity.name(),
            mapping.table.name
        ),
    )
}

/// Looks for two rows whose keys mean the same in different forms, as 7 and '7' do: they do not follow one another.
///
/// The keys of all rows are held in memory; it is asked for only where a column of the key holds several forms.
pub(super) fn check_all(reader: &Reader, entity: &EntityCodec, mapping: &Mapping) -> Result<()> {
    let lost =
        |error| failed(&reader.path, &format!("comparing the keys of table `{}`", mapping.table.name), error);
    let columns = quoted_list(mapping.key.iter().map(|&place| mapping.places[place].column.name.as_str()));
    let types: Vec<_> = mapping.key.iter().map(|&place| mapping.places[place].column_type(entity)).collect();
    let query = format!("SELECT {columns} FROM main.{} NOT INDEXED", quoted(&mapping.table.name));
    let mut statement = reader.connection.prepare(&query).map_err(lost)?;
    let mut rows = statement.query([]).map_err(lost)?;
    let mut seen = HashSet::new();
    while let Some(row) = rows.next().map_err(lost)? {
        let mut key = Vec::with_capacity(types.len());
        for (index, column_type) in types.iter().enumerate() {
            let stored = row.get_ref(index).map_err(lost)?;
            key.push(match stored {
                ValueRef::Null => Value::Null,
                // All rows were read before.
                stored => {
                    column_type.read(stored).map_or(Value::Null, |(value, _)| meant(value, column_type.kind))
                }
            });
        }
        if !seen.insert(RecordKey::of_values(&key)) {
            let names = mapping.key.iter().map(|&place| mapping.places[place].field_name(entity));
            let text = entity.key_text(names.zip(&key));
            return Err(Error::new(
                ErrorKind::Record,
                format!(
                    "{} `{text}` is in table `{}` twice, in different forms of the same value: one of them would be lost in a \
                     restore; bring the column into one form, and remove one of the rows",
                    entity.name(),
                    mapping.table.name
                ),
            ));
        }
    }
    Ok(())
}

/// A date or time that is text as what it means.
fn meant(value: Value<'_>, kind: Kind) -> Value<'_> {
    let Value::Str(text) = &value else { return value };
    let moment = match kind {
        Kind::Timestamp => Timestamp::parse(text).map(|(at, _)| Value::Timestamp(at)),
        Kind::DateTime => DateTime::parse(text).map(|(at, _)| Value::DateTime(at)),
        Kind::Date => Date::parse(text).map(|(day, _)| Value::Date(day)),
        Kind::Time => Time::parse(text).map(|(time, _)| Value::Time(time)),
        _ => None,
    };
    moment.unwrap_or(value)
}

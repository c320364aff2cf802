//! The type in the middle: a row becomes a `T`, a `T` becomes a line of canonical JSON, and back.
//!
//! Adapters know columns and values, never types. The functions here know one type, never a database; each is
//! monomorphised once per entity.

mod compare;
mod error;
mod fast;
mod general;
mod record;
mod row;
mod token;
mod wire_text;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::RecordError;
pub(crate) use fast::extract::written_values;
pub(crate) use fast::round_trip::keeps;
pub(crate) use general::line_key;
use general::{changes, json_fault};
pub use record::Record;
pub use row::{Projection, Row, Slot};
pub(crate) use token::PlainRow;

use crate::canonical::write_canonical;
use crate::schema::EntitySchema;
use crate::value::Value;

/// Reads a `T` from a row and appends its line, with the line feed, to `out`; gives the names of the values that `T` does
/// not keep as they are.
///
/// # Errors
/// The row does not decode as `T`, or `T` does not serialise. `out` is then as it was.
pub(crate) fn encode<'r, T: Serialize + DeserializeOwned>(
    row: &'r Row<'_>,
    schema: &EntitySchema,
    out: &mut Vec<u8>,
) -> Result<Vec<&'r str>, RecordError> {
    let start = out.len();
    let value: T = row.read()?;
    write_line(&value, out)?;
    changes::changed(&value, row, schema).inspect_err(|_| out.truncate(start))
}

/// Appends the line that `row` is, with the line feed, if its type keeps every value as it is: what `keeps` or `proves` must find
/// is that the line decodes as the type, which writes this very line again. `false` says nothing, and leaves `out` as it was.
pub(crate) fn encode_plain(
    row: &Row<'_>,
    out: &mut Vec<u8>,
    keeps: impl FnOnce(&PlainRow<'_>) -> bool,
    proves: impl FnOnce(&[u8]) -> Result<(), RecordError>,
) -> bool {
    let start = out.len();
    let is_proven = PlainRow::of(row).is_some_and(|row| {
        row.write(out) && ((row.is_of_scalars() && keeps(&row)) || proves(&out[start..]).is_ok())
    });
    if is_proven {
        out.push(b'\n');
    } else {
        out.truncate(start);
    }
    is_proven
}

/// Appends the line of `value`, with the line feed, to `out`; on an error `out` is as it was.
///
/// # Errors
/// `T` does not serialise as JSON.
pub(crate) fn write_line<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), RecordError> {
    let start = out.len();
    if let Err(error) = write_canonical(value, out) {
        out.truncate(start);
        return Err(error.into());
    }
    if out.get(start) != Some(&b'{') {
        out.truncate(start);
        return Err(RecordError::not_a_map());
    }
    out.push(b'\n');
    Ok(())
}

/// Whether a line without its line feed decodes as a `T`.
///
/// # Errors
/// It does not; the error names the field where that is known.
pub(crate) fn check<T: DeserializeOwned>(line: &[u8]) -> Result<(), RecordError> {
    read_line::<T>(line).map(drop)
}

/// Whether a line, which must decode as a `T`, is what `T` writes; `again` is scratch space.
///
/// # Errors
/// It does not decode; the error names the field where that is known.
pub(crate) fn is_written<T: Serialize + DeserializeOwned>(
    line: &[u8],
    again: &mut Vec<u8>,
) -> Result<bool, RecordError> {
    let value: T = read_line(line)?;
    again.clear();
    Ok(write_canonical(&value, again).is_ok() && again == line)
}

/// Proves that a line decodes as a `T` and that `T` writes this very line again; `again` is scratch space.
///
/// # Errors
/// It does not; the error names the field where that is known.
pub(crate) fn prove<T: Serialize + DeserializeOwned>(
    line: &[u8],
    again: &mut Vec<u8>,
) -> Result<(), RecordError> {
    let value: T = read_line(line)?;
    again.clear();
    write_canonical(&value, again)?;
    if again == line { Ok(()) } else { Err(RecordError::changed(line, again)) }
}

/// Reads a `T` from a line without its line feed.
///
/// # Errors
/// The line does not decode as `T`.
pub(crate) fn read_line<T: DeserializeOwned>(line: &[u8]) -> Result<T, RecordError> {
    // Serde would read a struct from a list as well, field after field.
    if line.first() != Some(&b'{') {
        return Err(RecordError::new("is not a JSON object"));
    }
    // Looked at once as a whole, and not text by text.
    let text = std::str::from_utf8(line).map_err(|_| RecordError::new("is not UTF-8"))?;
    serde_json::from_str(text).map_err(|error| explain::<T>(line, &error))
}

/// Which field of a line was refused: the line is read once more, as a row of JSON values.
fn explain<T: DeserializeOwned>(line: &[u8], error: &serde_json::Error) -> RecordError {
    let unexplained = || {
        let fault = std::str::from_utf8(line).ok().and_then(json_fault::of).filter(|_| error.is_syntax());
        fault.map_or_else(|| RecordError::from_json(error), RecordError::new)
    };
    let Ok(fields) = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(line) else {
        return unexplained();
    };
    let mut projection = Projection::default();
    let mut values = Vec::with_capacity(fields.len());
    for (name, value) in fields {
        projection.extra(name);
        values.push(if value.is_null() { Value::Null } else { Value::Json(value.to_string().into()) });
    }
    Row { projection: &projection, values: &values }.read::<T>().err().unwrap_or_else(unexplained)
}

/// Reads a `T` from a line and gives its fields as the values adapters speak.
///
/// # Errors
/// The line does not decode as `T`, or a field cannot be told as a value.
pub(crate) fn decode<T: Serialize + DeserializeOwned>(
    line: &[u8],
    schema: &EntitySchema,
) -> Result<Record, RecordError> {
    let value: T = read_line(line)?;
    to_record(&value, schema)
}

/// The fields of `value` as the values adapters speak.
///
/// # Errors
/// A field cannot be told as a value.
pub(crate) fn to_record<T: Serialize>(value: &T, schema: &EntitySchema) -> Result<Record, RecordError> {
    record::collect(value, schema)
}

/// A key as the values of its fields, in their order.
///
/// # Errors
/// A part of the key cannot be told as a value.
pub(crate) fn key_values<K: Serialize>(
    key: &K,
    schema: &EntitySchema,
) -> Result<Vec<Value<'static>>, RecordError> {
    record::key(key, schema)
}

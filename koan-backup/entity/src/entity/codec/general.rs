//! The general path: rows and lines are deserialized as the Rust type and serialized by it.

mod changes;
mod equality;
mod field_value;
mod json_fault;
mod line_key;
mod normalize;
mod record_writer;
mod row_reader;
mod value_hash;
mod value_reader;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub(in crate::entity) use equality::json_equal;
pub use line_key::key_of_line;
pub(super) use normalize::normalize;
pub use record_writer::{key_values, to_record};

use super::error::RecordError;
use super::record::Record;
use super::row::{Projection, Row};
use crate::foundation::canonical::write_canonical;
use crate::foundation::schema::EntitySchema;
use crate::foundation::value::Value;

/// The result of deserializing a line as its type and serializing the value again.
pub(crate) enum RoundTrip {
    /// The type serializes the same line.
    Exact,
    /// The type serializes a different line.
    Changed,
    /// The line can be deserialized, but the value cannot be serialized as JSON.
    Refused(RecordError),
}

impl RoundTrip {
    pub(crate) fn is_exact(&self) -> bool {
        matches!(self, Self::Exact)
    }

    /// Returns an error unless the round trip was exact. `line` is the line that was deserialized, and
    /// `written` the line that was serialized.
    ///
    /// # Errors
    /// The line changed, and the error contains the name of the field if it is known; or the value cannot be
    /// serialized.
    pub(crate) fn into_result(self, line: &[u8], written: &[u8]) -> Result<(), RecordError> {
        match self {
            Self::Exact => Ok(()),
            Self::Changed => Err(RecordError::changed(line, written)),
            Self::Refused(error) => Err(error),
        }
    }
}

/// Deserializes a `T` from a line without its line feed, serializes it into `written`, which is overwritten,
/// and compares the two lines.
///
/// # Errors
/// The line does not decode as `T`; the error contains the name of the field if it is known.
pub(crate) fn round_trip<T: Serialize + DeserializeOwned>(
    line: &[u8],
    written: &mut Vec<u8>,
) -> Result<RoundTrip, RecordError> {
    let value: T = read_line(line)?;
    Ok(written_again(&value, line, written))
}

/// Serializes the value that was read from a line, and compares it with the line.
pub(crate) fn written_again<T: Serialize>(value: &T, line: &[u8], written: &mut Vec<u8>) -> RoundTrip {
    written.clear();
    match write_canonical(value, written) {
        Err(error) => RoundTrip::Refused(error.into()),
        Ok(()) if written == line => RoundTrip::Exact,
        Ok(()) => RoundTrip::Changed,
    }
}

/// Reads a `T` from a row and appends its line, with the line feed, to `out`. Returns the names of the values
/// that `T` does not serialize unchanged.
///
/// # Errors
/// The row does not decode as `T`, or `T` does not serialize. `out` is then unchanged.
pub(crate) fn encode<'r, T: Serialize + DeserializeOwned>(
    row: &'r Row<'_>,
    schema: &EntitySchema,
    out: &mut Vec<u8>,
) -> Result<Vec<&'r str>, RecordError> {
    let start = out.len();
    let value: T = row.read()?;
    write_line(&value, out)?;
    changes::changed_values(&value, row, schema).inspect_err(|_| out.truncate(start))
}

/// Appends the line of `value`, with the line feed, to `out`. After an error, `out` is unchanged.
///
/// # Errors
/// `value` does not serialize as a JSON object.
pub fn write_line<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), RecordError> {
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

/// Checks that a line without its line feed decodes as a `T`.
///
/// # Errors
/// The line does not decode as `T`; the error contains the name of the field if it is known.
pub(crate) fn check<T: DeserializeOwned>(line: &[u8]) -> Result<(), RecordError> {
    read_line::<T>(line).map(drop)
}

/// Reads a `T` from a line without its line feed and returns its fields as values.
///
/// # Errors
/// The line does not decode as `T`, or a field cannot be converted to a value.
pub(crate) fn decode<T: Serialize + DeserializeOwned>(
    line: &[u8],
    schema: &EntitySchema,
) -> Result<Record, RecordError> {
    let value: T = read_line(line)?;
    to_record(&value, schema)
}

/// Reads a `T` from a line without its line feed.
///
/// # Errors
/// The line does not decode as `T`; the error contains the name of the field if it is known.
pub fn read_line<T: DeserializeOwned>(line: &[u8]) -> Result<T, RecordError> {
    // Serde would also deserialize a struct from a list of its fields.
    if line.first() != Some(&b'{') {
        return Err(RecordError::new("is not a JSON object"));
    }
    // One UTF-8 check of the complete line is faster than one check for each text in it.
    let text = std::str::from_utf8(line).map_err(|_| RecordError::new("is not UTF-8"))?;
    serde_json::from_str(text).map_err(|error| explain(line, &error, |row| row.read::<T>().err()))
}

/// Reads a `T` from a line without its line feed. The error does not contain the field.
///
/// # Errors
/// The line does not decode as `T`.
pub fn read_object<T: DeserializeOwned>(line: &[u8]) -> Result<T, RecordError> {
    if line.first() != Some(&b'{') {
        return Err(RecordError::new("is not a JSON object"));
    }
    serde_json::from_slice(line).map_err(|error| RecordError::from_json(&error))
}

/// Returns the error for a line that does not decode. Reads the line a second time, as a row of JSON values, to find the
/// field: `fault` returns the error of the type for a row. The function is not generic, so that it is compiled only
/// once.
fn explain(
    line: &[u8],
    error: &serde_json::Error,
    fault: fn(&Row<'_>) -> Option<RecordError>,
) -> RecordError {
    let error_without_field = || {
        let fault =
            std::str::from_utf8(line).ok().and_then(json_fault::find_fault).filter(|_| error.is_syntax());
        fault.map_or_else(|| RecordError::from_json(error), RecordError::new)
    };
    let Ok(fields) = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(line) else {
        return error_without_field();
    };
    let mut projection = Projection::default();
    let mut values = Vec::with_capacity(fields.len());
    for (name, value) in fields {
        projection.extra(name);
        values.push(if value.is_null() { Value::Null } else { Value::Json(value.to_string().into()) });
    }
    fault(&Row { projection: &projection, values: &values }).unwrap_or_else(error_without_field)
}

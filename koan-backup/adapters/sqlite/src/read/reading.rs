//! The result of reading a value, and the errors.

use koan_backup_core::value::Value;
use rusqlite::types::ValueRef;

use super::super::form::Form;
use koan_backup_sql::conversion_error::ConversionError;
use koan_backup_sql::field_kind::FieldKind;

/// A value and the forms in which it is written back byte for byte; `None` if there is no such form.
pub(super) type Reading<'a> = (Value<'a>, Option<Form>);

pub(in super::super) fn utf8(text: &[u8]) -> Result<&str, ConversionError> {
    std::str::from_utf8(text).map_err(|_| ConversionError::new("holds text that is not UTF-8"))
}

pub(super) fn unexpected(stored: ValueRef<'_>, expected: FieldKind) -> ConversionError {
    let what = match stored {
        ValueRef::Null => "NULL",
        ValueRef::Integer(_) => "an INTEGER",
        ValueRef::Real(_) => "a REAL",
        ValueRef::Text(_) => "text that is not one",
        ValueRef::Blob(_) => "a BLOB",
    };
    ConversionError::new(format!("holds {what} where {} is expected", expected.noun()))
}

//! The result of reading a stored value, and the errors for values that cannot be read.

use koan_backup_core::value::Value;
use rusqlite::types::ValueRef;

use super::super::form::Form;
use koan_backup_sql::conversion_error::ConversionError;
use koan_backup_sql::field_kind::FieldKind;

/// A value and its physical form, with which it can be written back byte for byte. The form is `None` if the
/// stored bytes cannot be reproduced.
pub(super) type ReadValue<'a> = (Value<'a>, Option<Form>);

/// Returns stored text, or an error if it is not UTF-8.
pub(in super::super) fn utf8(text: &[u8]) -> Result<&str, ConversionError> {
    std::str::from_utf8(text).map_err(|_| ConversionError::new("contains text that is not UTF-8"))
}

/// Returns the error for a value that a field of this kind cannot contain.
pub(super) fn unexpected(stored: ValueRef<'_>, expected: FieldKind) -> ConversionError {
    let found = match stored {
        ValueRef::Null => "NULL",
        ValueRef::Integer(_) => "an INTEGER",
        ValueRef::Real(_) => "a REAL",
        ValueRef::Text(_) => "text that cannot be converted",
        ValueRef::Blob(_) => "a BLOB",
    };
    ConversionError::new(format!("contains {found} where {} is expected", expected.noun()))
}

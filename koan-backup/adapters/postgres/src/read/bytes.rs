//! Reads bytes that the server sends.

use koan_backup_sql::conversion_error::ConversionError;

/// Returns the bytes as text.
pub(in super::super) fn utf8(bytes: &[u8]) -> Result<&str, ConversionError> {
    std::str::from_utf8(bytes).map_err(|_| {
        ConversionError::new(
            "contains text that is not UTF-8, as a database with encoding SQL_ASCII allows; convert the text, \
             for example by `convert_from(column::bytea, 'LATIN1')`, or declare the column `bytea` and change \
             the type of the field to bytes",
        )
    })
}

/// Returns the bytes as an array; fails unless there are exactly `N` bytes.
pub(super) fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], ConversionError> {
    bytes.try_into().map_err(|_| malformed())
}

/// Returns the error for bytes that do not have the expected binary format.
pub(super) fn malformed() -> ConversionError {
    ConversionError::new("was sent by the server in an unknown format")
}

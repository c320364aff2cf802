//! A column of a target: how its values are sent.

use koan_backup_core::value::Value;

use super::super::catalog::Identity;
use super::super::column_type::ColumnType;
use super::super::null_form::{NullForm, NullFormsByPosition};
use super::super::types::StoredType;
use koan_backup_sql::content::Content;
use koan_backup_sql::conversion_error::ConversionError;
use koan_backup_sql::identifier::quoted;

/// A format of COPY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CopyFormat {
    /// The text format, in which the server parses every value.
    Text,
    /// The binary format, for tables whose columns all have a type that can be sent in this format.
    Binary,
}

impl CopyFormat {
    /// Returns the name of the format in SQL.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Binary => "binary",
        }
    }
}

/// A column that is written.
#[derive(Debug)]
pub(super) struct TargetColumn {
    pub(super) name: String,
    pub(super) column_type: ColumnType,
    /// Which `null`s of the column are JSON `null`; `None` if every `null` is NULL.
    pub(super) nulls: Option<NullFormsByPosition>,
    pub(super) declared: String,
    pub(super) not_null: bool,
    pub(super) identity: Identity,
    pub(super) content: Content,
}

impl TargetColumn {
    /// Returns whether the column has a composite type, whose values are sent as JSON.
    pub(super) fn is_composite(&self) -> bool {
        self.column_type.stored == StoredType::Composite && self.column_type.is_json()
    }

    /// Appends a value in the text format of COPY.
    pub(super) fn push_text(
        &self,
        index: usize,
        value: &Value<'_>,
        nulls: Option<&NullForm>,
        out: &mut Vec<u8>,
    ) -> Result<(), ConversionError> {
        if index > 0 {
            out.push(b'\t');
        }
        let text = match nulls {
            None => self.column_type.text(value)?,
            Some(nulls) => self.column_type.text_with_nulls(value, nulls)?,
        };
        match text {
            None => out.extend_from_slice(b"\\N"),
            Some(text) => push_escaped(&text, out),
        }
        Ok(())
    }

    /// Returns the SQL expression of the column's value for a row `s` of the staging table.
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
    // The loop does not stop early, so that the compiler can examine many bytes in one step. Most texts
    // contain nothing to escape.
    if !rest.iter().fold(false, |found, &byte| found | escaped(byte)) {
        out.extend_from_slice(rest);
        return;
    }
    while let Some(position) = rest.iter().position(|&byte| escaped(byte)) {
        out.extend_from_slice(&rest[..position]);
        out.extend_from_slice(match rest[position] {
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            _ => b"\\\\",
        });
        rest = &rest[position + 1..];
    }
    out.extend_from_slice(rest);
}

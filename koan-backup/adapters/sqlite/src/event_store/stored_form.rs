//! The storage class in which a column of the event store contains its values.

use rusqlite::types::{ToSqlOutput, ValueRef};

use super::super::catalog::{Affinity, Column};
use koan_backup_sql::event_tables::{EventColumn, SnapshotColumn};

/// The kind of the values of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentKind {
    /// A name that identifies an aggregate.
    Name,
    /// Other text.
    Text,
    /// A whole number.
    Number,
    /// JSON, whose text is preserved.
    Json,
}

/// What a column of a table of the event store contains.
pub(super) trait StoreContent: Copy + PartialEq {
    /// The object name.
    const OBJECT: Self;
    /// The object id.
    const OBJECT_ID: Self;
    /// The version.
    const VERSION: Self;

    /// Returns the kind of the values.
    fn kind(self) -> ContentKind;
}

impl StoreContent for EventColumn {
    const OBJECT: Self = Self::Object;
    const OBJECT_ID: Self = Self::ObjectId;
    const VERSION: Self = Self::Version;

    fn kind(self) -> ContentKind {
        match self {
            Self::Object | Self::ObjectId => ContentKind::Name,
            Self::Version | Self::Position => ContentKind::Number,
            Self::Metadata | Self::Payload => ContentKind::Json,
            Self::EventType
            | Self::SchemaVersion
            | Self::ExternalSequencer
            | Self::Action
            | Self::Timestamp => ContentKind::Text,
        }
    }
}

impl StoreContent for SnapshotColumn {
    const OBJECT: Self = Self::Object;
    const OBJECT_ID: Self = Self::ObjectId;
    const VERSION: Self = Self::Version;

    fn kind(self) -> ContentKind {
        match self {
            Self::Object | Self::ObjectId => ContentKind::Name,
            Self::Version | Self::Number => ContentKind::Number,
            Self::Payload => ContentKind::Json,
            Self::Timestamp => ContentKind::Text,
        }
    }
}

/// The storage class of the values of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoredForm {
    /// Text is stored as text.
    Text,
    /// Text that is a whole number is stored as INTEGER, because SQLite converts it. Other text is stored as text.
    TextOrInteger,
    /// SQLite converts text that looks like a number to REAL, so such text is refused.
    TextUnlessNumber,
    /// Text is stored as the bytes of its UTF-8 encoding.
    Bytes,
    /// A number is stored as INTEGER.
    Integer,
}

impl StoredForm {
    /// Returns the form of a column, or why values of this kind cannot be stored in it unchanged.
    pub(super) fn of(kind: ContentKind, column: &Column) -> Result<Self, &'static str> {
        match (kind, column.affinity) {
            (ContentKind::Number, Affinity::Text | Affinity::Real) => {
                Err("SQLite would convert its whole numbers; declare the column as INTEGER")
            }
            (ContentKind::Number, _) => Ok(Self::Integer),
            (ContentKind::Name, affinity) if affinity.is_numeric() => {
                Err("SQLite would convert some names to numbers; declare the column as TEXT")
            }
            (ContentKind::Name, _) => Ok(Self::Text),
            (ContentKind::Text | ContentKind::Json, Affinity::Integer | Affinity::Numeric) => {
                Ok(Self::TextOrInteger)
            }
            (ContentKind::Text | ContentKind::Json, Affinity::Real) => Ok(Self::TextUnlessNumber),
            (ContentKind::Json, Affinity::Blob) if column.declared.to_ascii_uppercase().contains("BLOB") => {
                Ok(Self::Bytes)
            }
            (ContentKind::Text | ContentKind::Json, _) => Ok(Self::Text),
        }
    }

    /// Reads text. Returns `None` for NULL, or why the stored value cannot be preserved.
    pub(super) fn text(self, stored: ValueRef<'_>) -> Result<Option<String>, &'static str> {
        let bytes = match (self, stored) {
            (_, ValueRef::Null) => return Ok(None),
            (Self::TextOrInteger, ValueRef::Integer(integer)) => return Ok(Some(integer.to_string())),
            (Self::Bytes, ValueRef::Blob(bytes)) => bytes,
            (Self::Bytes, _) => return Err("is not stored as a BLOB, but the column is declared as BLOB"),
            (_, ValueRef::Text(text)) => text,
            (_, ValueRef::Blob(_)) => return Err("is stored as a BLOB instead of text"),
            (_, ValueRef::Integer(_)) => {
                return Err("is stored as INTEGER in a column that does not convert text");
            }
            (_, ValueRef::Real(_)) => return Err("is stored as REAL instead of text"),
        };
        let text = str::from_utf8(bytes).map_err(|_| "contains text that is not valid UTF-8")?;
        // SQLite would have converted such text when it was stored, so the declared type was changed afterwards.
        if self.converts(text) {
            return Err("is stored as text although SQLite would store it as a number in this column");
        }
        Ok(Some(text.to_owned()))
    }

    /// Returns the value to store for text, or why the column cannot contain the text unchanged.
    pub(super) fn stored(self, text: &str) -> Result<ToSqlOutput<'_>, &'static str> {
        if self.is_refused(text) {
            return Err("looks like a number, which SQLite would convert to another spelling in this column");
        }
        Ok(match self {
            Self::Bytes => ToSqlOutput::Borrowed(ValueRef::Blob(text.as_bytes())),
            _ => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }

    /// Returns whether SQLite would convert the text to a number that has another spelling.
    fn is_refused(self, text: &str) -> bool {
        match self {
            Self::Text | Self::Bytes | Self::Integer => false,
            Self::TextOrInteger => looks_like_number(text) && !is_canonical_integer(text),
            Self::TextUnlessNumber => looks_like_number(text),
        }
    }

    /// Returns whether SQLite would convert the text to a number.
    fn converts(self, text: &str) -> bool {
        matches!(self, Self::TextOrInteger | Self::TextUnlessNumber) && looks_like_number(text)
    }
}

/// Reads a whole number. Returns `None` for NULL, or why the stored value is none.
pub(super) fn integer(stored: ValueRef<'_>) -> Result<Option<i64>, &'static str> {
    match stored {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(integer) => Ok(Some(integer)),
        ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_) => Err("is not stored as INTEGER"),
    }
}

fn is_canonical_integer(text: &str) -> bool {
    text.parse::<i64>().is_ok_and(|integer| integer.to_string() == text)
}

/// Returns whether SQLite may convert text to a number in a column with numeric affinity. White space around the number
/// is ignored: <https://sqlite.org/datatype3.html#type_affinity>
fn looks_like_number(text: &str) -> bool {
    let text = text.trim_matches(|character: char| character.is_ascii_whitespace() || character == '\x0b');
    text.bytes().any(|byte| byte.is_ascii_digit()) && text.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes text into a column of this type, and reads it.
    fn round_trip(declared: &str, kind: ContentKind, text: &str) -> Result<Option<String>, &'static str> {
        let column = Column {
            name: "c".to_owned(),
            affinity: Affinity::from_declared_type(declared),
            declared: declared.to_owned(),
            not_null: false,
            has_default: false,
            primary_key: 0,
            generated: false,
        };
        let form = StoredForm::of(kind, &column)?;
        let connection = rusqlite::Connection::open_in_memory().expect("a database");
        connection.execute_batch(&format!("CREATE TABLE t (c {declared})")).expect("a table");
        connection.execute("INSERT INTO t VALUES (?1)", [form.stored(text)?]).expect("a row");
        connection.query_row("SELECT c FROM t", [], |row| Ok(form.text(row.get_ref(0)?))).expect("a row")
    }

    #[test]
    fn text_is_read_as_it_was_written_or_refused_before_it_is_written() {
        let texts = [
            "",
            " ",
            "order",
            "1",
            "-1",
            "0",
            "-0",
            "+1",
            "01",
            " 1",
            "1 ",
            "1.0",
            "1e3",
            ".5",
            "5.",
            "1_0",
            "0x10",
            "9223372036854775807",
            "9223372036854775808",
            "inf",
            "nan",
            "2024-01-02 03:04:05",
            "{\"a\": 1}",
            "1\u{b}",
            "1\u{a0}",
            "1\0",
            "infinity",
            "1e400",
            "--1",
            "1-",
        ];
        for declared in ["TEXT", "DATETIME", "INTEGER", "REAL", "BLOB", "", "JSON"] {
            for kind in [ContentKind::Text, ContentKind::Json] {
                for text in texts {
                    match round_trip(declared, kind, text) {
                        Ok(read) => assert_eq!(read.as_deref(), Some(text), "{declared} {kind:?}"),
                        Err(reason) => assert!(
                            declared != "TEXT" && reason.contains("number"),
                            "{text:?} is refused in {declared}: {reason}"
                        ),
                    }
                }
            }
        }
        assert_eq!(round_trip("INTEGER", ContentKind::Text, "1700000000"), Ok(Some("1700000000".to_owned())));
        assert_eq!(
            round_trip("DATETIME", ContentKind::Text, "2024-01-02 03:04:05"),
            Ok(Some("2024-01-02 03:04:05".to_owned()))
        );
    }

    #[test]
    fn a_value_of_another_storage_class_is_not_read() {
        let (text, bytes, integer_value) = (ValueRef::Text(b"x"), ValueRef::Blob(b"x"), ValueRef::Integer(7));
        for (form, stored, expected) in [
            (StoredForm::Bytes, text, "not stored as a BLOB"),
            (StoredForm::Bytes, integer_value, "not stored as a BLOB"),
            (StoredForm::Text, bytes, "stored as a BLOB"),
            (StoredForm::TextOrInteger, bytes, "stored as a BLOB"),
            (StoredForm::Text, integer_value, "does not convert text"),
            (StoredForm::TextUnlessNumber, integer_value, "does not convert text"),
            (StoredForm::TextOrInteger, ValueRef::Real(1.5), "stored as REAL"),
            (StoredForm::Text, ValueRef::Text(b"\xff"), "not valid UTF-8"),
            (StoredForm::Bytes, ValueRef::Blob(b"\xff"), "not valid UTF-8"),
            (StoredForm::TextOrInteger, ValueRef::Text(b"1.0"), "would store it as a number"),
            (StoredForm::TextUnlessNumber, ValueRef::Text(b"1"), "would store it as a number"),
        ] {
            let refused = form.text(stored).expect_err(expected);
            assert!(refused.contains(expected), "{form:?}: {refused}");
        }
        assert_eq!(StoredForm::TextOrInteger.text(integer_value), Ok(Some("7".to_owned())));
        for stored in [text, bytes, ValueRef::Real(7.0)] {
            assert_eq!(integer(stored), Err("is not stored as INTEGER"));
        }
        assert_eq!((integer(ValueRef::Null), integer(integer_value)), (Ok(None), Ok(Some(7))));
    }
}

//! How the values of the columns of an event store are read as text, and written from text.

use koan_backup_core::{Error, ErrorKind, Result};
use koan_backup_sql::identifier::quoted;

use super::super::catalog::{Column, Identity, Table};
use super::super::types::StoredType;

/// The alias of the table in all statements.
pub(in super::super) const ALIAS: &str = "e";

/// A column that a setting of the event store names.
#[derive(Clone, Debug)]
pub(in super::super) struct StoredColumn {
    pub(in super::super) name: String,
    pub(in super::super) form: ColumnForm,
    pub(in super::super) not_null: bool,
    /// Whether PostgreSQL assigns a value if an INSERT provides none.
    pub(in super::super) has_default: bool,
    /// Whether the collation orders texts by their bytes.
    is_ordered_by_bytes: bool,
    /// Whether PostgreSQL refuses a value in an INSERT without OVERRIDING SYSTEM VALUE.
    pub(in super::super) is_identity: bool,
    /// The type in SQL syntax.
    declared: String,
}

/// How the values of a column are read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum ColumnForm {
    /// The text of the value. A text that the type would change is refused.
    Text,
    /// `char(n)`: text without the trailing spaces that PostgreSQL adds.
    Char,
    Uuid,
    /// `smallint`, `integer` or `bigint`
    Number,
    /// `timestamp with time zone`
    TimestampTz,
    /// `timestamp`
    Timestamp,
    /// JSON whose text is preserved: `json`, or JSON in a text column.
    ExactJson,
    /// `jsonb`, whose text is not preserved.
    Jsonb,
}

/// What a column contains, which determines the types that it can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// An object name or an object id.
    Key,
    Number,
    Text,
    Timestamp,
    Json,
}

impl Content {
    fn form(self, stored: &StoredType) -> Option<ColumnForm> {
        let is_number = matches!(stored, StoredType::Int2 | StoredType::Int4 | StoredType::Int8);
        Some(match (self, stored) {
            (Self::Key, StoredType::Text) => ColumnForm::Text,
            (Self::Key, StoredType::Char) => ColumnForm::Char,
            (Self::Key, StoredType::Uuid) => ColumnForm::Uuid,
            (Self::Key | Self::Number, _) if is_number => ColumnForm::Number,
            (Self::Key | Self::Number, _) => return None,
            (Self::Timestamp, StoredType::TimestampTz) => ColumnForm::TimestampTz,
            (Self::Timestamp, StoredType::Timestamp) => ColumnForm::Timestamp,
            (Self::Json, StoredType::Json | StoredType::Text) => ColumnForm::ExactJson,
            (Self::Json, StoredType::Jsonb) => ColumnForm::Jsonb,
            (Self::Json, _) => return None,
            (Self::Text | Self::Timestamp, _) => ColumnForm::Text,
        })
    }

    /// Describes the types that a column with this content can have.
    fn types(self) -> &'static str {
        match self {
            Self::Key => "`text`, `varchar`, `char`, `uuid`, `smallint`, `integer` or `bigint`",
            Self::Number => "`smallint`, `integer` or `bigint`",
            Self::Text | Self::Timestamp => "any type",
            Self::Json => "`json`, `jsonb`, `text` or `varchar`",
        }
    }
}

impl StoredColumn {
    /// Returns the column of a table that contains `content`.
    pub(super) fn new(table: &Table, column: &Column, content: Content) -> Result<Self> {
        let (name, table_name) = (&column.name, &table.display_name);
        let refused = |text: String| Err(Error::new(ErrorKind::Unsupported, text));
        if column.generated {
            return refused(format!(
                "column `{name}` of event table `{table_name}` is generated, so a restore cannot write it; name a \
                 column that the application writes"
            ));
        }
        if content == Content::Key && column.has_nondeterministic_collation {
            return refused(format!(
                "column `{name}` of event table `{table_name}` has a nondeterministic collation, with which \
                 different names and ids are equal; give the column a deterministic collation, for example \"C\""
            ));
        }
        let Some(form) = content.form(&column.stored) else {
            return refused(format!(
                "column `{name}` of event table `{table_name}` is of type `{}`, and an event store needs {} there; \
                 change the type of the column, or name another column",
                column.declared,
                content.types()
            ));
        };
        Ok(Self {
            name: name.clone(),
            form,
            not_null: column.not_null,
            has_default: column.has_default,
            is_ordered_by_bytes: column.is_ordered_by_bytes,
            is_identity: column.identity == Identity::Always,
            declared: column.declared.clone(),
        })
    }

    /// Returns the name with the alias of the table, in SQL syntax.
    pub(super) fn qualified(&self) -> String {
        format!("{ALIAS}.{}", quoted(&self.name))
    }

    /// Returns the expression that selects the column: a number, or text.
    pub(super) fn selected(&self) -> String {
        self.read(&self.qualified())
    }

    /// Returns the expression that reads a value of the type of the column.
    fn read(&self, value: &str) -> String {
        let text = format!("{value}::pg_catalog.text");
        // The settings of the connection are DateStyle ISO and time zone UTC.
        let iso = format!("pg_catalog.replace({text}, ' ', 'T')");
        let before_christ =
            |expression: String| format!("CASE WHEN {text} LIKE '% BC' THEN {text} ELSE {expression} END");
        match self.form {
            ColumnForm::Number => format!("{value}::pg_catalog.int8"),
            ColumnForm::Timestamp => before_christ(iso),
            ColumnForm::TimestampTz => before_christ(format!("pg_catalog.replace({iso}, '+00', 'Z')")),
            _ => text,
        }
    }

    /// Returns the expression that converts a text or a number to the type of the column.
    pub(super) fn cast(&self, value: &str) -> String {
        format!("CAST({value} AS {})", self.declared)
    }

    /// Returns the condition under which the type of the column would change the text `value`, if that is possible.
    pub(super) fn is_changed(&self, value: &str) -> Option<String> {
        match self.form {
            ColumnForm::Number | ColumnForm::ExactJson | ColumnForm::Jsonb => None,
            _ => Some(format!("{} IS DISTINCT FROM {value}", self.read(&self.cast(value)))),
        }
    }

    /// Returns whether the values are texts that are ordered and compared as values of type `text`.
    pub(super) fn is_plain_text(&self) -> bool {
        self.declared == "text" || self.declared.starts_with("character varying")
    }

    /// Returns whether the type of the column orders its values as the bytes of their texts.
    pub(super) fn has_order_of_bytes(&self) -> bool {
        match self.form {
            // The text of a UUID has the digits of its bytes in the same order.
            ColumnForm::Uuid => true,
            ColumnForm::Text => self.is_plain_text() && self.is_ordered_by_bytes,
            _ => false,
        }
    }

    /// Returns whether a text can be a value of this key column.
    pub(in super::super) fn admits(&self, text: &str) -> bool {
        match self.form {
            ColumnForm::Uuid => {
                uuid::Uuid::try_parse(text).is_ok_and(|uuid| uuid.as_hyphenated().to_string() == text)
            }
            ColumnForm::Number => text.parse::<i64>().is_ok_and(|number| number.to_string() == text),
            _ => !text.contains('\0'),
        }
    }

    /// Returns the expression with which values of this key column are compared. `value` is an expression of type text.
    pub(super) fn in_order(&self, value: &str) -> String {
        match self.form {
            ColumnForm::Uuid => format!("({value})::pg_catalog.uuid"),
            _ => format!("({value})::pg_catalog.text"),
        }
    }

    /// Returns the condition that this key column contains exactly a text. `value` is an expression of type text
    /// that this column [admits](Self::admits).
    pub(super) fn equals(&self, value: &str) -> String {
        let column = self.qualified();
        match self.form {
            ColumnForm::Uuid => format!("{column} = ({value})::pg_catalog.uuid"),
            ColumnForm::Number => format!("{column} = ({value})::pg_catalog.int8"),
            ColumnForm::Char => format!(
                "({column} = ({value})::pg_catalog.bpchar AND {column}::pg_catalog.text = ({value})::pg_catalog.text)"
            ),
            _ => format!("{column} = ({value})::pg_catalog.text"),
        }
    }
}

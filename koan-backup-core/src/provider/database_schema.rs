//! The schema of a database, for tools: its tables and columns, independent of any entity.

use serde::{Deserialize, Serialize};

use crate::schema::LogicalType;

/// The tables of a database, and what else contains data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DatabaseSchema {
    /// The kind of the database, for example `sqlite`.
    pub kind: String,
    /// The tables whose rows an entity can contain, sorted by name. The tables of named sets and the partitions
    /// of a table are missing, because the entity of the table covers them.
    pub tables: Vec<TableDescription>,
    /// The enums of the database that columns use.
    pub enums: Vec<EnumDescription>,
    /// The names of everything that the name of an entity can match: tables, views, and virtual tables.
    pub relations: Vec<String>,
    /// Data that no entity can contain, each as a message with the remedy. Example: a standalone sequence.
    pub uncoverable: Vec<String>,
}

/// A table whose rows an entity can contain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TableDescription {
    /// The name, without the schema.
    pub name: String,
    /// The schema that contains the table, if the database has schemas.
    pub schema: Option<String>,
    /// The name with which `#[entity(table = "…")]` refers to the table. It contains the schema of the table if
    /// the name alone does not find the table.
    pub address: String,
    /// The columns, in the order of the table.
    pub columns: Vec<ColumnDescription>,
    /// The columns that identify a row, in the order of the table: those of the primary key, or of a unique index
    /// whose columns are never NULL. Empty if the table has no such key.
    pub key: Vec<String>,
    /// What a person should know about the table, each as a sentence.
    pub notes: Vec<String>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ColumnDescription {
    /// The name.
    pub name: String,
    /// The type in the syntax of the database; empty if the column has no type.
    pub database_type: String,
    /// The type of field that reads every value that the column contains.
    pub field_type: ColumnFieldType,
    /// Whether the column can contain NULL.
    pub nullable: bool,
    /// Whether the database computes the values of the column.
    pub generated: bool,
    /// What a person should decide about the column, each as a clause without a full stop.
    pub notes: Vec<String>,
}

/// The type of field that reads the values of a column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ColumnFieldType {
    /// A value of a logical type that consists of one value, or any JSON value.
    Logical(LogicalType),
    /// An enum of the database, with its name in [`DatabaseSchema::enums`].
    Enum(String),
    /// A list.
    List {
        /// The type of the elements.
        element: Box<ColumnFieldType>,
        /// Whether elements can be NULL.
        nullable_elements: bool,
    },
    /// A map from text to text or NULL.
    TextMap,
    /// No type of field reads every value. The text contains the reason and the remedy.
    Unreadable(String),
}

/// An enum of a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EnumDescription {
    /// The name, with the schema if the name alone does not find the enum.
    pub name: String,
    /// The labels, in their order.
    pub labels: Vec<String>,
}

impl DatabaseSchema {
    /// Returns the schema of a database without tables.
    pub fn new(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), ..Self::default() }
    }
}

impl TableDescription {
    /// Returns a table without columns, which is found by its name alone.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            address: name.clone(),
            name,
            schema: None,
            columns: Vec::new(),
            key: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Returns whether a column belongs to the key.
    pub fn is_key(&self, column: &str) -> bool {
        self.key.iter().any(|key| key == column)
    }
}

impl ColumnDescription {
    /// Returns a column that can contain NULL and that is not generated.
    pub fn new(
        name: impl Into<String>,
        database_type: impl Into<String>,
        field_type: ColumnFieldType,
    ) -> Self {
        Self {
            name: name.into(),
            database_type: database_type.into(),
            field_type,
            nullable: true,
            generated: false,
            notes: Vec::new(),
        }
    }
}

impl ColumnFieldType {
    /// Returns the name of the enum, if the values or the elements of a list are labels of an enum.
    pub fn enumeration(&self) -> Option<&str> {
        match self {
            Self::Enum(name) => Some(name),
            Self::List { element, .. } => element.enumeration(),
            Self::Logical(_) | Self::TextMap | Self::Unreadable(_) => None,
        }
    }

    /// Returns whether values of the type can identify a record: floating-point numbers and maps cannot, because
    /// databases round them or do not compare them.
    pub fn can_be_key(&self) -> bool {
        match self {
            Self::Logical(LogicalType::Float { .. } | LogicalType::Map)
            | Self::TextMap
            | Self::Unreadable(_) => false,
            Self::Logical(_) | Self::Enum(_) | Self::List { .. } => true,
        }
    }
}

impl EnumDescription {
    /// Returns an enum with these labels.
    pub fn new(name: impl Into<String>, labels: Vec<String>) -> Self {
        Self { name: name.into(), labels }
    }
}

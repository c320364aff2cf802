//! One difference between a module and a database.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A difference between a module and a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
#[non_exhaustive]
pub enum Difference {
    /// No struct covers a table.
    MissingTable {
        /// The table.
        table: String,
    },
    /// A struct has no table.
    ExtraStruct {
        /// The name of the struct.
        entity: String,
    },
    /// No field covers a column.
    MissingColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A field has no column.
    ExtraField {
        /// The name of the struct.
        entity: String,
        /// The field.
        field: String,
    },
    /// The type of a field does not fit its column.
    DifferentType {
        /// The name of the struct.
        entity: String,
        /// The field.
        field: String,
        /// The type that fits the column.
        expected: String,
        /// The type in the module.
        found: String,
    },
    /// A field is optional and its column cannot contain NULL, or the reverse.
    DifferentNullability {
        /// The name of the struct.
        entity: String,
        /// The field.
        field: String,
        /// Whether the column can contain NULL.
        nullable: bool,
    },
    /// The key of a struct is not that of the table.
    DifferentKey {
        /// The name of the struct.
        entity: String,
        /// The columns of the key of the table.
        expected: Vec<String>,
        /// The columns of the key fields in the module.
        found: Vec<String>,
    },
    /// An enum has no variant for a label.
    MissingLabel {
        /// The name of the enum in the module.
        name: String,
        /// The label.
        label: String,
    },
    /// A variant of an enum has no label.
    ExtraVariant {
        /// The name of the enum in the module.
        name: String,
        /// The serde name of the variant.
        label: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingTable { table } => {
                write!(f, "no struct covers table `{}`; add a struct for it", table.escape_debug())
            }
            Self::ExtraStruct { entity } => write!(
                f,
                "the database has no table for struct `{entity}`; remove the struct, or declare its table with \
                 #[entity(table = \"…\")]"
            ),
            Self::MissingColumn { table, column } => write!(
                f,
                "no field covers column `{}` of table `{}`; add a field for it",
                column.escape_debug(),
                table.escape_debug()
            ),
            Self::ExtraField { entity, field } => write!(
                f,
                "the table has no column for field `{field}` of `{entity}`; remove the field, or declare its \
                 column with #[entity(column = \"…\")]"
            ),
            Self::DifferentType { entity, field, expected, found } => write!(
                f,
                "field `{field}` of `{entity}` has type `{found}`, but its column needs `{expected}`; change the \
                 type of the field"
            ),
            Self::DifferentNullability { entity, field, nullable: true } => write!(
                f,
                "field `{field}` of `{entity}` is not optional, but its column can contain NULL; make it an \
                 `Option`"
            ),
            Self::DifferentNullability { entity, field, nullable: false } => write!(
                f,
                "field `{field}` of `{entity}` is optional, but its column cannot contain NULL; remove the \
                 `Option`"
            ),
            Self::DifferentKey { entity, expected, found } => write!(
                f,
                "the key of `{entity}` is {}, but that of its table is {}; mark the fields of the key with \
                 #[entity(key)]",
                columns(found),
                columns(expected)
            ),
            Self::MissingLabel { name, label } => write!(
                f,
                "enum `{name}` has no variant for the label `{}` of the database; add a variant",
                label.escape_debug()
            ),
            Self::ExtraVariant { name, label } => write!(
                f,
                "enum `{name}` has the variant `{}`, which is no label in the database; remove the variant",
                label.escape_debug()
            ),
        }
    }
}

fn columns(names: &[String]) -> String {
    match names {
        [] => "empty".to_owned(),
        names => names.iter().map(|name| format!("`{}`", name.escape_debug())).collect::<Vec<_>>().join(", "),
    }
}

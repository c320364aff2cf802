//! The type of field for a column, by the type of the column.

use std::collections::BTreeMap;

use koan_backup_core::provider::ColumnFieldType;
use koan_backup_core::schema::LogicalType;
use koan_backup_sql::field_kind::FieldKind;
use tokio_postgres::types::Oid;

use crate::catalog::Column;
use crate::column_type::binary_format;
use crate::types::StoredType;

/// Returns the type of field for a column. `enums` contains the name of each enum.
pub(super) fn of_column(column: &Column, enums: &BTreeMap<Oid, String>) -> ColumnFieldType {
    use ColumnFieldType as F;
    if column.stored.contains_money_of_other_scale() {
        return F::Unreadable(
            "`money` does not have two decimal places with `lc_monetary` of the database; make the column \
             `numeric`"
                .to_owned(),
        );
    }
    let enumeration = column.enumeration.and_then(|oid| enums.get(&oid)).cloned();
    match &column.stored {
        StoredType::Array(element) => match binary_format(FieldKind::Structure, &column.stored) {
            Some(_) => {
                F::List { element: Box::new(of_element(element, enumeration)), nullable_elements: true }
            }
            None => F::Logical(LogicalType::Text),
        },
        // The JSON of a row that contains an `hstore` cannot be converted back.
        StoredType::Composite if column.composite.as_ref().is_none_or(|composite| composite.has_hstore) => {
            F::Logical(LogicalType::Text)
        }
        stored => of_type(stored, enumeration),
    }
}

/// Returns the type of field for the elements of a list. The server sends the elements of some types as text.
fn of_element(stored: &StoredType, enumeration: Option<String>) -> ColumnFieldType {
    match stored {
        StoredType::Oid | StoredType::Money | StoredType::Vector => {
            ColumnFieldType::Logical(LogicalType::Text)
        }
        stored => of_type(stored, enumeration),
    }
}

/// Returns the type of field for a type that is not an array.
fn of_type(stored: &StoredType, enumeration: Option<String>) -> ColumnFieldType {
    use StoredType as T;
    let integer = |bits, signed| LogicalType::Integer { bits, signed };
    let logical = match stored {
        T::Bool => LogicalType::Bool,
        T::Int2 => integer(16, true),
        T::Int4 => integer(32, true),
        T::Int8 => integer(64, true),
        T::Oid => integer(32, false),
        T::Float4 => LogicalType::Float { bits: 32 },
        T::Float8 => LogicalType::Float { bits: 64 },
        T::Numeric | T::Money => LogicalType::Decimal,
        T::Json | T::Jsonb | T::Composite => LogicalType::Json,
        T::Uuid => LogicalType::Uuid,
        T::Bytea => LogicalType::Bytes,
        T::Date => LogicalType::Date,
        T::Time => LogicalType::Time,
        T::Timestamp => LogicalType::DateTime,
        T::TimestampTz => LogicalType::Timestamp,
        T::Hstore => return ColumnFieldType::TextMap,
        T::Vector => {
            return ColumnFieldType::List {
                element: Box::new(ColumnFieldType::Logical(LogicalType::Float { bits: 32 })),
                nullable_elements: false,
            };
        }
        T::Enum => match enumeration {
            Some(name) => return ColumnFieldType::Enum(name),
            None => LogicalType::Text,
        },
        T::Text | T::Char | T::Inet | T::Other | T::Array(_) | T::MoneyOfOtherScale => LogicalType::Text,
    };
    ColumnFieldType::Logical(logical)
}

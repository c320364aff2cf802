//! The Rust types of fields.

use std::collections::{BTreeMap, BTreeSet};

use koan_backup_core::provider::ColumnFieldType;
use koan_backup_core::schema::LogicalType;

use crate::options::TimeCrate;

/// Returns the Rust type of a field, without `Option`. `enums` contains the Rust name of each enum. The crates that
/// the type needs are added to `crates`.
pub(crate) fn of_field_type(
    field_type: &ColumnFieldType,
    enums: &BTreeMap<String, String>,
    time: TimeCrate,
    crates: &mut BTreeSet<&'static str>,
) -> String {
    match field_type {
        ColumnFieldType::Logical(logical) => of_logical(logical, time, crates),
        ColumnFieldType::Enum(name) => enums.get(name).cloned().unwrap_or_else(|| "String".to_owned()),
        ColumnFieldType::List { element, nullable_elements } => {
            let element = match element.as_ref() {
                // In a list, serde alone reads dates, and the format of the crate `time` is not ISO 8601.
                ColumnFieldType::Logical(logical) if time == TimeCrate::Time && is_temporal(logical) => {
                    "String".to_owned()
                }
                element => of_field_type(element, enums, time, crates),
            };
            if *nullable_elements { format!("Vec<Option<{element}>>") } else { format!("Vec<{element}>") }
        }
        ColumnFieldType::TextMap => "std::collections::BTreeMap<String, Option<String>>".to_owned(),
        _ => "String".to_owned(),
    }
}

fn is_temporal(logical: &LogicalType) -> bool {
    matches!(logical, LogicalType::Timestamp | LogicalType::DateTime | LogicalType::Date | LogicalType::Time)
}

fn of_logical(logical: &LogicalType, time: TimeCrate, crates: &mut BTreeSet<&'static str>) -> String {
    let (ty, needed) = match logical {
        LogicalType::Bool => ("bool", None),
        LogicalType::Integer { bits, signed } => {
            return format!("{}{bits}", if *signed { "i" } else { "u" });
        }
        LogicalType::Float { bits } => return format!("f{bits}"),
        LogicalType::Decimal => ("rust_decimal::Decimal", Some("rust_decimal")),
        LogicalType::Bytes => ("Vec<u8>", None),
        LogicalType::Uuid => ("uuid::Uuid", Some("uuid")),
        LogicalType::Timestamp | LogicalType::DateTime | LogicalType::Date | LogicalType::Time => {
            (temporal(logical, time), Some(time.name()))
        }
        LogicalType::Text => ("String", None),
        _ => ("serde_json::Value", Some("serde_json")),
    };
    crates.extend(needed);
    ty.to_owned()
}

fn temporal(logical: &LogicalType, time: TimeCrate) -> &'static str {
    match (time, logical) {
        (TimeCrate::Chrono, LogicalType::Timestamp) => "chrono::DateTime<chrono::Utc>",
        (TimeCrate::Chrono, LogicalType::DateTime) => "chrono::NaiveDateTime",
        (TimeCrate::Chrono, LogicalType::Date) => "chrono::NaiveDate",
        (TimeCrate::Chrono, _) => "chrono::NaiveTime",
        (TimeCrate::Jiff, LogicalType::Timestamp) => "jiff::Timestamp",
        (TimeCrate::Jiff, LogicalType::DateTime) => "jiff::civil::DateTime",
        (TimeCrate::Jiff, LogicalType::Date) => "jiff::civil::Date",
        (TimeCrate::Jiff, _) => "jiff::civil::Time",
        (TimeCrate::Time, LogicalType::Timestamp) => "time::OffsetDateTime",
        (TimeCrate::Time, LogicalType::DateTime) => "time::PrimitiveDateTime",
        (TimeCrate::Time, LogicalType::Date) => "time::Date",
        (TimeCrate::Time, _) => "time::Time",
    }
}

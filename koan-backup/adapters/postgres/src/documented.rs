//! Checks that the table of types in the documentation matches the code.

use crate::column_type::binary_format;
use crate::types::StoredType;
use koan_backup_sql::field_kind::FieldKind;

/// Returns the column types with their SQL names.
fn stored_types() -> Vec<(&'static str, StoredType)> {
    use StoredType as T;
    let list = |element| T::Array(Box::new(element));
    vec![
        ("`boolean`", T::Bool),
        ("`smallint`, `smallserial`", T::Int2),
        ("`integer`, `serial`", T::Int4),
        ("`bigint`, `bigserial`", T::Int8),
        ("`oid`", T::Oid),
        ("`real`", T::Float4),
        ("`double precision`", T::Float8),
        ("`numeric`, `decimal`", T::Numeric),
        ("`money`", T::Money),
        ("`text`, `varchar`, `citext`, `name`", T::Text),
        ("`char(n)`", T::Char),
        ("an enum", T::Enum),
        ("`json`", T::Json),
        ("`jsonb`", T::Jsonb),
        ("`uuid`", T::Uuid),
        ("`inet`, `cidr`", T::Inet),
        ("`bytea`", T::Bytea),
        ("`date`", T::Date),
        ("`time`", T::Time),
        ("`timestamp`", T::Timestamp),
        ("`timestamptz`", T::TimestampTz),
        ("a list: `text[]`, `integer[]`, …", list(T::Text)),
        ("a list of composite types", list(T::Composite)),
        ("a composite type", T::Composite),
        ("`hstore`", T::Hstore),
        ("`vector`, `halfvec`", T::Vector),
        ("others: `interval`, `xml`, ranges, …", T::Other),
    ]
}

/// The kinds of fields, each with the Rust types of this kind.
const KINDS: [(&str, FieldKind); 13] = [
    ("`bool`", FieldKind::Bool),
    ("integer", FieldKind::Integer),
    ("`f32`, `f64`", FieldKind::Float64),
    ("`Decimal`", FieldKind::Decimal),
    ("`String`, enum", FieldKind::Text),
    ("bytes", FieldKind::Bytes),
    ("`Uuid`", FieldKind::Uuid),
    ("instant", FieldKind::Timestamp),
    ("date and time", FieldKind::DateTime),
    ("date", FieldKind::Date),
    ("time", FieldKind::Time),
    ("list, map, struct", FieldKind::Structure),
    ("`Value`", FieldKind::Json),
];

#[test]
fn the_documented_table_of_types_matches_the_code() {
    let mut table = String::from("| PostgreSQL |");
    KINDS.iter().for_each(|(name, _)| table.push_str(&format!(" {name} |")));
    table.push_str(&format!("\n|---|{}\n", "---|".repeat(KINDS.len())));
    for (name, stored) in stored_types() {
        table.push_str(&format!("| {name} |"));
        for (_, kind) in KINDS {
            table.push_str(if binary_format(kind, &stored).is_some() { " yes |" } else { " |" });
        }
        table.push('\n');
    }
    let page = include_str!("../../../docs/types.md");
    assert!(page.contains(&table), "koan-backup/docs/types.md must have this table:\n\n{table}");
}

#[test]
fn the_documented_column_types_are_the_declared_ones() {
    let page = include_str!("../../../docs/types.md");
    koan_backup_sql::documented::require_documented(page, "PostgreSQL", crate::ddl::declared_type);
}

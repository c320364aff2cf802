//! The table of types in the documentation is that of the code.

use crate::column_type::{Kind, sent};
use crate::types::StoredType;

/// The types as SQL names them.
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

/// The types of fields, with the Rust types that have them.
const KINDS: [(&str, Kind); 13] = [
    ("`bool`", Kind::Bool),
    ("integer", Kind::Integer),
    ("`f32`, `f64`", Kind::Float64),
    ("`Decimal`", Kind::Decimal),
    ("`String`, enum", Kind::Text),
    ("bytes", Kind::Bytes),
    ("`Uuid`", Kind::Uuid),
    ("instant", Kind::Timestamp),
    ("date and time", Kind::DateTime),
    ("date", Kind::Date),
    ("time", Kind::Time),
    ("list, map, struct", Kind::Structure),
    ("`Value`", Kind::Json),
];

#[test]
fn the_documented_table_of_types_is_that_of_the_code() {
    let mut table = String::from("| PostgreSQL |");
    KINDS.iter().for_each(|(name, _)| table.push_str(&format!(" {name} |")));
    table.push_str(&format!("\n|---|{}\n", "---|".repeat(KINDS.len())));
    for (name, stored) in stored_types() {
        table.push_str(&format!("| {name} |"));
        for (_, kind) in KINDS {
            table.push_str(if sent(kind, &stored).is_some() { " yes |" } else { " |" });
        }
        table.push('\n');
    }
    let page = include_str!("../../../docs/types.md");
    assert!(page.contains(&table), "koan-backup/docs/types.md must have this table:\n\n{table}");
}

#[test]
fn the_documented_types_of_columns_are_those_that_are_declared() {
    let page = include_str!("../../../docs/types.md");
    koan_backup_sql::documented::require_documented(page, "PostgreSQL", crate::ddl::declared_type);
}

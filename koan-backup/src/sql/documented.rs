//! The table of usual types in the documentation is that of the code.

use koan_backup_core::FieldSchema;
use serde_json::json;

/// Rows of the table: what Rust has, and a schema of such a field.
fn fields() -> Vec<(&'static str, Vec<serde_json::Value>)> {
    let integer = |bits: u8, signed: bool| json!({ "type": "integer", "bits": bits, "signed": signed });
    let plain = |name: &str| json!({ "type": name });
    vec![
        ("`bool`", vec![plain("bool")]),
        ("`i8`, `u8`, `i16`", vec![integer(8, true), integer(8, false), integer(16, true)]),
        ("`u16`, `i32`", vec![integer(16, false), integer(32, true)]),
        ("`u32`, `i64`", vec![integer(32, false), integer(64, true)]),
        ("`u64`, `i128`, `u128`", vec![integer(64, false), integer(128, true), integer(128, false)]),
        ("`f32`", vec![json!({ "type": "float", "bits": 32 })]),
        ("`f64`", vec![json!({ "type": "float", "bits": 64 })]),
        ("`rust_decimal::Decimal`", vec![plain("decimal")]),
        (
            "`String`, an enum without content",
            vec![plain("text"), json!({ "type": "enum", "variants": ["A"] })],
        ),
        ("`Vec<u8>` and others of bytes", vec![plain("bytes")]),
        ("`uuid::Uuid`", vec![plain("uuid")]),
        ("`chrono::DateTime<Utc>`, `time::OffsetDateTime`, `jiff::Timestamp`", vec![plain("timestamp")]),
        ("the same as a number since 1970, such as `ts_milliseconds`", vec![plain("unix")]),
        (
            "`chrono::NaiveDateTime`, `time::PrimitiveDateTime`, `jiff::civil::DateTime`",
            vec![plain("dateTime")],
        ),
        ("`chrono::NaiveDate`, `time::Date`, `jiff::civil::Date`", vec![plain("date")]),
        ("`chrono::NaiveTime`, `time::Time`, `jiff::civil::Time`", vec![plain("time")]),
        (
            "a list, a map, a struct",
            vec![plain("list"), plain("map"), json!({ "type": "struct", "fields": ["a"] })],
        ),
        ("`serde_json::Value`", vec![plain("json")]),
    ]
}

fn field(logical: &serde_json::Value) -> FieldSchema {
    let is_unix = logical["type"] == "unix";
    let logical = if is_unix { json!({ "type": "timestamp" }) } else { logical.clone() };
    let wire = if is_unix { "unixMillis" } else { "plain" };
    let field = json!({
        "name": "field", "rustType": "T", "logical": logical, "wire": wire, "nullable": false, "key": false, "required": true
    });
    serde_json::from_value(field).expect("a schema")
}

#[test]
fn the_documented_table_of_usual_types_is_that_of_the_code() {
    let mut table = String::from("| Rust | PostgreSQL | SQLite |\n|---|---|---|\n");
    for (name, logical) in fields() {
        let declared: Vec<_> = logical
            .iter()
            .map(field)
            .map(|field| (crate::postgres::declared_type(&field), crate::sqlite::declared_type(&field)))
            .collect();
        let (postgres, sqlite) = declared[0];
        assert!(declared.iter().all(|one| *one == declared[0]), "{name}: {declared:?}");
        table.push_str(&format!("| {name} | `{postgres}` | `{sqlite}` |\n"));
    }
    let page = include_str!("../../docs/types.md");
    assert!(page.contains(&table), "koan-backup/docs/types.md must have this table:\n\n{table}");
}

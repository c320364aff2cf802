//! Checks that the table of usual types in the documentation agrees with an adapter, for the tests of each
//! SQL adapter.

use koan_backup_core::schema::FieldSchema;
use serde_json::json;

/// Returns the rows of the table: the Rust types as the documentation lists them, and the logical types of
/// fields with these types.
fn documented_rows() -> Vec<(&'static str, Vec<serde_json::Value>)> {
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
        ("`String`, a fieldless enum", vec![plain("text"), json!({ "type": "enum", "variants": ["A"] })]),
        ("`Vec<u8>` and other byte types", vec![plain("bytes")]),
        ("`uuid::Uuid`", vec![plain("uuid")]),
        ("`chrono::DateTime<Utc>`, `time::OffsetDateTime`, `jiff::Timestamp`", vec![plain("timestamp")]),
        (
            "an instant that serde writes as a Unix time, for example with `ts_milliseconds`",
            vec![plain("unix")],
        ),
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
    serde_json::from_value(field).expect("the JSON value is the schema of a field")
}

/// Checks that the table of usual types in `page` has a column `database` with the types that an adapter
/// declares. `page` is the text of `koan-backup/docs/types.md`.
///
/// # Panics
/// The table of the page has no column `database`, or this column contains other types.
pub fn require_documented(page: &str, database: &str, declared_type: impl Fn(&FieldSchema) -> &'static str) {
    let table = page
        .lines()
        .skip_while(|line| !line.starts_with("| Rust |"))
        .take_while(|line| line.starts_with('|'));
    let cells = |line: &str| {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
    };
    let mut lines = table.map(cells);
    let heading = lines.next().expect("koan-backup/docs/types.md has a table that begins with `| Rust |`");
    let column =
        heading.iter().position(|name| name == database).expect("the table has a column for the database");
    let documented: Vec<_> = lines.skip(1).map(|row| (row[0].clone(), row[column].clone())).collect();
    let expected = documented_rows().into_iter().map(|(name, logical)| {
        let declared: Vec<_> = logical.iter().map(field).map(|field| declared_type(&field)).collect();
        assert!(
            declared.iter().all(|declared_type| *declared_type == declared[0]),
            "the types {name} share a row of the documentation, but the adapter declares different column \
             types for them: {declared:?}"
        );
        (name.to_owned(), format!("`{}`", declared[0]))
    });
    assert_eq!(
        documented,
        expected.collect::<Vec<_>>(),
        "column `{database}` of the table in koan-backup/docs/types.md differs from the declared types; \
         correct the page"
    );
}

// The entities of a SQLite database, written by `koan-backup generate`.
//
// The module needs the crates `koan-backup` (features `chrono`, `rust_decimal`), `serde` (feature
// `derive`), `chrono` (feature `serde`), `rust_decimal` (feature `serde`), `serde_json`, `uuid`
// (feature `serde`).
//
// No struct can cover the following data. The boot report warns of it:
// - virtual table `documents` cannot be an entity; declare why its content needs no backup with
//   `.ignore_table("documents", "…")`
// - table `float_key` has no key; add a primary key, or declare why the table needs no backup with
//   `.ignore_table("float_key", "…")`
// - table `log` has no key; add a primary key, or declare why the table needs no backup with
//   `.ignore_table("log", "…")`

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

/// A row of table `by_index`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct ByIndex {
    pub pair_a: String,
    pub pair_b: String,
    #[entity(key)]
    pub code: String,
}

// The tables `note#archive` contain named sets of this entity.
/// A row of table `note`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Note {
    pub id: i64,
    pub body: Option<String>,
    // Decide: the column is declared as `DATE`, but it contains other values; correct them, or keep
    // the type of the field.
    pub day: Option<String>,
}

/// A row of table `nullable_key`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct NullableKey {
    pub name: Option<String>,
    #[entity(key)]
    pub code: String,
}

/// A row of table `setting`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Setting {
    #[entity(key)]
    pub name: String,
    pub value: Option<String>,
}

/// A row of table `strict_values`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct StrictValues {
    #[entity(key)]
    pub label: String,
    #[entity(key)]
    pub part: i64,
    pub anything: Option<String>,
    pub number: Option<f64>,
}

// The struct has no field for columns that the database computes: `doubled`.
/// A row of table `typed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Typed {
    pub id: i64,
    pub flag: bool,
    pub flag_word: Option<bool>,
    pub small: Option<i64>,
    pub big: i64,
    pub ratio: f64,
    pub wide: Option<f64>,
    pub price: rust_decimal::Decimal,
    pub exact: Option<rust_decimal::Decimal>,
    pub amount: Option<rust_decimal::Decimal>,
    pub text: String,
    pub varchar: Option<String>,
    pub clob: Option<String>,
    #[serde(with = "koan_backup::serde::base64")]
    pub content: Vec<u8>,
    #[serde(default, with = "koan_backup::serde::base64")]
    pub preview: Option<Vec<u8>>,
    #[serde(default, with = "koan_backup::serde::base64")]
    pub raw: Option<Vec<u8>>,
    pub uuid: Option<uuid::Uuid>,
    pub guid: uuid::Uuid,
    pub document: Option<serde_json::Value>,
    pub instant: Option<chrono::DateTime<chrono::Utc>>,
    pub zulu: Option<chrono::DateTime<chrono::Utc>>,
    pub local: chrono::NaiveDateTime,
    pub unix: Option<chrono::NaiveDateTime>,
    pub julian: Option<chrono::NaiveDateTime>,
    pub day: Option<chrono::NaiveDate>,
    pub clock: Option<chrono::NaiveTime>,
    pub untyped: Option<i64>,
    pub untyped_text: Option<String>,
    #[serde(default, with = "koan_backup::serde::base64")]
    pub untyped_blob: Option<Vec<u8>>,
    pub untyped_real: Option<f64>,
    // Decide: the column has no type and no values; choose the type of the field.
    pub empty_untyped: Option<String>,
    pub code: Option<String>,
    // Decide: the column is declared as `DATETIME`, but it contains other values; correct them, or
    // keep the type of the field.
    pub mixed_date: Option<String>,
    // Decide: the column is declared as `BOOLEAN`, but it contains other values; correct them, or
    // keep the type of the field.
    pub mixed_flag: Option<i64>,
    // Decide: the column is declared as `INTEGER`, but it contains other values; correct them, or
    // keep the type of the field.
    pub mixed_number: Option<String>,
    // Decide: the column is declared as `DECIMAL`, but it contains other values; correct them, or
    // keep the type of the field.
    pub long_decimal: Option<f64>,
    // Decide: the column is declared as `DATE`, but it contains other values; correct them, or keep
    // the type of the field.
    pub day_or_time: Option<chrono::NaiveDateTime>,
    // Decide: the column is declared as `UUID`, but it contains other values; correct them, or keep
    // the type of the field.
    pub odd_uuid: Option<String>,
    // Decide: the column is declared as `JSON`, but it contains other values; correct them, or keep
    // the type of the field.
    pub odd_json: Option<String>,
    // Decide: the column is declared as `DATETIME`, but it contains other values; correct them, or
    // keep the type of the field.
    pub millis: Option<i64>,
    // Decide: the column is declared as `TEXT`, but it contains other values; correct them, or keep
    // the type of the field.
    #[serde(default, with = "koan_backup::serde::base64")]
    pub latin: Option<Vec<u8>>,
}

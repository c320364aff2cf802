// The entities of a PostgreSQL database, written by `koan-backup generate`.
//
// The module needs the crates `koan-backup` (features `rust_decimal`, `time`), `serde` (feature
// `derive`), `rust_decimal` (feature `serde`), `serde_json`, `time` (feature
// `serde-human-readable`), `uuid` (feature `serde`).
//
// No struct can cover the following data. The boot report warns of it:
// - sequence `standalone` belongs to no table, so backups do not contain its position; let a column
//   own it (ALTER SEQUENCE … OWNED BY …), or declare why it needs no backup with
//   `.ignore_sequence("standalone", "…")`
// - materialized view `note_counts` contains rows that no backup contains and that a restore does
//   not change; let restores refresh it with `.refresh_materialized_views()`, or declare why it
//   needs no refresh with `.ignore_materialized_view("note_counts", "…")`
// - the database has 1 large objects, which no backup contains; store such content in columns of
//   type `bytea`, or declare why it needs no backup with `.ignore_large_objects("…")`
// - table `log` has no key; add a primary key, or declare why the table needs no backup with
//   `.ignore_table("log", "…")`

use koan_backup::Entity;
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

// The relationship of the table to others: without the rows of `dog`, which inherit from it.
/// A row of table `animal`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Animal {
    pub id: i32,
    pub name: Option<String>,
}

/// A row of table `by_index`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct ByIndex {
    #[entity(key)]
    pub mood: Mood,
    pub value: Option<String>,
}

/// A row of table `deferred`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Deferred {
    pub id: uuid::Uuid,
    pub value: Option<String>,
}

// The relationship of the table to others: inherits from `animal`.
/// A row of table `dog`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Dog {
    pub id: i32,
    pub name: Option<String>,
    pub breed: Option<String>,
}

/// A row of table `lists`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Lists {
    pub id: i32,
    pub flags: Vec<Option<bool>>,
    pub smalls: Vec<Option<i16>>,
    pub numbers: Option<Vec<Option<i32>>>,
    pub bigs: Option<Vec<Option<i64>>>,
    pub singles: Option<Vec<Option<f32>>>,
    pub doubles: Option<Vec<Option<f64>>>,
    pub prices: Option<Vec<Option<rust_decimal::Decimal>>>,
    pub amounts: Option<Vec<Option<String>>>,
    pub texts: Option<Vec<Option<String>>>,
    pub varchars: Option<Vec<Option<String>>>,
    pub chars: Option<Vec<Option<String>>>,
    pub moods: Option<Vec<Option<Mood>>>,
    pub jsons: Option<Vec<Option<serde_json::Value>>>,
    pub jsonbs: Option<Vec<Option<serde_json::Value>>>,
    pub uuids: Option<Vec<Option<uuid::Uuid>>>,
    pub nets: Option<Vec<Option<String>>>,
    pub contents: Option<Vec<Option<Vec<u8>>>>,
    pub dates: Option<Vec<Option<String>>>,
    pub times: Option<Vec<Option<String>>>,
    pub locals: Option<Vec<Option<String>>>,
    pub instants: Option<Vec<Option<String>>>,
    pub oids: Option<Vec<Option<String>>>,
    pub intervals: Option<Vec<Option<String>>>,
    pub addresses: Option<String>,
    pub maps: Option<String>,
    // Decide: the column is of type `integer[]`, but only text represents all of its values;
    // correct them, or keep the type of the field.
    pub grid: Option<String>,
    // Decide: the column is of type `integer[]`, but only text represents all of its values;
    // correct them, or keep the type of the field.
    pub shifted: Option<String>,
}

// The relationship of the table to others: with its partitions `measured_2024`.
/// A row of table `measured`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Measured {
    #[entity(key)]
    pub day: time::Date,
    pub value: Option<i32>,
}

// The tables `note#archive` contain named sets of this entity.
/// A row of table `note`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Note {
    pub id: i32,
    pub body: Option<String>,
}

// Decide: column `address` looks personal; encrypt the records with `#[entity_backup(encrypt)]`, or
// remove this comment.
/// A row of table `odd_values`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct OddValues {
    pub id: i32,
    // Decide: the column is of type `date`, but only text represents all of its values; correct
    // them, or keep the type of the field.
    pub date: Option<String>,
    // Decide: the column is of type `timestamp without time zone`, but only text represents all of
    // its values; correct them, or keep the type of the field.
    pub local: Option<String>,
    // Decide: the column is of type `timestamp with time zone`, but only text represents all of its
    // values; correct them, or keep the type of the field.
    pub instant: Option<String>,
    // Decide: the column is of type `time without time zone`, but only text represents all of its
    // values; correct them, or keep the type of the field.
    pub time: Option<String>,
    // Decide: the column is of type `real`, but only text represents all of its values; correct
    // them, or keep the type of the field.
    pub single: Option<String>,
    // Decide: the column is of type `double precision`, but only text represents all of its values;
    // correct them, or keep the type of the field.
    pub double: Option<String>,
    // Decide: the column is of type `numeric`, but only text represents all of its values; correct
    // them, or keep the type of the field.
    pub exact: Option<String>,
    // Decide: the column is of type `numeric`, but only text represents all of its values; correct
    // them, or keep the type of the field.
    pub digits: Option<String>,
    // Decide: the column is of type `date`, but only text represents all of its values; correct
    // them, or keep the type of the field.
    pub ancient: Option<String>,
    // Decide: the column is of type `date[]`, but only text represents all of its values; correct
    // them, or keep the type of the field.
    pub dates: Option<String>,
    // Decide: the column is of type `numeric[]`, but only text represents all of its values;
    // correct them, or keep the type of the field.
    pub numbers: Option<String>,
    pub address: Option<serde_json::Value>,
    // Decide: the column is of type `jsonb`, but only text represents all of its values; correct
    // them, or keep the type of the field.
    pub jsonb: Option<String>,
    // Decide: the column is of type `jsonb`, but only text represents all of its values; correct
    // them, or keep the type of the field.
    pub nested: Option<String>,
}

/// A row of table `reversed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Reversed {
    #[entity(key)]
    pub part: i32,
    #[entity(key)]
    pub label: String,
    pub value: Option<String>,
}

/// A row of table `sales.typed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity(table = "sales.typed")]
pub struct SalesTyped {
    pub id: i32,
}

// Decide: column `address` looks personal; encrypt the records with `#[entity_backup(encrypt)]`, or
// remove this comment.
// The struct has no field for columns that the database computes: `doubled`.
/// A row of table `typed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
pub struct Typed {
    pub id: i64,
    pub small: i16,
    pub medium: i32,
    pub wide: Option<rust_decimal::Decimal>,
    pub single: f32,
    pub double: f64,
    pub exact: rust_decimal::Decimal,
    pub money: rust_decimal::Decimal,
    pub text: String,
    pub varchar: String,
    pub padded: String,
    pub word: String,
    pub name: Option<String>,
    pub flag: bool,
    pub uuid: uuid::Uuid,
    #[serde(with = "koan_backup::serde::base64")]
    pub bytes: Vec<u8>,
    #[serde(default, with = "koan_backup::serde::base64")]
    pub maybe_bytes: Option<Vec<u8>>,
    pub date: time::Date,
    pub time: time::Time,
    pub local: time::PrimitiveDateTime,
    pub instant: time::OffsetDateTime,
    pub maybe_instant: Option<time::OffsetDateTime>,
    pub interval: String,
    pub json: serde_json::Value,
    pub jsonb: Option<serde_json::Value>,
    pub oid: u32,
    pub mood: Mood,
    pub positive: i32,
    pub inet: String,
    pub cidr: String,
    pub mac: String,
    pub range: Option<String>,
    pub address: Option<serde_json::Value>,
    pub bits: Option<String>,
    pub point: Option<String>,
    pub labels: Option<std::collections::BTreeMap<String, Option<String>>>,
    pub a_map_with_a_name_so_long_that_its_type_is_on_the_next_line:
        Option<std::collections::BTreeMap<String, Option<String>>>,
    pub xml: Option<String>,
    pub clock: Option<String>,
    pub search: Option<String>,
}

/// A value of the enum `mood`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mood {
    #[serde(rename = "sad")]
    Sad,
    #[serde(rename = "very happy")]
    VeryHappy,
}

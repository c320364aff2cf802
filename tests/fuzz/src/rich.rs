//! Entities with fields of every supported type.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use koan_backup::Entity;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An externally tagged enum in a record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Status {
    #[default]
    Active,
    #[serde(rename = "on hold")]
    OnHold,
    Closed {
        reason: String,
    },
    Moved(i64),
}

/// An internally tagged enum in a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Shape {
    Circle { radius: f64 },
    Square { side: i32 },
}

/// An untagged enum in a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Untagged {
    Number(i64),
    Text(String),
    List(Vec<i64>),
}

/// A nested struct in a record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Address {
    street: String,
    zip: Option<String>,
}

/// An entity with a field of every supported type. Every field may be missing, so that short lines are valid
/// records.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Entity)]
#[serde(default)]
pub struct Everything {
    id: i64,
    flag: bool,
    small: i8,
    medium: u16,
    unsigned: u64,
    huge: i128,
    single: f32,
    double: f64,
    letter: char,
    text: String,
    maybe: Option<String>,
    number: Option<u32>,
    uuid: Uuid,
    instant: DateTime<Utc>,
    local_instant: DateTime<FixedOffset>,
    naive: NaiveDateTime,
    date: NaiveDate,
    time_of_day: NaiveTime,
    #[serde(with = "chrono::serde::ts_milliseconds")]
    millis: DateTime<Utc>,
    offset: Option<time::OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    rfc: Option<time::OffsetDateTime>,
    time_date: Option<time::Date>,
    price: Decimal,
    bytes: Vec<u8>,
    #[serde(with = "serde_bytes")]
    blob: Vec<u8>,
    fixed: [u8; 4],
    status: Status,
    shape: Option<Shape>,
    untagged: Option<Untagged>,
    address: Address,
    list: Vec<String>,
    nested: Vec<Vec<Option<f64>>>,
    map: HashMap<String, i64>,
    tree: BTreeMap<u8, bool>,
    json: serde_json::Value,
    #[serde(rename = "renamed")]
    original: String,
}

/// An entity with scalar fields only, whose rows are encoded without going through the Rust type.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Entity)]
#[serde(default)]
pub struct Scalars {
    id: i64,
    small: Option<u8>,
    single: Option<f32>,
    double: Option<f64>,
    text: Option<String>,
    letter: Option<char>,
    uuid: Option<Uuid>,
    date: Option<NaiveDate>,
    instant: Option<DateTime<Utc>>,
    price: Option<Decimal>,
    status: Option<Status>,
}

/// An entity with a composite key, and with a flattened map for unknown fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Entity)]
#[serde(default)]
pub struct Open {
    #[entity(key)]
    tenant: String,
    #[entity(key)]
    number: u32,
    #[serde(flatten)]
    rest: BTreeMap<String, serde_json::Value>,
}

/// An entity that is an internally tagged enum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[serde(tag = "kind")]
pub enum Event {
    Opened { id: i64, by: String },
    Closed { id: i64, at: Option<DateTime<Utc>>, cost: Option<f64> },
}

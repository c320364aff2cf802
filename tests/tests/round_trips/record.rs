//! A record with a field of every supported type.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use koan_backup::prelude::*;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Debug, Clone, Serialize, Deserialize, Entity)]
pub(super) struct Anything {
    pub(super) id: i64,
    pub(super) wrapped: Wrapped,
    pub(super) flag: bool,
    pub(super) tiny: i8,
    pub(super) small: u16,
    pub(super) medium: i32,
    pub(super) unsigned: u64,
    pub(super) huge: i128,
    pub(super) single: f32,
    pub(super) double: f64,
    pub(super) exact: Decimal,
    pub(super) letter: char,
    pub(super) text: String,
    pub(super) uuid: Uuid,
    pub(super) bytes: Vec<u8>,
    #[serde(with = "serde_bytes")]
    pub(super) blob: Vec<u8>,
    pub(super) fixed: [u8; 4],
    pub(super) instant: DateTime<Utc>,
    pub(super) local: NaiveDateTime,
    pub(super) day: NaiveDate,
    pub(super) hour: NaiveTime,
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub(super) millis: DateTime<Utc>,
    #[serde(with = "time::serde::rfc3339")]
    pub(super) rfc: time::OffsetDateTime,
    pub(super) timestamp: jiff::Timestamp,
    pub(super) civil: jiff::civil::DateTime,
    pub(super) civil_day: jiff::civil::Date,
    pub(super) civil_hour: jiff::civil::Time,
    pub(super) tag: Tag,
    pub(super) shape: Shape,
    pub(super) location: Location,
    pub(super) words: Vec<String>,
    pub(super) ratios: Vec<f64>,
    pub(super) map: BTreeMap<String, i64>,
    pub(super) maybe_count: Option<u64>,
    pub(super) maybe_double: Option<f64>,
    pub(super) maybe_exact: Option<Decimal>,
    pub(super) maybe_text: Option<String>,
    pub(super) maybe_uuid: Option<Uuid>,
    pub(super) maybe_bytes: Option<Vec<u8>>,
    pub(super) maybe_flag: Option<bool>,
    pub(super) maybe_instant: Option<DateTime<Utc>>,
    pub(super) maybe_day: Option<NaiveDate>,
    pub(super) maybe_tag: Option<Tag>,
    pub(super) maybe_location: Option<Location>,
    pub(super) maybe_words: Option<Vec<String>>,
}

/// A record with a composite key of text and a number.
#[derive(Debug, Clone, Serialize, Deserialize, Entity)]
#[entity(key = "name, number")]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) number: u64,
    pub(super) content: String,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Wrapped(pub(super) i64);

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum Tag {
    Simple,
    #[serde(rename = "quoted \"tag\"")]
    Quoted,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Shape {
    Point,
    Circle(i64),
    Box { width: u32, label: Option<String> },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Location {
    pub(super) shelf: i64,
    pub(super) labels: Vec<Option<String>>,
}

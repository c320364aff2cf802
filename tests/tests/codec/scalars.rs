//! Tests records of scalar values, which the codec can check and read without `serde_json`. For every line
//! and every row, the fast path must have the same result as the path through `serde_json` and the Rust type.

use chrono::{DateTime, NaiveDate, Utc};
use koan_backup::prelude::*;
use koan_backup::{
    entity::{EntityCodec, Projection, Row},
    value::Value,
};
use proptest::prelude::*;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Reading {
    id: i64,
    #[serde(rename = "a \"name\"")]
    small: Option<u8>,
    huge: u64,
    single: f32,
    double: Option<f64>,
    flag: bool,
    letter: char,
    text: String,
    #[serde(default)]
    note: Option<String>,
    uuid: Uuid,
    day: NaiveDate,
    at: DateTime<Utc>,
    price: Decimal,
    #[serde(default, deserialize_with = "lenient")]
    mood: Option<Mood>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Mood {
    Good,
    Bad,
}

/// Decodes an unknown name as `None`, as many applications do. If the value is not text, `serde_json` does
/// not continue at the right position afterwards.
fn lenient<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Mood>, D::Error> {
    Ok(Mood::deserialize(deserializer).ok())
}

/// Generates readings whose rows take the fast path.
fn readings() -> impl Strategy<Value = Reading> {
    let finite = |v: &f64| v.is_finite();
    let numbers = (
        any::<i64>(),
        any::<Option<u8>>(),
        any::<u64>(),
        any::<f32>().prop_filter("finite", |v| v.is_finite()),
    );
    let more =
        (proptest::option::of(any::<f64>().prop_filter("finite", finite)), any::<bool>(), any::<char>());
    let texts = (any::<String>(), any::<Option<String>>(), any::<u128>());
    // The times have no fraction that ends with a zero, and no year before 1: `chrono` writes such times in
    // special forms, and their rows do not take the fast path.
    let nanos = (0u32..100_000_000).prop_map(|n| n * 10 + 7);
    let times = (400i32..2_900_000, -62_135_596_800i64..253_402_300_799, nanos);
    let rest = (any::<i64>(), 0u32..28, prop_oneof![Just(Mood::Good), Just(Mood::Bad)]);
    (numbers, more, texts, times, rest).prop_map(|(numbers, more, texts, times, rest)| Reading {
        id: numbers.0,
        small: numbers.1,
        huge: numbers.2,
        single: numbers.3,
        double: more.0,
        flag: more.1,
        letter: more.2,
        text: texts.0,
        note: texts.1,
        uuid: Uuid::from_u128(texts.2),
        day: NaiveDate::from_num_days_from_ce_opt(times.0).unwrap_or_default(),
        at: DateTime::from_timestamp(times.1, times.2).unwrap_or_default(),
        price: Decimal::new(rest.0, rest.1),
        mood: Some(rest.2),
    })
}

/// Returns the line that the codec writes for a record, without the line feed.
fn line(codec: &EntityCodec, reading: &Reading) -> Vec<u8> {
    let mut line = Vec::new();
    codec.write_record(reading, &mut line).expect("written");
    assert_eq!(line.pop(), Some(b'\n'), "the line does not end with a line feed");
    line
}

/// Returns whether the type writes the same line again after `serde_json` has read it, or `None` if the line
/// does not decode.
fn is_written_equally(codec: &EntityCodec, text: &[u8]) -> Option<bool> {
    codec.check(text).ok()?;
    let value: Reading = serde_json::from_slice(text).expect("decodes");
    Some(line(codec, &value) == text)
}

/// Returns the line with one byte removed, replaced or inserted.
fn changed(line: &[u8], position: prop::sample::Index, byte: u8, change: u8) -> Vec<u8> {
    let (index, mut line) = (position.index(line.len()), line.to_vec());
    match change % 3 {
        0 => drop(line.remove(index)),
        1 => line[index] = byte,
        _ => line.insert(index, byte),
    }
    line
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_check_of_a_line_without_a_parser_agrees_with_the_parser(
        reading in readings(),
        (position, change) in any::<(prop::sample::Index, u8)>(),
        byte in prop_oneof![prop::sample::select(b" \"\\,:{}[]0123456789.-+eEn\n".to_vec()), any::<u8>()],
    ) {
        let codec = EntityCodec::new(Reading::descriptor());
        let line = line(&codec, &reading);
        for line in [line.clone(), changed(&line, position, byte, change)] {
            let round_trips = codec.round_trips(&line, &mut Vec::new()).ok();
            prop_assert_eq!(
                round_trips, is_written_equally(&codec, &line), "{}", String::from_utf8_lossy(&line)
            );
            if let (Some(true), Some(values)) = (round_trips, codec.extract_values(&line)) {
                prop_assert_eq!(values, codec.decode(&line).expect("decodes").values);
            }
        }
    }

    #[test]
    fn a_row_that_takes_the_fast_path_is_encoded_equally_by_the_general_path(
        reading in readings(),
        (replaced, other) in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let codec = EntityCodec::new(Reading::descriptor());
        let fields = Projection::of(codec.schema());
        let record = codec.record(&reading).expect("converted into values");
        let line = line(&codec, &reading);
        let mut fast = Vec::new();
        let row = Row { projection: &fields, values: &record.values };
        prop_assert!(codec.encode_fast(&row, &mut fast, &mut Vec::new()));
        prop_assert_eq!(String::from_utf8_lossy(fast.trim_ascii_end()), String::from_utf8_lossy(&line));
        // The value of another field, or NULL, replaces the value.
        for value in [record.values[other.index(record.values.len())].clone(), Value::Null] {
            let mut values = record.values.clone();
            let index = replaced.index(values.len());
            values[index] = value;
            let row = Row { projection: &fields, values: &values };
            let (mut fast, mut general) = (Vec::new(), Vec::new());
            if codec.encode_fast(&row, &mut fast, &mut Vec::new()) {
                let changed_fields = codec.encode(&row, &mut general).expect("the fast path encoded the row");
                prop_assert_eq!(changed_fields, Vec::<&str>::new());
                prop_assert_eq!(&fast, &general);
                let line = fast.trim_ascii_end();
                prop_assert_eq!(
                    is_written_equally(&codec, line), Some(true), "{}", String::from_utf8_lossy(line)
                );
            }
        }
    }
}

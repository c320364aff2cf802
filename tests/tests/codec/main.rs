//! Tests that every supported field type makes an exact round trip from a row to a line and back, through the
//! Rust type.

mod scalars;

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use koan_backup::prelude::*;
use koan_backup::{
    SetName,
    entity::{EntityCodec, Projection, Row},
    schema::{LogicalType, WireForm},
    value::Value,
};
use koan_backup_tests::scripted::Scripted;
use proptest::prelude::*;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

mod base64_text {
    use serde::{Deserialize, Deserializer, Serializer};

    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::new();
        for chunk in bytes.chunks(3) {
            let word =
                chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
            for position in 0..4 {
                if position > chunk.len() {
                    text.push('=');
                } else {
                    let digit = usize::try_from(word >> (18 - 6 * position) & 63).expect("six bits");
                    text.push(char::from(DIGITS[digit]));
                }
            }
        }
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = Vec::new();
        for chunk in text.as_bytes().chunks(4) {
            let mut word = 0;
            for byte in chunk {
                let digit = DIGITS.iter().position(|digit| digit == byte).unwrap_or(0);
                word = word << 6 | u32::try_from(digit).expect("six bits");
            }
            let padding = chunk.iter().filter(|byte| **byte == b'=').count();
            bytes.extend(&word.to_be_bytes()[1..4 - padding]);
        }
        Ok(bytes)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Status {
    Active,
    #[serde(rename = "on hold")]
    OnHold,
    Closed {
        reason: String,
    },
    Moved(i64),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Shape {
    Circle { radius: f64 },
    Square { side: f64 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    Number(i32),
    Text(String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(i64),
    Text(String),
    List(Vec<i64>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Address {
    street: String,
    zip: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct UserId(Uuid);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Everything {
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
    uuid: Uuid,
    user: UserId,
    instant: DateTime<Utc>,
    local_instant: DateTime<FixedOffset>,
    naive: NaiveDateTime,
    date: NaiveDate,
    time_of_day: NaiveTime,
    #[serde(with = "chrono::serde::ts_milliseconds")]
    millis: DateTime<Utc>,
    offset: time::OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    rfc: time::OffsetDateTime,
    time_date: time::Date,
    zoned_instant: jiff::Timestamp,
    civil: jiff::civil::DateTime,
    price: Decimal,
    #[serde(with = "rust_decimal::serde::float")]
    rate: Decimal,
    bytes: Vec<u8>,
    #[serde(with = "serde_bytes")]
    blob: Vec<u8>,
    #[serde(with = "base64_text")]
    encoded: Vec<u8>,
    fixed: [u8; 4],
    status: Status,
    shape: Shape,
    adjacent: Adjacent,
    untagged: Untagged,
    address: Address,
    list: Vec<String>,
    map: HashMap<String, i64>,
    tree: BTreeMap<u8, bool>,
    json: serde_json::Value,
    #[serde(rename = "renamed")]
    original: String,
    #[serde(skip)]
    cached: u32,
    #[serde(default)]
    defaulted: i32,
}

fn everything() -> Everything {
    let instant = Utc.timestamp_opt(1_700_000_000, 123_456_000).single().expect("an instant");
    Everything {
        id: i64::MIN,
        flag: true,
        small: -8,
        medium: 65_535,
        unsigned: u64::MAX,
        huge: i128::MIN,
        single: 0.1,
        double: f64::MIN_POSITIVE,
        letter: '\u{1f600}',
        text: "'; drop table users; --\n\r\t\0\u{202e}\"".into(),
        maybe: None,
        uuid: Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
        user: UserId(Uuid::max()),
        instant,
        local_instant: instant.with_timezone(&FixedOffset::east_opt(19_800).expect("an offset")),
        naive: instant.naive_utc(),
        date: instant.date_naive(),
        time_of_day: NaiveTime::from_hms_nano_opt(23, 59, 59, 999_999_999).expect("a time"),
        millis: Utc.timestamp_millis_opt(1_700_000_000_123).single().expect("an instant"),
        offset: time::OffsetDateTime::from_unix_timestamp(1_700_000_000).expect("an instant")
            + time::Duration::nanoseconds(1),
        rfc: time::OffsetDateTime::from_unix_timestamp(-1).expect("an instant"),
        time_date: time::Date::from_ordinal_date(2024, 366).expect("a date"),
        zoned_instant: jiff::Timestamp::from_second(-62_135_596_800).expect("an instant"),
        civil: jiff::civil::datetime(2024, 2, 29, 1, 2, 3, 4),
        price: "79228162514264337593543950335".parse().expect("a decimal"),
        rate: "0.25".parse().expect("a decimal"),
        bytes: (0..=255).collect(),
        blob: vec![0, 255],
        encoded: vec![251, 239, 255, 171],
        fixed: [1, 2, 3, 4],
        status: Status::Closed { reason: "gone".into() },
        shape: Shape::Circle { radius: 0.1 },
        adjacent: Adjacent::Text("x".into()),
        untagged: Untagged::Text("{not json".into()),
        address: Address { street: "Hauptstraße".into(), zip: None },
        list: vec![String::new(), "b".into()],
        map: (0..20).map(|n| (format!("k{n}"), n)).collect(),
        tree: [(3, true), (20, false)].into(),
        json: serde_json::json!({"b": [1, 2.5, null], "a": {"c": "d"}}),
        original: "kept".into(),
        cached: 0,
        defaulted: 7,
    }
}

/// Converts a value into JSON, the JSON into column values, and the column values into a line, as an adapter
/// and an archive do. Then decodes the line and encodes it again. Returns both lines.
fn round_trip<T: Entity>(value: &T) -> (String, String) {
    let codec = EntityCodec::new(T::descriptor());
    let mut projection = Projection::new(codec.schema());
    codec.schema().fields.iter().for_each(|field| projection.field(field));
    let json = serde_json::to_vec(value).expect("serialises");
    let record = codec.decode(&json).expect("decodes");
    let mut line = Vec::new();
    let row = Row { projection: &projection, values: &record.values };
    codec.encode(&row, &mut line).expect("encodes");
    assert_eq!(line.pop(), Some(b'\n'), "the line does not end with a line feed");
    codec.check_round_trip(&line, &mut Vec::new()).expect("the line makes a round trip");
    let decoded = codec.decode(&line).expect("decodes");
    assert_eq!(record, decoded);
    check_fast_paths(&codec, &row, &line);
    let mut second = Vec::new();
    codec.encode(&Row { projection: &projection, values: &decoded.values }, &mut second).expect("encodes");
    second.pop();
    (String::from_utf8(line).expect("text"), String::from_utf8(second).expect("text"))
}

/// Checks that the conversions without the Rust type have the same results as the conversions through the
/// type. Returns whether a row can be converted into a line, and a line into values, without the type.
fn check_fast_paths(codec: &EntityCodec, row: &Row<'_>, line: &[u8]) -> [bool; 2] {
    let (mut fast, mut buffer) = (Vec::new(), Vec::new());
    let is_fast = codec.encode_fast(row, &mut fast, &mut buffer);
    assert_eq!(fast.strip_suffix(b"\n").unwrap_or(&fast), if is_fast { line } else { b"" });
    assert!(codec.round_trips(line, &mut buffer).expect("decodes"), "the line makes no round trip");
    let values = codec.extract_values(line);
    if let Some(values) = &values {
        assert_eq!(values, &codec.decode(line).expect("decodes").values);
    }
    [is_fast, values.is_some()]
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Plain {
    id: i64,
    flag: bool,
    medium: u16,
    unsigned: u64,
    single: f32,
    double: Option<f64>,
    text: String,
    maybe: Option<String>,
    uuid: Uuid,
    date: NaiveDate,
    instant: jiff::Timestamp,
    price: Decimal,
    bytes: Vec<u8>,
    #[serde(with = "base64_text")]
    encoded: Vec<u8>,
    mood: Mood,
    address: Address,
    list: Vec<i64>,
    json: BTreeMap<String, f32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Mood {
    Good,
    #[serde(rename = "so \"so\"")]
    SoSo,
}

#[test]
fn records_of_common_types_take_the_fast_paths() {
    let codec = EntityCodec::new(Plain::descriptor());
    let instant = jiff::Timestamp::from_second(1_700_000_000).expect("an instant");
    for (n, text) in ["", "a", "\"\\\n\0\u{202e}ü\u{1f600}", "{\"id\":1}"].into_iter().enumerate() {
        let value = Plain {
            id: i64::MIN,
            flag: true,
            medium: 65_535,
            unsigned: u64::MAX,
            single: 0.1,
            double: (n > 1).then_some(-0.0),
            text: text.to_owned(),
            maybe: (n > 0).then(|| text.to_owned()),
            uuid: Uuid::from_u128(7),
            date: NaiveDate::from_ymd_opt(2024, 2, 29).expect("a date"),
            instant,
            price: "-1234567.8900".parse().expect("a decimal"),
            bytes: text.as_bytes().to_vec(),
            encoded: text.as_bytes().to_vec(),
            mood: if n > 0 { Mood::Good } else { Mood::SoSo },
            address: Address { street: text.to_owned(), zip: None },
            list: vec![1, -2],
            json: [(text.to_owned(), 0.1), ("b".to_owned(), 1e9)].into(),
        };
        let (line, _) = round_trip(&value);
        let record = codec.decode(line.as_bytes()).expect("decodes");
        let fields = Projection::of(codec.schema());
        let row = Row { projection: &fields, values: &record.values };
        assert_eq!(check_fast_paths(&codec, &row, line.as_bytes()), [true, true], "{line}");
    }
}

/// An entity with an optional field: a row without a column for this field still decodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Account {
    id: i64,
    settings: Vec<i64>,
    #[serde(default)]
    admin: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Noted {
    id: i64,
    note: serde_json::Value,
}

#[test]
fn a_json_null_that_becomes_an_sql_null_is_reported_as_a_changed_field() {
    let codec = EntityCodec::new(Noted::descriptor());
    let fields = Projection::of(codec.schema());
    let values = [Value::I64(1), Value::Json("null".into())];
    let row = Row { projection: &fields, values: &values };
    assert!(!codec.encode_fast(&row, &mut Vec::new(), &mut Vec::new()));
    assert_eq!(codec.encode(&row, &mut Vec::new()).expect("a line"), ["note"]);
}

#[test]
fn a_row_that_its_type_would_change_does_not_take_the_fast_path() {
    let codec = EntityCodec::new(Account::descriptor());
    let mut fields = Projection::new(codec.schema());
    codec.schema().fields[..2].iter().for_each(|field| fields.field(field));
    for settings in
        ["null", " null ", "[1]", "[1],\"admin\":true", "[1], \"admin\": false", "[1]}", "1", "[1.0]", ""]
    {
        let values = [Value::I64(1), Value::Json(settings.into())];
        let mut out = b"before\n".to_vec();
        let row = Row { projection: &fields, values: &values };
        assert!(!codec.encode_fast(&row, &mut out, &mut Vec::new()), "{settings}");
        assert_eq!(out, b"before\n");
    }
    // The cases are NaN, a field of another variant of the enum, and a value whose variant does not match its
    // field.
    for (codec, values) in [
        (EntityCodec::new(Reading::descriptor()), vec![Value::I64(1), Value::F64(f64::NAN), Value::Null]),
        (
            EntityCodec::new(Payment::descriptor()),
            vec![Value::Str("card".into()), Value::I64(1), Value::Null],
        ),
        (
            EntityCodec::new(Account::descriptor()),
            vec![Value::Str("1".into()), Value::Null, Value::Bool(true)],
        ),
    ] {
        let fields = Projection::of(codec.schema());
        let row = Row { projection: &fields, values: &values };
        assert!(!codec.encode_fast(&row, &mut Vec::new(), &mut Vec::new()), "{values:?}");
    }
}

#[test]
fn every_field_type_makes_an_exact_round_trip() {
    let value = everything();
    let (line, second) = round_trip(&value);
    assert_eq!(line, second);
    assert_eq!(serde_json::from_str::<Everything>(&line).expect("decodes"), value);
}

#[test]
fn the_schema_contains_the_logical_type_of_each_field() {
    let codec = EntityCodec::new(Everything::descriptor());
    let field = |name: &str| {
        let index = codec.schema().position(name).expect(name);
        let field = &codec.schema().fields[index];
        (field.logical.clone(), field.wire, field.nullable)
    };
    use LogicalType::{
        Bool, Bytes, Date, DateTime, Decimal, Integer, Json, List, Map, Text, Time, Timestamp, Uuid,
    };
    let plain = |logical| (logical, WireForm::Plain, false);
    assert_eq!(field("flag"), plain(Bool));
    assert_eq!(field("medium"), plain(Integer { bits: 16, signed: false }));
    assert_eq!(field("single"), plain(LogicalType::Float { bits: 32 }));
    assert_eq!(field("letter"), plain(Text));
    assert_eq!(field("maybe"), (Text, WireForm::Plain, true));
    assert_eq!(field("uuid"), plain(Uuid));
    assert_eq!(field("user"), plain(Uuid));
    assert_eq!(field("instant"), plain(Timestamp));
    assert_eq!(field("local_instant"), plain(Timestamp));
    assert_eq!(field("naive"), plain(DateTime));
    assert_eq!(field("date"), plain(Date));
    assert_eq!(field("time_of_day"), plain(Time));
    assert_eq!(field("millis"), (Timestamp, WireForm::UnixMillis, false));
    assert!(matches!(field("offset"), (Timestamp, WireForm::TimeText | WireForm::TimeList, false)));
    assert_eq!(field("rfc"), plain(Timestamp));
    assert_eq!(field("zoned_instant"), plain(Timestamp));
    assert_eq!(field("civil"), plain(DateTime));
    assert_eq!(field("price"), plain(Decimal));
    assert_eq!(field("bytes"), plain(Bytes));
    assert_eq!(field("blob"), plain(Bytes));
    assert_eq!(field("encoded"), (Bytes, WireForm::Base64, false));
    assert_eq!(field("fixed"), plain(Bytes));
    let variants = ["Active", "on hold", "Closed", "Moved"].map(String::from).into();
    assert_eq!(field("status"), plain(LogicalType::Enum { variants }));
    assert_eq!(field("list"), plain(List));
    assert_eq!(field("map"), plain(Map));
    assert_eq!(field("json"), plain(Json));
    assert_eq!(field("renamed"), plain(Text));
    assert_eq!(codec.schema().position("cached"), None);
    assert!(!codec.schema().fields[codec.schema().position("defaulted").expect("the field exists")].required);
}

#[test]
fn maps_are_written_sorted_so_that_equal_records_have_equal_lines() {
    let record = everything();
    let equal = Everything { map: record.map.clone().into_iter().collect(), ..record.clone() };
    assert_eq!(round_trip(&record).0, round_trip(&equal).0);
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Reading {
    id: i64,
    value: Option<f64>,
    nested: Vec<f64>,
}

#[test]
fn a_number_that_json_cannot_represent_is_refused_with_the_name_of_its_field() {
    let codec = EntityCodec::new(Reading::descriptor());
    let mut projection = Projection::new(codec.schema());
    codec.schema().fields.iter().for_each(|field| projection.field(field));
    for not_finite in [f64::NAN, f64::INFINITY] {
        let values = [Value::I64(1), Value::F64(not_finite), Value::Json("[]".into())];
        let mut out = b"before".to_vec();
        let error = codec
            .encode(&Row { projection: &projection, values: &values }, &mut out)
            .expect_err("not finite");
        assert!(error.to_string().starts_with("field `value`: is NaN or infinite"), "{error}");
        assert_eq!(out, b"before");
    }
}

#[test]
fn errors_name_the_field_and_never_quote_its_content() {
    let codec = EntityCodec::new(Everything::descriptor());
    let mut json = serde_json::to_value(Everything { huge: 1, ..everything() }).expect("serialises");
    for (field, wrong) in [
        ("small", serde_json::json!("s3cret")),
        ("uuid", serde_json::json!("s3cret")),
        ("status", serde_json::json!("s3cret")),
        ("instant", serde_json::json!("s3cret")),
        ("address", serde_json::json!({"street": {"s3cret": 1}})),
    ] {
        let correct = json[field].replace_with(wrong);
        let line = serde_json::to_vec(&json).expect("serialises");
        let error = codec.check(&line).expect_err(field);
        assert!(error.field().is_some_and(|path| path.starts_with(field)), "{field}: {error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
        json[field] = correct;
    }
}

trait ReplaceWith {
    fn replace_with(&mut self, other: Self) -> Self;
}

impl ReplaceWith for serde_json::Value {
    fn replace_with(&mut self, other: Self) -> Self {
        std::mem::replace(self, other)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Lossy {
    id: i64,
    #[serde(serialize_with = "truncated")]
    text: String,
}

/// Serialises a text without its last byte.
fn truncated<S: serde::Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text.get(..text.len().saturating_sub(1)).unwrap_or(""))
}

#[test]
fn a_type_without_an_exact_round_trip_is_refused() {
    let codec = EntityCodec::new(Lossy::descriptor());
    let error = codec
        .check_round_trip(br#"{"id":1,"text":"abc"}"#, &mut Vec::new())
        .expect_err("the type does not round-trip");
    assert!(error.to_string().contains("must be inverses of each other"), "{error}");
}

#[tokio::test]
async fn a_backup_of_a_type_without_an_exact_round_trip_fails_and_names_the_record() {
    let database = Scripted::default();
    database.put(&SetName::root(), &Lossy { id: 7, text: "abcdefgh".to_owned() });
    let koan = Koan::builder().only_registered().register::<Lossy>().provider(database);
    let koan = koan.storage(Storage::memory()).build().await.expect("a context");
    let error = koan.backup("nightly").await.expect_err("the restored record would differ");
    assert_eq!(error.kind(), ErrorKind::Record);
    assert!(error.to_string().contains("Lossy `id=7` would be changed by a backup and restore"), "{error}");
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Flattened {
    id: i64,
    #[serde(flatten)]
    address: Address,
    #[serde(flatten)]
    rest: BTreeMap<String, serde_json::Value>,
}

#[test]
fn flattened_fields_are_fields_of_the_entity_and_a_flattened_map_takes_unknown_names() {
    let codec = EntityCodec::new(Flattened::descriptor());
    let names: Vec<_> = codec.schema().fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["id", "street", "zip"]);
    assert!(codec.schema().open);
    let line = br#"{"colour":"red","id":1,"street":"a","zip":null}"#;
    let record = codec.decode(line).expect("decodes");
    assert_eq!(record.extra, [("colour".to_owned(), Value::Str("red".into()))]);
    let mut projection = Projection::new(codec.schema());
    codec.schema().fields.iter().for_each(|field| projection.field(field));
    projection.extra("colour");
    let mut values = record.values.clone();
    values.push(record.extra[0].1.clone());
    let mut out = Vec::new();
    codec.encode(&Row { projection: &projection, values: &values }, &mut out).expect("encodes");
    assert_eq!(out.strip_suffix(b"\n"), Some(&line[..]));
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[serde(tag = "type", rename_all = "snake_case")]
#[entity_backup]
enum Payment {
    Card { id: i64, last4: String },
    Transfer { id: i64, iban: String, note: Option<String> },
}

#[test]
fn an_enum_of_structs_is_an_entity() {
    for payment in [
        Payment::Card { id: 1, last4: "4242".into() },
        Payment::Transfer { id: 2, iban: "CH93".into(), note: Some("rent".into()) },
    ] {
        let (line, second) = round_trip(&payment);
        assert_eq!(line, second);
        assert_eq!(serde_json::from_str::<Payment>(&line).expect("decodes"), payment);
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Page<T> {
    id: u64,
    content: T,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[serde(transparent)]
#[entity(name = "AddressPage", key = "id: u64")]
#[entity_backup]
struct AddressPage(Page<Address>);

#[test]
fn a_transparent_newtype_makes_a_generic_type_an_entity() {
    let page = AddressPage(Page { id: 7, content: Address { street: "a".into(), zip: Some("8000".into()) } });
    assert_eq!(page.key(), 7);
    let (line, second) = round_trip(&page);
    assert_eq!(line, second);
    let codec = EntityCodec::new(AddressPage::descriptor());
    let keys: Vec<_> = codec.schema().key_fields().map(|(_, field)| field.name.as_str()).collect();
    assert_eq!(keys, ["id"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_record_makes_an_exact_round_trip(
        (id, flag, unsigned, huge) in any::<(i64, bool, u64, i128)>(),
        single in any::<f32>().prop_filter("finite", |v| v.is_finite()),
        double in any::<f64>().prop_filter("finite", |v| v.is_finite()),
        (text, letter, maybe) in any::<(String, char, Option<String>)>(),
        (uuid, bytes, encoded) in any::<(u128, Vec<u8>, Vec<u8>)>(),
        seconds in -62_135_596_800i64..253_402_300_799,
        nanos in 0u32..1_000_000_000,
        offset in -86_340i32 / 60..86_340 / 60,
        mantissa in any::<i64>(),
        scale in 0u32..28,
        map in any::<HashMap<String, i64>>(),
    ) {
        let instant = Utc.timestamp_opt(seconds, nanos).single().expect("an instant");
        let seconds_only = time::OffsetDateTime::from_unix_timestamp(seconds).expect("an instant");
        let value = Everything {
            id, flag, unsigned, huge, single, double, letter, text, maybe, bytes, encoded, map,
            uuid: Uuid::from_u128(uuid),
            instant,
            local_instant: instant.with_timezone(&FixedOffset::east_opt(offset * 60).expect("an offset")),
            naive: instant.naive_utc(),
            date: instant.date_naive(),
            millis: Utc.timestamp_opt(seconds, nanos / 1_000_000 * 1_000_000).single().expect("an instant"),
            offset: seconds_only + time::Duration::nanoseconds(i64::from(nanos)),
            rfc: seconds_only,
            price: Decimal::new(mantissa, scale),
            ..everything()
        };
        let (line, second) = round_trip(&value);
        prop_assert_eq!(&line, &second);
        prop_assert_eq!(serde_json::from_str::<Everything>(&line).expect("decodes"), value);
    }
}

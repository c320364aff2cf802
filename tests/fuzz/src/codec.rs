//! Feeds arbitrary lines and rows to the codecs of rich types, and checks that everything that is accepted
//! round-trips.

use arbitrary::{Arbitrary, Result, Unstructured};
use koan_backup::{
    Entity,
    entity::{EntityCodec, Projection, Record, Row},
    schema::EntitySchema,
    value::{Date, DateTime, Time, Timestamp, Value},
};
use koan_backup_core::canonical::write_canonical;

use crate::rich::{Event, Everything, Open, Scalars};

/// Runs one input. The first byte selects one of four types, and whether the remaining bytes are a line, the
/// fields of a line or the values of a row.
pub fn run(input: &[u8]) {
    let Some((&kind, rest)) = input.split_first() else { return };
    match kind % 3 {
        _ if kind >= 128 => run_as::<Scalars>(kind, rest),
        0 => run_as::<Everything>(kind / 3, rest),
        1 => run_as::<Open>(kind / 3, rest),
        _ => run_as::<Event>(kind / 3, rest),
    }
}

/// Runs one input with the type `T`.
fn run_as<T: Entity>(kind: u8, input: &[u8]) {
    let codec = EntityCodec::new(T::descriptor());
    match kind % 3 {
        0 => check_line::<T>(&codec, input),
        1 => check_line::<T>(&codec, &line_of_fields(codec.schema(), Unstructured::new(input))),
        _ => {
            let mut input = Unstructured::new(input);
            let values: Result<Vec<_>> = codec.schema().fields.iter().map(|_| value(&mut input)).collect();
            check_row(&codec, &values.unwrap_or_default());
        }
    }
}

/// Checks that a line that can be decoded is encoded in the form in which its type serializes it, both
/// through values and directly.
fn check_line<T: Entity>(codec: &EntityCodec, line: &[u8]) {
    let round_trips = codec.round_trips(line, &mut Vec::new());
    let Ok(record) = codec.decode(line) else {
        assert!(!matches!(round_trips, Ok(true)), "a line that cannot be decoded must not round-trip");
        return;
    };
    codec.check(line).expect("a line that can be decoded passes the check");
    let rewritten = encoded(codec, &record);
    let value: T = serde_json::from_slice(line).expect("a line that can be decoded can be deserialized");
    let mut direct = Vec::new();
    write_canonical(&value, &mut direct).expect("a decoded record can be encoded");
    assert_eq!(
        text(&rewritten),
        text(&direct),
        "the line written through values must equal the line written by the type"
    );
    assert_eq!(
        round_trips.expect("the check of a line that can be decoded succeeds"),
        line == direct,
        "the check without values must agree with the comparison of the lines"
    );
    assert_round_trip(codec, &rewritten, &record);
}

/// Checks that a row that the codec accepts becomes a line that round-trips.
fn check_row(codec: &EntityCodec, values: &[Value<'_>]) {
    let mut line = b"before\n".to_vec();
    let projection = projection(codec, &[]);
    let mut fast_line = b"before\n".to_vec();
    let is_fast =
        codec.encode_fast(&Row { projection: &projection, values }, &mut fast_line, &mut Vec::new());
    let row = Row { projection: &projection, values };
    let Ok(changed) = codec.encode(&row, &mut line) else {
        assert_eq!(line, b"before\n", "a refused row must leave the buffer unchanged");
        assert!(!is_fast, "the fast path must not accept a row that the general path refuses");
        return;
    };
    assert!(
        !is_fast || changed.is_empty(),
        "the fast path must not accept a value that changes: {changed:?}"
    );
    assert_eq!(
        fast_line.as_slice(),
        if is_fast { &line[..] } else { b"before\n" },
        "both paths must write the same line"
    );
    let line = line.strip_prefix(b"before\n").and_then(|line| line.strip_suffix(b"\n")).expect("one line");
    let record = codec.decode(line).expect("an encoded line can be decoded");
    assert_eq!(text(&encoded(codec, &record)), text(line), "a second encoding must return the same line");
    assert_round_trip(codec, line, &record);
}

/// Asserts that an encoded line round-trips, and that its values can be extracted without the type.
fn assert_round_trip(codec: &EntityCodec, line: &[u8], record: &Record) {
    codec.check_round_trip(line, &mut Vec::new()).expect("an encoded line round-trips");
    let decoded = codec.decode(line).expect("an encoded line can be decoded");
    assert_eq!(&decoded, record);
    if let Some(values) = codec.extract_values(line) {
        assert_eq!(
            (values, 0),
            (decoded.values, decoded.extra.len()),
            "values extracted without the type must equal the decoded values"
        );
    }
}

/// Encodes a record as a line, and asserts that no value changes.
fn encoded(codec: &EntityCodec, record: &Record) -> Vec<u8> {
    let projection = projection(codec, &record.extra);
    let mut values = record.values.clone();
    values.extend(record.extra.iter().map(|(_, value)| value.clone()));
    let mut line = Vec::new();
    let row = Row { projection: &projection, values: &values };
    let changed = codec.encode(&row, &mut line).expect("a decoded record can be encoded");
    assert!(changed.is_empty(), "the values of a decoded record must not change: {changed:?}");
    assert_eq!(line.pop(), Some(b'\n'));
    line
}

/// Creates a projection with all fields of the schema and these extra fields.
fn projection(codec: &EntityCodec, extra: &[(String, Value<'_>)]) -> Projection {
    let mut projection = Projection::new(codec.schema());
    codec.schema().fields.iter().for_each(|field| projection.field(field));
    extra.iter().for_each(|(name, _)| projection.extra(name));
    projection
}

fn text(line: &[u8]) -> &str {
    std::str::from_utf8(line).expect("a line is text")
}

/// Returns a line with some fields of a schema, in which the value of each field is arbitrary text.
fn line_of_fields(schema: &EntitySchema, mut input: Unstructured<'_>) -> Vec<u8> {
    let mut line = b"{".to_vec();
    while let (false, Ok((field, value))) = (input.is_empty(), <(u8, &[u8])>::arbitrary(&mut input)) {
        if line.len() > 1 {
            line.push(b',');
        }
        let field = &schema.fields[usize::from(field) % schema.fields.len()];
        line.extend(serde_json::to_vec(&field.name).expect("a name"));
        line.push(b':');
        line.extend(value);
    }
    line.push(b'}');
    line
}

/// Returns an arbitrary value, as an adapter might provide it.
fn value<'a>(input: &mut Unstructured<'a>) -> Result<Value<'a>> {
    Ok(match input.int_in_range(0..=13)? {
        0 => Value::Null,
        1 => Value::Bool(input.arbitrary()?),
        2 => Value::I64(input.arbitrary()?),
        3 => Value::U64(input.arbitrary()?),
        4 => Value::F64(input.arbitrary()?),
        5 => Value::Decimal(input.arbitrary::<&str>()?.into()),
        6 => Value::Str(input.arbitrary::<&str>()?.into()),
        7 => Value::Bytes(input.arbitrary::<&[u8]>()?.into()),
        8 => Value::Uuid(input.arbitrary()?),
        9 => Value::Timestamp(Timestamp { local: date_time(input)?, offset_seconds: input.arbitrary()? }),
        10 => Value::DateTime(date_time(input)?),
        11 => Value::Date(date(input)?),
        12 => Value::Time(time(input)?),
        _ => Value::Json(input.arbitrary::<&str>()?.into()),
    })
}

fn date_time(input: &mut Unstructured<'_>) -> Result<DateTime> {
    Ok(DateTime { date: date(input)?, time: time(input)? })
}

/// Returns an arbitrary date, which may be invalid, because an adapter may provide invalid dates.
fn date(input: &mut Unstructured<'_>) -> Result<Date> {
    let month = input.int_in_range(0..=13)?;
    Ok(Date { year: input.arbitrary()?, month, day: input.int_in_range(0..=32)? })
}

/// Returns an arbitrary time, which may be invalid.
fn time(input: &mut Unstructured<'_>) -> Result<Time> {
    let hour = input.int_in_range(-1..=24)?;
    let (minute, second) = (input.int_in_range(-1..=60)?, input.int_in_range(-1..=61)?);
    Ok(Time { hour, minute, second, nanosecond: input.int_in_range(-1..=1_000_000_000)? })
}

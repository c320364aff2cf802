//! Generators of random records.

use chrono::{DateTime, Utc};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::record::{Anything, Location, Named, Shape, Tag, Wrapped};

/// The seconds of the years 1 to 9999 without the last day, which `jiff` does not support.
const SECONDS: std::ops::Range<i64> = -62_135_596_800..253_402_207_200;

/// The limits of the values that a provider can store. Another suite tests that the provider reports
/// values outside of these limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Whether a text can contain the character NUL.
    pub(super) has_nul: bool,
    /// Whether a column preserves the sign of zero.
    pub(super) has_negative_zero: bool,
    /// Whether a list preserves the sign of zero.
    pub(super) has_negative_zero_in_lists: bool,
    /// The resolution of instants in the provider, in nanoseconds.
    pub(super) resolution_nanos: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { has_nul: true, has_negative_zero: true, has_negative_zero_in_lists: true, resolution_nanos: 1 }
    }
}

/// Generates the minimum, the maximum, zero, and any other value of an integer type.
macro_rules! integer {
    ($type:ty) => {
        prop_oneof![Just(<$type>::MIN), Just(<$type>::MAX), Just(0), any::<$type>()]
    };
}

fn double(has_negative_zero: bool) -> impl Strategy<Value = f64> {
    let edges =
        [0.0, -0.0, f64::MIN, f64::MAX, f64::MIN_POSITIVE, 5e-324, 0.1, 1.0, -1e15, 9_007_199_254_740_993.0];
    let any = prop_oneof![
        proptest::sample::select(edges.to_vec()),
        any::<f64>().prop_filter("finite", |v| v.is_finite())
    ];
    // Adding zero turns negative zero into zero.
    any.prop_map(move |value| if has_negative_zero { value } else { value + 0.0 })
}

fn single(has_negative_zero: bool) -> impl Strategy<Value = f32> {
    let edges = [0.0, -0.0, f32::MIN, f32::MAX, f32::MIN_POSITIVE, 1e-45, 0.1, 16_777_216.0];
    let any = prop_oneof![
        proptest::sample::select(edges.to_vec()),
        any::<f32>().prop_filter("finite", |v| v.is_finite())
    ];
    // Adding zero turns negative zero into zero.
    any.prop_map(move |value| if has_negative_zero { value } else { value + 0.0 })
}

fn exact() -> impl Strategy<Value = Decimal> {
    prop_oneof![
        Just(Decimal::MAX),
        Just(Decimal::MIN),
        (integer!(i64), 0u32..=28).prop_map(|(digits, scale)| Decimal::new(digits, scale)),
    ]
}

impl Limits {
    fn character(self) -> impl Strategy<Value = char> {
        any::<char>().prop_map(move |c| if c == '\0' && !self.has_nul { ' ' } else { c })
    }

    fn text(self) -> impl Strategy<Value = String> {
        let hostile = [
            "",
            " ",
            "'; DROP TABLE anything; --",
            "\\N",
            "\\.",
            "a\tb\r\n",
            "\u{202e}txt\u{2028}",
            "NULL",
            "{\"a\": 1}",
            "null",
            "0",
            "1e400",
            "\u{feff}",
            "e\u{301}\u{1f980}",
            "\u{1}\u{7f}\u{85}",
            "2024-02-30",
            "true",
        ];
        prop_oneof![
            proptest::sample::select(hostile.to_vec()).prop_map(str::to_owned),
            vec(self.character(), 0..40).prop_map(String::from_iter),
        ]
    }

    /// Generates a number of seconds, and the nanoseconds within the second.
    fn seconds_and_nanos(self) -> impl Strategy<Value = (i64, u32)> {
        let seconds = prop_oneof![Just(SECONDS.start), Just(SECONDS.end - 1), Just(-1), Just(0), SECONDS];
        let nanos = prop_oneof![Just(0), Just(999_999_999), Just(1), 0u32..1_000_000_000];
        (seconds, nanos).prop_map(move |(seconds, nanos)| {
            (seconds, nanos / self.resolution_nanos * self.resolution_nanos)
        })
    }

    fn instant(self) -> impl Strategy<Value = DateTime<Utc>> {
        self.seconds_and_nanos().prop_map(|(seconds, nanos)| {
            DateTime::from_timestamp(seconds, nanos).expect("the instant is in the range of the type")
        })
    }

    fn location(self) -> impl Strategy<Value = Location> {
        (integer!(i64), vec(option::of(self.text()), 0..4))
            .prop_map(|(shelf, labels)| Location { shelf, labels })
    }

    fn shape(self) -> impl Strategy<Value = Shape> {
        prop_oneof![
            Just(Shape::Point),
            integer!(i64).prop_map(Shape::Circle),
            (any::<u32>(), option::of(self.text())).prop_map(|(width, label)| Shape::Box { width, label }),
        ]
    }

    /// Generates any record, with 0 as its key.
    pub(super) fn anything(self) -> impl Strategy<Value = Anything> {
        let integers =
            (integer!(i64), integer!(i8), integer!(u16), integer!(i32), integer!(u64), integer!(i128));
        let numbers = (
            integers,
            any::<bool>(),
            single(self.has_negative_zero),
            double(self.has_negative_zero),
            exact(),
        );
        let texts = (self.character(), self.text(), any::<u128>(), bytes(), bytes(), any::<[u8; 4]>());
        let times = (self.instant(), self.instant(), self.instant(), self.instant());
        let composites = (
            tag(),
            self.shape(),
            self.location(),
            words(self),
            vec(double(self.has_negative_zero_in_lists), 0..4),
            btree_map(self.text(), integer!(i64), 0..4),
        );
        let optional_values = (
            integer!(u64),
            double(self.has_negative_zero),
            exact(),
            self.text(),
            any::<u128>(),
            bytes(),
            any::<bool>(),
        );
        let optional_composites = (self.instant(), self.instant(), tag(), self.location(), words(self));
        let optional_fields = (any::<u16>(), optional_values, optional_composites);
        (numbers, texts, times, composites, optional_fields).prop_map(
            |(numbers, texts, times, composites, (bits, optional_values, optional_composites))| {
                let ((wrapped, tiny, small, medium, unsigned, huge), flag, single, double, exact) = numbers;
                let (letter, text, uuid, bytes, blob, fixed) = texts;
                let (instant, local, day, hour) = times;
                let (tag, shape, location, words, ratios, map) = composites;
                let (
                    maybe_count,
                    maybe_double,
                    maybe_exact,
                    maybe_text,
                    maybe_uuid,
                    maybe_bytes,
                    maybe_flag,
                ) = optional_values;
                let (maybe_instant, maybe_day, maybe_tag, maybe_location, maybe_words) = optional_composites;
                let timestamp =
                    jiff::Timestamp::new(local.timestamp(), local.timestamp_subsec_nanos().cast_signed());
                let timestamp = timestamp.expect("the instant is in the range of the type");
                let civil = jiff::tz::TimeZone::UTC.to_datetime(timestamp);
                Anything {
                    id: 0,
                    wrapped: Wrapped(wrapped),
                    flag,
                    tiny,
                    small,
                    medium,
                    unsigned,
                    huge,
                    single,
                    double,
                    exact,
                    letter,
                    text,
                    bytes,
                    blob,
                    fixed,
                    instant,
                    uuid: Uuid::from_u128(uuid),
                    local: local.naive_utc(),
                    day: day.date_naive(),
                    hour: hour.time(),
                    millis: DateTime::from_timestamp_millis(day.timestamp_millis()).expect("the instant is in the range of the type"),
                    rfc: time::OffsetDateTime::from_unix_timestamp(hour.timestamp()).expect("the instant is in the range of the type")
                        + time::Duration::nanoseconds(hour.timestamp_subsec_nanos().into()),
                    timestamp,
                    civil,
                    civil_day: civil.date(),
                    civil_hour: civil.time(),
                    tag,
                    shape,
                    location,
                    words,
                    ratios,
                    map,
                    maybe_count: optional(bits, 0, maybe_count),
                    maybe_double: optional(bits, 1, maybe_double),
                    maybe_exact: optional(bits, 2, maybe_exact),
                    maybe_text: optional(bits, 3, maybe_text),
                    maybe_uuid: optional(bits, 4, Uuid::from_u128(maybe_uuid)),
                    maybe_bytes: optional(bits, 5, maybe_bytes),
                    maybe_flag: optional(bits, 6, maybe_flag),
                    maybe_instant: optional(bits, 7, maybe_instant),
                    maybe_day: optional(bits, 8, maybe_day.date_naive()),
                    maybe_tag: optional(bits, 9, maybe_tag),
                    maybe_location: optional(bits, 10, maybe_location),
                    maybe_words: optional(bits, 11, maybe_words),
                }
            },
        )
    }

    pub(super) fn named(self) -> impl Strategy<Value = Named> {
        (self.text(), integer!(u64), self.text()).prop_map(|(name, number, content)| Named {
            name,
            number,
            content,
        })
    }
}

/// Returns the value if a bit is set, so that each optional field is present or missing independently.
fn optional<T>(bits: u16, index: u16, value: T) -> Option<T> {
    (bits >> index & 1 == 1).then_some(value)
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..20)
}

fn tag() -> impl Strategy<Value = Tag> {
    prop_oneof![Just(Tag::Simple), Just(Tag::Quoted)]
}

fn words(limits: Limits) -> impl Strategy<Value = Vec<String>> {
    vec(limits.text(), 0..4)
}

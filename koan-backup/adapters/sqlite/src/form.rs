//! The physical form of a value: its storage class, and the text form of dates, times, booleans and the like.
//!
//! A value often fits several forms: `2009-01-01 00:00:00.5` has one fraction digit, or as few as it needs. So a
//! [`Form`] is a set of forms of one shape. What all values of a run have in common is the form they are written back
//! in.

mod record;
mod replay;
mod text;

pub(super) use record::{FormRecorder, Recorded};
pub(super) use replay::FormReplay;

use koan_backup_core::value::OffsetStyle;

/// Forms of one shape; one form where [`ways`](Self::ways) has one bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) shape: Shape,
    pub(super) ways: u32,
}

/// What sort of form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Told by the storage class alone.
    Plain,
    /// A boolean as one of [`WORDS`].
    Words(usize),
    /// A UUID as text.
    Uuid(UuidStyle),
    /// A number of units since 1970 UTC.
    Unix(UnixUnit),
    /// A Julian day.
    Julian,
    /// A date, a time or both as text; the ways say how fractions of a second are written.
    Moment(Moment),
}

/// How a date or time is written, but for fractions of a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) parts: Parts,
    pub(super) seconds: Seconds,
    pub(super) offset: OffsetStyle,
    /// East of UTC.
    pub(super) offset_seconds: i32,
}

/// What is written of a date and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parts {
    Date,
    Time,
    /// Both, and what stands between them.
    Both(char),
}

/// Whether seconds are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seconds {
    Written,
    Left,
}

/// The text forms of a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UuidStyle {
    Hyphenated,
    HyphenatedUpper,
    Simple,
    SimpleUpper,
    Braced,
    BracedUpper,
    Urn,
}

/// The unit of a Unix time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnixUnit {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

impl UnixUnit {
    pub(super) fn nanos(self) -> i128 {
        match self {
            Self::Seconds => 1_000_000_000,
            Self::Millis => 1_000_000,
            Self::Micros => 1_000,
            Self::Nanos => 1,
        }
    }
}

/// Words for true and false. The first pair that fits a word is the one it is told by.
pub(super) const WORDS: [(&str, &str); 14] = [
    ("true", "false"),
    ("TRUE", "FALSE"),
    ("True", "False"),
    ("t", "f"),
    ("T", "F"),
    ("yes", "no"),
    ("YES", "NO"),
    ("Yes", "No"),
    ("y", "n"),
    ("Y", "N"),
    ("on", "off"),
    ("ON", "OFF"),
    ("On", "Off"),
    ("1", "0"),
];

/// The place of the digits among them: what SQLite makes of a boolean in a column for text.
pub(super) const DIGIT_WORDS: usize = 13;

/// As the column does it: what SQLite makes of the value by the column's affinity.
pub(super) const NATIVE: u32 = 1;
pub(super) const INTEGER: u32 = 1 << 1;
pub(super) const REAL: u32 = 1 << 2;
pub(super) const TEXT: u32 = 1 << 3;
pub(super) const BLOB: u32 = 1 << 4;
/// A number of 64 bits that reads as the shortest text of the one of 32 bits: 0.1, not 0.10000000149011612.
pub(super) const REAL_SHORT: u32 = 1 << 5;
/// A number as text, with a point always: `1.0`.
pub(super) const TEXT_POINT: u32 = 1 << 6;
/// Fractions of a second with no digit; the nine bits above it are one to nine digits.
pub(super) const FRACTION_0: u32 = 1 << 8;
/// As few fraction digits as the value needs.
pub(super) const FRACTION_MINIMAL: u32 = 1 << 18;
/// None, three, six or nine fraction digits, as few as the value needs.
pub(super) const FRACTION_THREES: u32 = 1 << 19;

/// The name of [`JSON_NULL`] in an archive.
pub(super) const JSON_NULL_FORM: &str = "text:null";
/// No value as the JSON text `null`, which the database tells from NULL.
pub(super) const JSON_NULL: u32 = 1 << 20;
/// Every form in which NULL is NULL.
pub(super) const SQL_NULL: u32 = NATIVE | INTEGER | REAL | TEXT | BLOB | REAL_SHORT | TEXT_POINT;

impl Form {
    pub(super) const fn plain(ways: u32) -> Self {
        Self { shape: Shape::Plain, ways }
    }

    pub(super) const fn new(shape: Shape, ways: u32) -> Self {
        Self { shape, ways }
    }

    /// The forms that are in both, if there are any.
    pub(super) fn common(self, other: Self) -> Option<Self> {
        let ways = self.ways & other.ways;
        (ways != 0 && self.shape == other.shape).then_some(Self { shape: self.shape, ways })
    }

    /// One form of these: `preferred` if it is among them, else the plainest.
    pub(super) fn single(self, preferred: Self) -> Self {
        match self.common(preferred) {
            Some(common) => Self { ways: lowest(common.ways), ..common },
            None => Self { ways: lowest(self.ways), ..self },
        }
    }

    pub(super) fn has(self, way: u32) -> bool {
        self.ways & way != 0
    }
}

fn lowest(ways: u32) -> u32 {
    ways & ways.wrapping_neg()
}

/// The ways to write a fraction of `nanosecond` that was written with `digits` digits.
pub(super) fn fraction_ways(nanosecond: i32, digits: u8) -> u32 {
    let needed = needed_digits(nanosecond);
    let mut ways = FRACTION_0 << u32::from(digits.min(9));
    if digits == needed {
        ways |= FRACTION_MINIMAL;
    }
    if digits == needed.div_ceil(3) * 3 {
        ways |= FRACTION_THREES;
    }
    ways
}

/// How many digits a fraction is written with; more than the form says when the value needs them.
pub(super) fn fraction_digits(ways: u32, nanosecond: i32) -> u8 {
    let needed = needed_digits(nanosecond);
    if ways & FRACTION_THREES != 0 {
        return needed.div_ceil(3) * 3;
    }
    let fixed = (0..=9u8).find(|&digits| ways & (FRACTION_0 << u32::from(digits)) != 0);
    fixed.map_or(needed, |fixed| fixed.max(needed))
}

fn needed_digits(nanosecond: i32) -> u8 {
    let (mut digits, mut rest) = (9, nanosecond);
    while digits > 0 && rest % 10 == 0 {
        rest /= 10;
        digits -= 1;
    }
    digits
}

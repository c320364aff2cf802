//! The physical form of a value: its storage class, and the text form of dates, times, booleans and other
//! types.
//!
//! A stored value can match several forms: `2009-01-01 00:00:00.5` matches the form with one fraction digit,
//! and the form with as few fraction digits as the value needs. A [`Form`] is therefore a set of variants of
//! one shape. The values of consecutive records form a run as long as they have a variant in common. The
//! values of a run are written back in this variant.

mod record;
mod replay;
mod text;

pub(super) use record::{FormRecorder, RecordedForms};
pub(super) use replay::FormReplay;

use koan_backup_core::value::OffsetStyle;
use uuid::Uuid;

/// A set of variants of one shape. Each bit of [`variants`](Self::variants) is one variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) shape: Shape,
    pub(super) variants: u32,
}

/// The property of a stored value that a form describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Only the storage class.
    StorageClass,
    /// A boolean as one of [`WORDS`].
    Words(usize),
    /// A UUID as text.
    Uuid(UuidStyle),
    /// A number of units since 1970 UTC.
    Unix(UnixUnit),
    /// A Julian day.
    Julian,
    /// A date, a time or both as text. The variants describe how fractions of a second are written.
    Temporal(TemporalForm),
}

/// The text form of a date or time, except for fractions of a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TemporalForm {
    pub(super) parts: TemporalParts,
    pub(super) seconds: SecondsStyle,
    pub(super) offset: OffsetStyle,
    /// Seconds east of UTC.
    pub(super) offset_seconds: i32,
}

/// The parts of a date and time that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TemporalParts {
    Date,
    Time,
    /// Date and time, with this character between them.
    Both(char),
}

/// Whether seconds are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SecondsStyle {
    Written,
    Omitted,
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

impl UuidStyle {
    /// Writes a UUID as text in this style.
    pub(super) fn write(self, bytes: [u8; 16]) -> String {
        let uuid = Uuid::from_bytes(bytes);
        match self {
            Self::Hyphenated => uuid.hyphenated().to_string(),
            Self::HyphenatedUpper => format!("{:X}", uuid.hyphenated()),
            Self::Simple => uuid.simple().to_string(),
            Self::SimpleUpper => format!("{:X}", uuid.simple()),
            Self::Braced => uuid.braced().to_string(),
            Self::BracedUpper => format!("{:X}", uuid.braced()),
            Self::Urn => uuid.urn().to_string(),
        }
    }
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

/// The pairs of words for true and false. A word is read as part of the first pair that contains it.
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

/// The index of the pair of digits in [`WORDS`]. SQLite stores a boolean in a text column as a digit.
pub(super) const DIGIT_WORDS: usize = 13;

/// The variant of the storage class that the column's affinity chooses for the value.
pub(super) const NATIVE: u32 = 1;
/// The variant of the storage class INTEGER.
pub(super) const INTEGER: u32 = 1 << 1;
/// The variant of the storage class REAL.
pub(super) const REAL: u32 = 1 << 2;
/// The variant of the storage class TEXT.
pub(super) const TEXT: u32 = 1 << 3;
/// The variant of the storage class BLOB.
pub(super) const BLOB: u32 = 1 << 4;
/// A 64-bit number that equals the shortest decimal text of the 32-bit number: 0.1, not 0.10000000149011612.
pub(super) const REAL_SHORT: u32 = 1 << 5;
/// A number as text that always contains a decimal point: `1.0`.
pub(super) const TEXT_POINT: u32 = 1 << 6;
/// No fraction digits. The next nine higher bits are the variants with one to nine fraction digits.
pub(super) const FRACTION_0: u32 = 1 << 8;
/// As few fraction digits as the value needs.
pub(super) const FRACTION_MINIMAL: u32 = 1 << 18;
/// Zero, three, six or nine fraction digits: the smallest of these numbers that is sufficient for the value.
pub(super) const FRACTION_THREES: u32 = 1 << 19;

/// The name of the variant [`JSON_NULL`] in an archive.
pub(super) const JSON_NULL_FORM: &str = "text:null";
/// A missing value as the JSON text `null`, which the database distinguishes from NULL.
pub(super) const JSON_NULL: u32 = 1 << 20;
/// All variants that write a missing value as NULL.
pub(super) const SQL_NULL: u32 = NATIVE | INTEGER | REAL | TEXT | BLOB | REAL_SHORT | TEXT_POINT;

impl Form {
    pub(super) const fn stored_as(variants: u32) -> Self {
        Self { shape: Shape::StorageClass, variants }
    }

    pub(super) const fn new(shape: Shape, variants: u32) -> Self {
        Self { shape, variants }
    }

    /// Returns the variants that both forms contain, or `None` if they have no variant in common.
    pub(super) fn common(self, other: Self) -> Option<Self> {
        let variants = self.variants & other.variants;
        (variants != 0 && self.shape == other.shape).then_some(Self { shape: self.shape, variants })
    }

    /// Reduces the form to one variant: a variant of `preferred` if the form contains one, else its lowest
    /// bit.
    pub(super) fn single(self, preferred: Self) -> Self {
        match self.common(preferred) {
            Some(common) => Self { variants: lowest(common.variants), ..common },
            None => Self { variants: lowest(self.variants), ..self },
        }
    }

    pub(super) fn has(self, variant: u32) -> bool {
        self.variants & variant != 0
    }
}

/// Returns the lowest bit of a set of variants.
fn lowest(variants: u32) -> u32 {
    variants & variants.wrapping_neg()
}

/// Returns the variants that write a fraction of `nanosecond` with `digits` digits.
pub(super) fn fraction_variants(nanosecond: i32, digits: u8) -> u32 {
    let needed = needed_digits(nanosecond);
    let mut variants = FRACTION_0 << u32::from(digits.min(9));
    if digits == needed {
        variants |= FRACTION_MINIMAL;
    }
    if digits == needed.div_ceil(3) * 3 {
        variants |= FRACTION_THREES;
    }
    variants
}

/// Returns the number of fraction digits to write. It exceeds the number of the form if the value needs more
/// digits.
pub(super) fn fraction_digits(variants: u32, nanosecond: i32) -> u8 {
    let needed = needed_digits(nanosecond);
    if variants & FRACTION_THREES != 0 {
        return needed.div_ceil(3) * 3;
    }
    let fixed = (0..=9u8).find(|&digits| variants & (FRACTION_0 << u32::from(digits)) != 0);
    fixed.map_or(needed, |fixed| fixed.max(needed))
}

/// Returns the number of fraction digits without trailing zeros.
fn needed_digits(nanosecond: i32) -> u8 {
    let (mut digits, mut rest) = (9, nanosecond);
    while digits > 0 && rest % 10 == 0 {
        rest /= 10;
        digits -= 1;
    }
    digits
}

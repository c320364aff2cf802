//! The detection of the form in which serde serializes a type, by serializing a known value.
//!
//! `#[serde(with = "chrono::serde::ts_milliseconds")]` serializes an instant as a number, and a base64 module
//! serializes bytes as text. The database column contains the instant or the bytes, so the codec must know
//! the form.

use std::any::{Any, TypeId};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::LogicalType;
use crate::foundation::canonical::CanonicalSerializer;

/// The form in which serde serializes a value of a logical type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum WireForm {
    /// The default form of the logical type: ISO 8601 text for temporal types, a list of numbers for bytes.
    #[default]
    Plain,
    /// Whole seconds since 1970 UTC.
    UnixSeconds,
    /// Whole milliseconds since 1970 UTC.
    UnixMillis,
    /// Whole microseconds since 1970 UTC.
    UnixMicros,
    /// Whole nanoseconds since 1970 UTC.
    UnixNanos,
    /// The text form of the crate `time`: `2009-08-07 06:05:04.0 +00:00:00`.
    TimeText,
    /// The list form of the crate `time`: year, ordinal, hour, minute, second, nanosecond, offset.
    TimeList,
    /// Base64 with the standard alphabet and padding.
    Base64,
    /// Base64 with the standard alphabet, without padding.
    Base64NoPad,
    /// Base64 with the URL-safe alphabet and padding.
    Base64Url,
    /// Base64 with the URL-safe alphabet, without padding.
    Base64UrlNoPad,
    /// Lower-case hexadecimal.
    HexLower,
    /// Upper-case hexadecimal.
    HexUpper,
    /// A form that is specific to the type. The column contains the value in the form that serde serializes.
    Own,
}

impl WireForm {
    /// Returns whether the form is [`WireForm::Plain`].
    pub fn is_plain(&self) -> bool {
        *self == Self::Plain
    }
}

/// Sample bytes whose encodings all differ, because they need padding and the two special characters of each
/// alphabet.
const SAMPLE_BYTES: [u8; 4] = [0xfb, 0xef, 0xff, 0xab];
/// The Unix time of the sample instant, 2009-08-07T06:05:04Z.
#[cfg(any(feature = "chrono", feature = "time", feature = "jiff"))]
const SAMPLE_SECONDS: i64 = 1_249_625_104;

/// Returns the form in which `T` serializes.
pub(crate) fn wire_form<T: Serialize + 'static>(logical: &LogicalType) -> WireForm {
    match sample::<T>() {
        Some(value) => recognize(logical, write(|out| value.serialize(out))),
        None => WireForm::Plain,
    }
}

/// Returns the form in which `serialize` serializes a `T`. It is used for fields with `#[serde(with = "…")]`.
pub(crate) fn wire_form_with<T: 'static>(
    logical: &LogicalType,
    serialize: impl FnOnce(
        &T,
        CanonicalSerializer<'_>,
    ) -> Result<(), crate::foundation::canonical::CanonicalError>,
) -> WireForm {
    match sample::<T>() {
        Some(value) => recognize(logical, write(|out| serialize(&value, out))),
        None => WireForm::Own,
    }
}

/// Returns the JSON text that `serialize` writes, or `None` if it returns an error.
fn write(
    serialize: impl FnOnce(CanonicalSerializer<'_>) -> Result<(), crate::foundation::canonical::CanonicalError>,
) -> Option<String> {
    let mut out = Vec::new();
    serialize(CanonicalSerializer::new(&mut out)).ok()?;
    String::from_utf8(out).ok()
}

/// Returns the form of a sample value from its JSON text.
fn recognize(logical: &LogicalType, written: Option<String>) -> WireForm {
    let Some(written) = written else { return WireForm::Own };
    let text = written.trim_matches('"');
    match logical {
        LogicalType::Bytes => bytes_form(text),
        LogicalType::Timestamp | LogicalType::DateTime | LogicalType::Date | LogicalType::Time => {
            temporal_form(text)
        }
        _ => WireForm::Plain,
    }
}

fn bytes_form(text: &str) -> WireForm {
    let hex = crate::foundation::hex::hex(&SAMPLE_BYTES);
    match text {
        _ if text == "[251,239,255,171]" => WireForm::Plain,
        _ if text == STANDARD.encode(SAMPLE_BYTES) => WireForm::Base64,
        _ if text == STANDARD_NO_PAD.encode(SAMPLE_BYTES) => WireForm::Base64NoPad,
        _ if text == URL_SAFE.encode(SAMPLE_BYTES) => WireForm::Base64Url,
        _ if text == URL_SAFE_NO_PAD.encode(SAMPLE_BYTES) => WireForm::Base64UrlNoPad,
        _ if text == hex => WireForm::HexLower,
        _ if text == hex.to_uppercase() => WireForm::HexUpper,
        _ => WireForm::Own,
    }
}

fn temporal_form(text: &str) -> WireForm {
    match text {
        "2009-08-07T06:05:04Z"
        | "2009-08-07T06:05:04+00:00"
        | "2009-08-07T06:05:04"
        | "2009-08-07"
        | "06:05:04" => WireForm::Plain,
        "1249625104" => WireForm::UnixSeconds,
        "1249625104000" => WireForm::UnixMillis,
        "1249625104000000" => WireForm::UnixMicros,
        "1249625104000000000" => WireForm::UnixNanos,
        "2009-08-07 06:05:04.0 +00:00:00" | "2009-08-07 06:05:04.0" | "06:05:04.0" => WireForm::TimeText,
        "[2009,219,6,5,4,0,0,0,0]" | "[2009,219,6,5,4,0]" | "[2009,219]" | "[6,5,4,0]" => WireForm::TimeList,
        _ => WireForm::Own,
    }
}

/// Returns the sample value as a `T`, if `T` is a well-known type or an option of one.
fn sample<T: 'static>() -> Option<T> {
    sample_of(TypeId::of::<T>())?.downcast::<T>().ok().map(|sample| *sample)
}

/// Returns the sample value of a well-known type, or of an option of one. The function is not generic, so that it is
/// compiled only once.
fn sample_of(requested: TypeId) -> Option<Box<dyn Any>> {
    fn sample_if_requested<S: 'static>(
        requested: TypeId,
        sample: impl FnOnce() -> Option<S>,
    ) -> Option<Box<dyn Any>> {
        if requested == TypeId::of::<S>() {
            Some(Box::new(sample()?))
        } else if requested == TypeId::of::<Option<S>>() {
            Some(Box::new(Some(sample()?)))
        } else {
            None
        }
    }
    macro_rules! samples {
        ($($(#[$cfg:meta])* = $sample:expr),* $(,)?) => {
            $( $(#[$cfg])* if let Some(sample) = sample_if_requested(requested, || $sample) { return Some(sample); } )*
        };
    }
    samples! {
        = Some(SAMPLE_BYTES.to_vec()),
        = Some(SAMPLE_BYTES),
        = Some(SAMPLE_BYTES.to_vec().into_boxed_slice()),
        #[cfg(feature = "chrono")] = chrono::DateTime::<chrono::Utc>::from_timestamp(SAMPLE_SECONDS, 0),
        #[cfg(feature = "chrono")] = chrono::DateTime::<chrono::Utc>::from_timestamp(SAMPLE_SECONDS, 0).map(|t| t.fixed_offset()),
        #[cfg(feature = "chrono")] = chrono::DateTime::<chrono::Utc>::from_timestamp(SAMPLE_SECONDS, 0).map(|t| t.naive_utc()),
        #[cfg(feature = "chrono")] = chrono::NaiveDate::from_ymd_opt(2009, 8, 7),
        #[cfg(feature = "chrono")] = chrono::NaiveTime::from_hms_opt(6, 5, 4),
        #[cfg(feature = "time")] = time::OffsetDateTime::from_unix_timestamp(SAMPLE_SECONDS).ok(),
        #[cfg(feature = "time")] = time::UtcDateTime::from_unix_timestamp(SAMPLE_SECONDS).ok(),
        #[cfg(feature = "time")] = time::OffsetDateTime::from_unix_timestamp(SAMPLE_SECONDS).ok().map(|t| time::PrimitiveDateTime::new(t.date(), t.time())),
        #[cfg(feature = "time")] = time::Date::from_ordinal_date(2009, 219).ok(),
        #[cfg(feature = "time")] = time::Time::from_hms(6, 5, 4).ok(),
        #[cfg(feature = "jiff")] = jiff::Timestamp::from_second(SAMPLE_SECONDS).ok(),
        #[cfg(feature = "jiff")] = Some(jiff::civil::datetime(2009, 8, 7, 6, 5, 4, 0)),
        #[cfg(feature = "jiff")] = Some(jiff::civil::date(2009, 8, 7)),
        #[cfg(feature = "jiff")] = Some(jiff::civil::time(6, 5, 4, 0)),
    }
    None
}

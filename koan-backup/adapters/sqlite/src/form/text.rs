//! The text of forms in archives, for example `integer`, `text:TRUE/FALSE` or
//! `text:YYYY-MM-DD HH:MM:SS+02:00`. This text format must never change.

use std::fmt;
use std::str::FromStr;

use koan_backup_core::value::OffsetStyle;

use super::{
    BLOB, FRACTION_0, FRACTION_MINIMAL, FRACTION_THREES, Form, INTEGER, JSON_NULL, JSON_NULL_FORM, NATIVE,
    REAL, REAL_SHORT, SecondsStyle, Shape, TEXT, TEXT_POINT, TemporalForm, TemporalParts, UnixUnit,
    UuidStyle, WORDS,
};

/// The names of the variants of [`Shape::StorageClass`].
const STORAGE_CLASSES: [(&str, u32); 8] = [
    ("native", NATIVE),
    ("integer", INTEGER),
    ("real", REAL),
    ("text", TEXT),
    ("blob", BLOB),
    ("real:f32", REAL_SHORT),
    ("text:1.0", TEXT_POINT),
    (JSON_NULL_FORM, JSON_NULL),
];
/// The names of the text forms of a UUID.
const UUID_STYLES: [(&str, UuidStyle); 7] = [
    ("uuid", UuidStyle::Hyphenated),
    ("UUID", UuidStyle::HyphenatedUpper),
    ("uuid-simple", UuidStyle::Simple),
    ("UUID-SIMPLE", UuidStyle::SimpleUpper),
    ("{uuid}", UuidStyle::Braced),
    ("{UUID}", UuidStyle::BracedUpper),
    ("urn:uuid", UuidStyle::Urn),
];
/// The names of the units of a Unix time.
const UNIX_UNITS: [(&str, UnixUnit); 4] = [
    ("unix-seconds", UnixUnit::Seconds),
    ("unix-milliseconds", UnixUnit::Millis),
    ("unix-microseconds", UnixUnit::Micros),
    ("unix-nanoseconds", UnixUnit::Nanos),
];

/// Formats a form as the text for archives. The form must have exactly one variant.
impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let storage = if self.has(REAL) { "real" } else { "integer" };
        match self.shape {
            Shape::StorageClass => f.write_str(name(&STORAGE_CLASSES, &self.variants)),
            Shape::Words(pair) => {
                let (yes, no) = WORDS[pair];
                write!(f, "text:{yes}/{no}")
            }
            Shape::Uuid(style) => write!(f, "text:{}", name(&UUID_STYLES, &style)),
            Shape::Unix(unit) => write!(f, "{storage}:{}", name(&UNIX_UNITS, &unit)),
            Shape::Julian => f.write_str("real:julian-day"),
            Shape::Temporal(temporal) => {
                f.write_str("text:")?;
                temporal_text(f, temporal, self.variants)
            }
        }
    }
}

/// The error for a form that this version does not know.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct UnknownForm;

impl FromStr for Form {
    type Err = UnknownForm;

    fn from_str(text: &str) -> Result<Self, UnknownForm> {
        if let Some((_, variant)) = STORAGE_CLASSES.iter().find(|(name, _)| *name == text) {
            return Ok(Self::stored_as(*variant));
        }
        let (storage, rest) = text.split_once(':').ok_or(UnknownForm)?;
        let storage = match storage {
            "text" => TEXT,
            "integer" => INTEGER,
            "real" => REAL,
            _ => return Err(UnknownForm),
        };
        let shape = if let Some((_, unit)) = UNIX_UNITS.iter().find(|(name, _)| *name == rest) {
            Shape::Unix(*unit)
        } else if rest == "julian-day" {
            Shape::Julian
        } else if let Some((_, style)) = UUID_STYLES.iter().find(|(name, _)| *name == rest) {
            Shape::Uuid(*style)
        } else if let Some(pair) = WORDS.iter().position(|(yes, no)| rest.split_once('/') == Some((yes, no)))
        {
            Shape::Words(pair)
        } else {
            return parse_temporal(rest).filter(|_| storage == TEXT).ok_or(UnknownForm);
        };
        Ok(Self::new(shape, storage))
    }
}

fn name<'n, T: PartialEq>(names: &[(&'n str, T)], wanted: &T) -> &'n str {
    names.iter().find(|(_, known)| known == wanted).map_or("native", |(name, _)| name)
}

fn temporal_text(f: &mut fmt::Formatter<'_>, temporal: TemporalForm, variants: u32) -> fmt::Result {
    match temporal.parts {
        TemporalParts::Date => return f.write_str("YYYY-MM-DD"),
        TemporalParts::Time => {}
        TemporalParts::Both(separator) => write!(f, "YYYY-MM-DD{separator}")?,
    }
    f.write_str("HH:MM")?;
    if temporal.seconds == SecondsStyle::Written {
        f.write_str(":SS")?;
        match (0..=9u8).find(|&digits| variants & (FRACTION_0 << u32::from(digits)) != 0) {
            Some(0) => {}
            Some(digits) => write!(f, ".{}", "f".repeat(usize::from(digits)))?,
            None if variants & FRACTION_THREES != 0 => f.write_str("[.fff]")?,
            None => f.write_str("[.f]")?,
        }
    }
    let sign = if temporal.offset_seconds < 0 { '-' } else { '+' };
    let (hours, minutes) = (temporal.offset_seconds.abs() / 3600, temporal.offset_seconds.abs() / 60 % 60);
    match temporal.offset {
        OffsetStyle::Absent => Ok(()),
        OffsetStyle::Zulu => f.write_str("Z"),
        OffsetStyle::Colon => write!(f, "{sign}{hours:02}:{minutes:02}"),
        OffsetStyle::Digits => write!(f, "{sign}{hours:02}{minutes:02}"),
        OffsetStyle::Hours => write!(f, "{sign}{hours:02}"),
        OffsetStyle::LowerZulu => f.write_str("z"),
        OffsetStyle::SpacedZulu => f.write_str(" Z"),
        OffsetStyle::SpacedUtc => f.write_str(" UTC"),
        OffsetStyle::SpacedColon => write!(f, " {sign}{hours:02}:{minutes:02}"),
        OffsetStyle::SpacedDigits => write!(f, " {sign}{hours:02}{minutes:02}"),
        OffsetStyle::SpacedSeconds => {
            let seconds = temporal.offset_seconds.abs() % 60;
            write!(f, " {sign}{hours:02}:{minutes:02}:{seconds:02}")
        }
    }
}

fn parse_temporal(text: &str) -> Option<Form> {
    let temporal = |parts, seconds, (offset, offset_seconds)| {
        Shape::Temporal(TemporalForm { parts, seconds, offset, offset_seconds })
    };
    let absent = (OffsetStyle::Absent, 0);
    let (parts, rest) = match text.strip_prefix("YYYY-MM-DD") {
        Some("") => {
            return Some(Form::new(temporal(TemporalParts::Date, SecondsStyle::Omitted, absent), FRACTION_0));
        }
        Some(rest) => {
            let separator = rest.chars().next()?;
            (TemporalParts::Both(separator), &rest[separator.len_utf8()..])
        }
        None => (TemporalParts::Time, text),
    };
    let rest = rest.strip_prefix("HH:MM")?;
    let Some(rest) = rest.strip_prefix(":SS") else {
        return Some(Form::new(temporal(parts, SecondsStyle::Omitted, parse_offset(rest)?), FRACTION_0));
    };
    let (variants, rest) = if let Some(rest) = rest.strip_prefix("[.fff]") {
        (FRACTION_THREES, rest)
    } else if let Some(rest) = rest.strip_prefix("[.f]") {
        (FRACTION_MINIMAL, rest)
    } else if let Some(digits) = rest.strip_prefix('.') {
        let rest = digits.trim_start_matches('f');
        let count = u32::try_from(digits.len() - rest.len()).ok().filter(|count| (1..=9).contains(count))?;
        (FRACTION_0 << count, rest)
    } else {
        (FRACTION_0, rest)
    };
    Some(Form::new(temporal(parts, SecondsStyle::Written, parse_offset(rest)?), variants))
}

fn parse_offset(text: &str) -> Option<(OffsetStyle, i32)> {
    let (text, is_spaced) = match text.strip_prefix(' ') {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let (sign, digits) = match (text.split_at_checked(1), is_spaced) {
        (None, false) => return Some((OffsetStyle::Absent, 0)),
        (Some(("Z", "")), false) => return Some((OffsetStyle::Zulu, 0)),
        (Some(("z", "")), false) => return Some((OffsetStyle::LowerZulu, 0)),
        (Some(("Z", "")), true) => return Some((OffsetStyle::SpacedZulu, 0)),
        (Some(("U", "TC")), true) => return Some((OffsetStyle::SpacedUtc, 0)),
        (Some(("+", digits)), _) => (1, digits),
        (Some(("-", digits)), _) => (-1, digits),
        _ => return None,
    };
    let number =
        |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<i32>().ok())?;
    let parts: Vec<&str> = digits.split(':').collect();
    let (style, hours, minutes, seconds) = match (digits.len(), parts.as_slice(), is_spaced) {
        (5, [hours, minutes], false) => (OffsetStyle::Colon, number(hours)?, number(minutes)?, 0),
        (4, [_], false) => (OffsetStyle::Digits, number(digits.get(..2)?)?, number(digits.get(2..)?)?, 0),
        (2, [_], false) => (OffsetStyle::Hours, number(digits)?, 0, 0),
        (5, [hours, minutes], true) => (OffsetStyle::SpacedColon, number(hours)?, number(minutes)?, 0),
        (4, [_], true) => {
            (OffsetStyle::SpacedDigits, number(digits.get(..2)?)?, number(digits.get(2..)?)?, 0)
        }
        (8, [hours, minutes, seconds], true) => {
            (OffsetStyle::SpacedSeconds, number(hours)?, number(minutes)?, number(seconds)?)
        }
        _ => return None,
    };
    Some((style, sign * (hours * 3600 + minutes * 60 + seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_back_from_its_text() {
        for text in [
            "native",
            "integer",
            "real",
            "text",
            "blob",
            "real:f32",
            "text:1.0",
            "text:null",
            "text:TRUE/FALSE",
            "text:1/0",
            "text:UUID",
            "text:{uuid}",
            "text:urn:uuid",
            "integer:unix-milliseconds",
            "real:unix-seconds",
            "real:julian-day",
            "text:YYYY-MM-DD",
            "text:HH:MM",
            "text:HH:MM:SS[.f]",
            "text:YYYY-MM-DD HH:MM:SS",
            "text:YYYY-MM-DDTHH:MM:SS.fffZ",
            "text:YYYY-MM-DD HH:MM:SS[.fff]+00:00",
            "text:YYYY-MM-DDtHH:MM-0530",
            "text:YYYY-MM-DD HH:MM:SS.fffffffff+05",
            "text:YYYY-MM-DDTHH:MM:SSz",
            "text:YYYY-MM-DD HH:MM:SS Z",
            "text:YYYY-MM-DD HH:MM:SS[.f] UTC",
            "text:YYYY-MM-DD HH:MM:SS.fff +00:00",
            "text:YYYY-MM-DD HH:MM -0530",
            "text:YYYY-MM-DD HH:MM:SS.f -01:02:03",
        ] {
            let form: Form = text.parse().expect(text);
            assert_eq!(form.to_string(), text);
        }
    }

    #[test]
    fn a_form_of_a_newer_version_is_unknown() {
        for text in ["", "json", "text:", "text:YYYY", "integer:YYYY-MM-DD", "text:HH:MM:SS.", "blob:x"] {
            assert_eq!(text.parse::<Form>(), Err(UnknownForm), "{text}");
        }
    }
}

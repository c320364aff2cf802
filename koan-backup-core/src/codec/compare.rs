//! Compares a field with the value it was read from while it is written, without a copy.
//!
//! Only the plain case is answered. Whatever is nested or written in another form ends the comparison, and
//! [`changes`](super::general::changes) looks closer.

use std::fmt::{self, Write as _};

use serde::Serialize;
use serde::ser::Serializer;

use super::token::Plain;
use crate::refusal::{refuse, refuse_lists_and_variants, refuse_maps};
/// Whether `value` writes exactly what is `stored`. `false` says nothing.
pub(super) fn writes<T: Serialize + ?Sized>(value: &T, stored: &Plain<'_>) -> bool {
    value.serialize(SameValue(stored)).is_ok()
}

/// The comparison ended without an answer.
#[derive(Debug, thiserror::Error)]
#[error("not the same at a glance")]
struct Unsure;

impl serde::ser::Error for Unsure {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

type Same = Result<(), Unsure>;

fn sure(same: bool) -> Same {
    if same { Ok(()) } else { Err(Unsure) }
}

/// One value of a row.
struct SameValue<'v>(&'v Plain<'v>);

impl SameValue<'_> {
    #[inline]
    fn integer(self, written: i128) -> Same {
        sure(match self.0 {
            Plain::I64(stored) => i128::from(*stored) == written,
            Plain::U64(stored) => i128::from(*stored) == written,
            _ => false,
        })
    }

    /// Whether `compare` finds the text to be the same.
    #[inline]
    fn text(&self, compare: impl FnOnce(&str) -> bool) -> Same {
        sure(self.0.text(compare).unwrap_or(false))
    }
}

macro_rules! integers {
    ($($method:ident($ty:ty)),*) => {
        $(fn $method(self, v: $ty) -> Same {
            self.integer(v.into())
        })*
    };
}

impl Serializer for SameValue<'_> {
    type Ok = ();
    type Error = Unsure;

    refuse_lists_and_variants!(Unsure);
    refuse_maps!(Unsure);
    refuse!(Unsure => serialize_bytes(&[u8]), serialize_unit_struct(&'static str));

    integers!(
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_u64(u64)
    );

    fn serialize_bool(self, v: bool) -> Same {
        sure(matches!(self.0, Plain::Bool(stored) if *stored == v))
    }
    fn serialize_f32(self, v: f32) -> Same {
        sure(matches!(self.0, Plain::F32(stored) if stored.to_bits() == v.to_bits()))
    }
    fn serialize_f64(self, v: f64) -> Same {
        sure(matches!(self.0, Plain::F64(stored) if stored.to_bits() == v.to_bits()))
    }
    fn serialize_char(self, v: char) -> Same {
        self.collect_str(&v)
    }
    fn serialize_str(self, v: &str) -> Same {
        self.text(|stored| stored == v)
    }
    fn serialize_none(self) -> Same {
        sure(matches!(self.0, Plain::Null))
    }
    fn serialize_unit(self) -> Same {
        sure(matches!(self.0, Plain::Null))
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Same {
        self.serialize_str(variant)
    }
    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Same {
        self.text(|stored| {
            let mut expected = Expected(Some(stored));
            write!(expected, "{value}").is_ok() && expected.0 == Some("")
        })
    }
}

/// Text that is expected piece by piece; none once another came, also where a type passes over the error.
struct Expected<'a>(Option<&'a str>);

impl fmt::Write for Expected<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        self.0 = self.0.and_then(|expected| expected.strip_prefix(piece));
        self.0.map(drop).ok_or(fmt::Error)
    }

    /// Dates are shown digit by digit.
    fn write_char(&mut self, piece: char) -> fmt::Result {
        self.0 = self.0.and_then(|expected| match u8::try_from(piece) {
            Ok(byte) if byte.is_ascii() => {
                (expected.as_bytes().first() == Some(&byte)).then(|| expected.get(1..)).flatten()
            }
            _ => expected.strip_prefix(piece),
        });
        self.0.map(drop).ok_or(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn only_what_is_written_exactly_is_the_same() {
        let text = |text| Plain::Text(Cow::Borrowed(text));
        assert!(writes(&7i64, &Plain::I64(7)));
        assert!(writes(&u64::MAX, &Plain::U64(u64::MAX)));
        assert!(writes(&Some("a"), &text("a")));
        assert!(writes(&'ü', &text("ü")));
        assert!(writes(&0.0, &Plain::F64(0.0)));
        assert!(writes(&0.1f32, &Plain::F32(0.1)));
        assert!(writes(&None::<i64>, &Plain::Null));
        assert!(writes(&format_args!("{}{}", 1, 2), &text("12")));
        let day = crate::value::Value::Date(crate::value::Date { year: 2024, month: 2, day: 29 });
        let day = Plain::Temporal(&day);
        assert!(writes(&"2024-02-29", &day));
        let uuid = Plain::Uuid(uuid::Uuid::nil().hyphenated());
        assert!(writes(&uuid::Uuid::nil(), &uuid));

        assert!(!writes(&7i64, &Plain::I64(8)));
        assert!(!writes(&7i64, &text("7")));
        assert!(!writes(&7i64, &Plain::F64(7.0)));
        assert!(!writes(&7.0, &Plain::I64(7)));
        assert!(!writes(&"a", &text("ab")));
        assert!(!writes(&"ab", &text("a")));
        assert!(!writes(&"", &Plain::Null));
        assert!(!writes(&"2024-02-28", &day));
        assert!(!writes(&"2024-02-29T00:00:00", &day));
        assert!(!writes(&uuid::Uuid::max(), &uuid));
        assert!(!writes(&'ü', &text("üü")));
        assert!(writes(&'b', &text("b")) && !writes(&'b', &text("a")) && !writes(&'b', &text("")));
        // A byte of its own in Latin-1, and the first of two in UTF-8.
        assert!(!writes(&format_args!("{}", '\u{c3}'), &text("ü")));
        assert!(writes(&format_args!("{}{}", 'a', 'ü'), &text("aü")) && !writes(&'a', &text("ü")));
        assert!(!writes(&0.0, &Plain::F64(-0.0)));
        // One number, and another text.
        assert!(!writes(&f64::from(0.1f32), &Plain::F32(0.1)));
        assert!(!writes(&0.5f32, &Plain::F64(0.5)));
        assert!(!writes(&None::<i64>, &Plain::I64(0)));
        assert!(!writes(&format_args!("{}{}", 1, 2), &text("123")));
        assert!(!writes(&format_args!("{}{}", 1, 2), &text("1")));
        assert!(!writes(&[1u8][..], &Plain::Bytes(&[1])));
    }

    #[test]
    fn a_piece_that_was_not_expected_is_not_forgotten() {
        struct Careless;
        impl fmt::Display for Careless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let _ = f.write_str("x");
                let _ = f.write_char('y');
                f.write_str("abc")
            }
        }
        assert!(!writes(&format_args!("{Careless}"), &Plain::Text(Cow::Borrowed("abc"))));
    }
}

//! Compares a field with the value it was read from while it is written, without a copy.
//!
//! Only the plain case is answered. Whatever is nested or written in another form ends the comparison, and
//! [`faithful`](super::faithful) looks closer.

use std::fmt::{self, Write as _};

use serde::Serialize;
use serde::ser::Serializer;

use crate::refusal::{refuse, refuse_lists_and_variants, refuse_maps};
use crate::value::Value;

/// Whether `value` writes exactly what is `stored`. `false` says nothing.
pub(super) fn writes<T: Serialize + ?Sized>(value: &T, stored: &Value<'_>) -> bool {
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
struct SameValue<'v>(&'v Value<'v>);

impl SameValue<'_> {
    fn integer(self, written: i128) -> Same {
        sure(match self.0 {
            Value::I64(stored) => i128::from(*stored) == written,
            Value::U64(stored) => i128::from(*stored) == written,
            _ => false,
        })
    }

    /// Whether `compare` finds the text of the value to be the same.
    fn text(&self, compare: impl FnOnce(&str) -> bool) -> Same {
        match self.0 {
            Value::Str(text) | Value::Decimal(text) => sure(compare(text)),
            stored => sure(stored.temporal_text().is_some_and(|text| compare(text.as_str()))),
        }
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
        sure(matches!(self.0, Value::Bool(stored) if *stored == v))
    }
    fn serialize_f32(self, v: f32) -> Same {
        self.serialize_f64(f64::from(v))
    }
    fn serialize_f64(self, v: f64) -> Same {
        sure(matches!(self.0, Value::F64(stored) if stored.to_bits() == v.to_bits()))
    }
    fn serialize_char(self, v: char) -> Same {
        self.collect_str(&v)
    }
    fn serialize_str(self, v: &str) -> Same {
        self.text(|stored| stored == v)
    }
    fn serialize_none(self) -> Same {
        sure(self.0.is_null())
    }
    fn serialize_unit(self) -> Same {
        sure(self.0.is_null())
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Same {
        self.serialize_str(variant)
    }
    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Same {
        self.text(|stored| {
            let mut expected = Expected(stored);
            write!(expected, "{value}").is_ok() && expected.0.is_empty()
        })
    }
}

/// Text that is expected piece by piece.
struct Expected<'a>(&'a str);

impl fmt::Write for Expected<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(piece).ok_or(fmt::Error)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_written_exactly_is_the_same() {
        assert!(writes(&7i64, &Value::I64(7)));
        assert!(writes(&Some("a"), &Value::Str("a".into())));
        assert!(writes(&'ü', &Value::Str("ü".into())));
        assert!(writes(&0.0, &Value::F64(0.0)));
        assert!(writes(&None::<i64>, &Value::Null));
        assert!(writes(&format_args!("{}{}", 1, 2), &Value::Decimal("12".into())));
        let day = Value::Date(crate::value::Date { year: 2024, month: 2, day: 29 });
        assert!(writes(&"2024-02-29", &day));

        assert!(!writes(&7i64, &Value::I64(8)));
        assert!(!writes(&7i64, &Value::Str("7".into())));
        assert!(!writes(&"a", &Value::Str("ab".into())));
        assert!(!writes(&"ab", &Value::Str("a".into())));
        assert!(!writes(&"", &Value::Null));
        assert!(!writes(&"2024-02-28", &day));
        assert!(!writes(&"2024-02-29T00:00:00", &day));
        assert!(!writes(&'ü', &Value::Str("üü".into())));
        assert!(!writes(&0.0, &Value::F64(-0.0)));
        assert!(!writes(&None::<i64>, &Value::I64(0)));
        assert!(!writes(&format_args!("{}{}", 1, 2), &Value::Decimal("123".into())));
        assert!(!writes(&format_args!("{}{}", 1, 2), &Value::Decimal("1".into())));
    }
}

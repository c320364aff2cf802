//! The comparison of a serialized value with a token, without a copy.

use std::fmt::{self, Write as _};

use serde::Serialize;
use serde::ser::Serializer;

use super::fallback::Fallback;
use super::token::Token;
use crate::foundation::refusal::{refuse, refuse_lists_and_variants, refuse_maps};

/// Returns whether `value` serializes as exactly this token. If it returns `false`, the general path must
/// decide, because lists, structures and values in a different form are not compared here.
pub(super) fn serializes_as<T: Serialize + ?Sized>(value: &T, token: &Token<'_>) -> bool {
    value.serialize(TokenComparison(token)).is_ok()
}

type Equality = Result<(), Fallback>;

fn equal_if(is_equal: bool) -> Equality {
    if is_equal { Ok(()) } else { Err(Fallback) }
}

/// A serializer that succeeds only for a value that serializes as exactly this token.
struct TokenComparison<'v>(&'v Token<'v>);

impl TokenComparison<'_> {
    #[inline]
    fn integer(self, value: i128) -> Equality {
        equal_if(match self.0 {
            Token::I64(expected) => i128::from(*expected) == value,
            Token::U64(expected) => i128::from(*expected) == value,
            _ => false,
        })
    }

    /// Succeeds if the token is text for which `is_equal` returns `true`.
    #[inline]
    fn text(&self, is_equal: impl FnOnce(&str) -> bool) -> Equality {
        equal_if(self.0.with_text(is_equal).unwrap_or(false))
    }
}

macro_rules! integers {
    ($($method:ident($ty:ty)),*) => {
        $(fn $method(self, v: $ty) -> Equality {
            self.integer(v.into())
        })*
    };
}

impl Serializer for TokenComparison<'_> {
    type Ok = ();
    type Error = Fallback;

    refuse_lists_and_variants!(Fallback);
    refuse_maps!(Fallback);
    refuse!(Fallback => serialize_bytes(&[u8]), serialize_unit_struct(&'static str));

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

    fn serialize_bool(self, v: bool) -> Equality {
        equal_if(matches!(self.0, Token::Bool(expected) if *expected == v))
    }
    fn serialize_f32(self, v: f32) -> Equality {
        equal_if(matches!(self.0, Token::F32(expected) if expected.to_bits() == v.to_bits()))
    }
    fn serialize_f64(self, v: f64) -> Equality {
        equal_if(matches!(self.0, Token::F64(expected) if expected.to_bits() == v.to_bits()))
    }
    fn serialize_char(self, v: char) -> Equality {
        self.collect_str(&v)
    }
    fn serialize_str(self, v: &str) -> Equality {
        self.text(|expected| expected == v)
    }
    fn serialize_none(self) -> Equality {
        equal_if(matches!(self.0, Token::Null))
    }
    fn serialize_unit(self) -> Equality {
        equal_if(matches!(self.0, Token::Null))
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Equality {
        self.serialize_str(variant)
    }
    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Equality {
        self.text(|text| {
            let mut expected = ExpectedText(Some(text));
            write!(expected, "{value}").is_ok() && expected.0 == Some("")
        })
    }
}

/// The remaining text that a value must write, or `None` after the value wrote a different text. `None` is
/// necessary because a type may ignore the error of a write.
struct ExpectedText<'a>(Option<&'a str>);

impl fmt::Write for ExpectedText<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        self.0 = self.0.and_then(|expected| expected.strip_prefix(piece));
        self.0.map(drop).ok_or(fmt::Error)
    }

    /// Compares an ASCII character without encoding it, because dates are written digit by digit.
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
    fn only_an_exactly_equal_value_serializes_as_a_token() {
        let text = |text| Token::Text(Cow::Borrowed(text));
        assert!(serializes_as(&7i64, &Token::I64(7)));
        assert!(serializes_as(&u64::MAX, &Token::U64(u64::MAX)));
        assert!(serializes_as(&Some("a"), &text("a")));
        assert!(serializes_as(&'ü', &text("ü")));
        assert!(serializes_as(&0.0, &Token::F64(0.0)));
        assert!(serializes_as(&0.1f32, &Token::F32(0.1)));
        assert!(serializes_as(&None::<i64>, &Token::Null));
        assert!(serializes_as(&format_args!("{}{}", 1, 2), &text("12")));
        let day = crate::foundation::value::Value::Date(crate::foundation::value::Date {
            year: 2024,
            month: 2,
            day: 29,
        });
        let day = Token::Temporal(&day);
        assert!(serializes_as(&"2024-02-29", &day));
        let uuid = Token::Uuid(uuid::Uuid::nil().hyphenated());
        assert!(serializes_as(&uuid::Uuid::nil(), &uuid));

        assert!(!serializes_as(&7i64, &Token::I64(8)));
        assert!(!serializes_as(&7i64, &text("7")));
        assert!(!serializes_as(&7i64, &Token::F64(7.0)));
        assert!(!serializes_as(&7.0, &Token::I64(7)));
        assert!(!serializes_as(&"a", &text("ab")));
        assert!(!serializes_as(&"ab", &text("a")));
        assert!(!serializes_as(&"", &Token::Null));
        assert!(!serializes_as(&"2024-02-28", &day));
        assert!(!serializes_as(&"2024-02-29T00:00:00", &day));
        assert!(!serializes_as(&uuid::Uuid::max(), &uuid));
        assert!(!serializes_as(&'ü', &text("üü")));
        assert!(
            serializes_as(&'b', &text("b"))
                && !serializes_as(&'b', &text("a"))
                && !serializes_as(&'b', &text(""))
        );
        // U+00C3 is the first byte of `ü` in UTF-8.
        assert!(!serializes_as(&format_args!("{}", '\u{c3}'), &text("ü")));
        assert!(
            serializes_as(&format_args!("{}{}", 'a', 'ü'), &text("aü")) && !serializes_as(&'a', &text("ü"))
        );
        assert!(!serializes_as(&0.0, &Token::F64(-0.0)));
        // The number is the same, but its text differs.
        assert!(!serializes_as(&f64::from(0.1f32), &Token::F32(0.1)));
        assert!(!serializes_as(&0.5f32, &Token::F64(0.5)));
        assert!(!serializes_as(&None::<i64>, &Token::I64(0)));
        assert!(!serializes_as(&format_args!("{}{}", 1, 2), &text("123")));
        assert!(!serializes_as(&format_args!("{}{}", 1, 2), &text("1")));
        assert!(!serializes_as(&[1u8][..], &Token::Bytes(&[1])));
    }

    #[test]
    fn an_unexpected_piece_of_text_fails_even_if_the_type_ignores_the_error() {
        struct Careless;
        impl fmt::Display for Careless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let _ = f.write_str("x");
                let _ = f.write_char('y');
                f.write_str("abc")
            }
        }
        assert!(!serializes_as(&format_args!("{Careless}"), &Token::Text(Cow::Borrowed("abc"))));
    }
}

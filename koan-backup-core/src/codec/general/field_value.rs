//! One field of a record, as serde writes it.

use std::borrow::Cow;

use serde::Serialize;
use serde::ser::Serializer;

use crate::canonical::{CanonicalError, write_canonical};
use crate::refusal::{refuse_lists_and_variants, refuse_maps};
use crate::value::Value;

/// The value of a field: plain where serde writes something plain, else its canonical JSON.
pub(in crate::codec) fn field_value<T: Serialize + ?Sized>(value: &T) -> Result<Value<'static>, CanonicalError> {
    match value.serialize(Scalar) {
        Ok(value) => Ok(value),
        Err(NotScalar) => {
            let mut json = Vec::new();
            write_canonical(value, &mut json)?;
            Ok(Value::Json(Cow::Owned(String::from_utf8(json).expect("JSON is UTF-8"))))
        }
    }
}

/// Takes plain values and refuses the rest.
struct Scalar;

/// The value is a list, a map or the like, or refuses to be written; writing it as JSON tells.
#[derive(Debug, thiserror::Error)]
#[error("not a plain value")]
struct NotScalar;

impl serde::ser::Error for NotScalar {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self
    }
}

type Plain = Result<Value<'static>, NotScalar>;

macro_rules! widen {
    ($($method:ident($ty:ty) => $variant:ident),*) => {
        $(fn $method(self, v: $ty) -> Plain {
            Ok(Value::$variant(v.into()))
        })*
    };
}

impl Serializer for Scalar {
    type Ok = Value<'static>;
    type Error = NotScalar;

    refuse_lists_and_variants!(NotScalar);
    refuse_maps!(NotScalar);

    widen!(
        serialize_bool(bool) => Bool,
        serialize_i8(i8) => I64,
        serialize_i16(i16) => I64,
        serialize_i32(i32) => I64,
        serialize_i64(i64) => I64,
        serialize_u8(u8) => I64,
        serialize_u16(u16) => I64,
        serialize_u32(u32) => I64
    );

    fn serialize_u64(self, v: u64) -> Plain {
        Ok(i64::try_from(v).map_or(Value::U64(v), Value::I64))
    }
    fn serialize_i128(self, v: i128) -> Plain {
        Ok(match (i64::try_from(v), u64::try_from(v)) {
            (Ok(v), _) => Value::I64(v),
            (_, Ok(v)) => Value::U64(v),
            _ => Value::Decimal(Cow::Owned(v.to_string())),
        })
    }
    fn serialize_u128(self, v: u128) -> Plain {
        Ok(match (i64::try_from(v), u64::try_from(v)) {
            (Ok(v), _) => Value::I64(v),
            (_, Ok(v)) => Value::U64(v),
            _ => Value::Decimal(Cow::Owned(v.to_string())),
        })
    }
    fn serialize_f32(self, v: f32) -> Plain {
        self.serialize_f64(f64::from(v))
    }
    fn serialize_f64(self, v: f64) -> Plain {
        if v.is_finite() { Ok(Value::F64(v)) } else { Err(NotScalar) }
    }
    fn serialize_char(self, v: char) -> Plain {
        Ok(Value::Str(Cow::Owned(v.to_string())))
    }
    fn serialize_str(self, v: &str) -> Plain {
        Ok(Value::Str(Cow::Owned(v.to_owned())))
    }
    fn serialize_bytes(self, v: &[u8]) -> Plain {
        Ok(Value::Bytes(Cow::Owned(v.to_vec())))
    }
    fn serialize_none(self) -> Plain {
        Ok(Value::Null)
    }
    fn serialize_unit(self) -> Plain {
        Ok(Value::Null)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Plain {
        Ok(Value::Null)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Plain {
        Ok(Value::Str(Cow::Borrowed(variant)))
    }
}

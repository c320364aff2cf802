//! The serialization of one field into a value.

use std::borrow::Cow;

use serde::Serialize;
use serde::ser::Serializer;

use super::super::fallback::Fallback;
use crate::foundation::canonical::{CanonicalError, write_canonical};
use crate::foundation::refusal::{refuse_lists_and_variants, refuse_maps};
use crate::foundation::value::Value;

/// Serializes a field into a value: a scalar if serde serializes the field as a scalar, and canonical JSON in
/// all other cases.
///
/// # Errors
/// The field does not serialize as JSON; the error does not contain content of the field.
pub(super) fn field_value<T: Serialize + ?Sized>(value: &T) -> Result<Value<'static>, CanonicalError> {
    match value.serialize(ScalarSerializer) {
        Ok(value) => Ok(value),
        Err(Fallback) => {
            let mut json = Vec::new();
            write_canonical(value, &mut json)?;
            Ok(Value::Json(Cow::Owned(String::from_utf8(json).expect("JSON is UTF-8"))))
        }
    }
}

/// A serializer of scalars only. Lists, maps, structures and values whose serialization fails need the JSON
/// serializer.
struct ScalarSerializer;

type Scalar = Result<Value<'static>, Fallback>;

macro_rules! widen {
    ($($method:ident($ty:ty) => $variant:ident),*) => {
        $(fn $method(self, v: $ty) -> Scalar {
            Ok(Value::$variant(v.into()))
        })*
    };
}

impl Serializer for ScalarSerializer {
    type Ok = Value<'static>;
    type Error = Fallback;

    refuse_lists_and_variants!(Fallback);
    refuse_maps!(Fallback);

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

    fn serialize_u64(self, v: u64) -> Scalar {
        Ok(i64::try_from(v).map_or(Value::U64(v), Value::I64))
    }
    fn serialize_i128(self, v: i128) -> Scalar {
        Ok(match (i64::try_from(v), u64::try_from(v)) {
            (Ok(v), _) => Value::I64(v),
            (_, Ok(v)) => Value::U64(v),
            _ => Value::Decimal(Cow::Owned(v.to_string())),
        })
    }
    fn serialize_u128(self, v: u128) -> Scalar {
        Ok(match (i64::try_from(v), u64::try_from(v)) {
            (Ok(v), _) => Value::I64(v),
            (_, Ok(v)) => Value::U64(v),
            _ => Value::Decimal(Cow::Owned(v.to_string())),
        })
    }
    fn serialize_f32(self, v: f32) -> Scalar {
        self.serialize_f64(f64::from(v))
    }
    fn serialize_f64(self, v: f64) -> Scalar {
        if v.is_finite() { Ok(Value::F64(v)) } else { Err(Fallback) }
    }
    fn serialize_char(self, v: char) -> Scalar {
        Ok(Value::Str(Cow::Owned(v.to_string())))
    }
    fn serialize_str(self, v: &str) -> Scalar {
        Ok(Value::Str(Cow::Owned(v.to_owned())))
    }
    fn serialize_bytes(self, v: &[u8]) -> Scalar {
        Ok(Value::Bytes(Cow::Owned(v.to_vec())))
    }
    fn serialize_none(self) -> Scalar {
        Ok(Value::Null)
    }
    fn serialize_unit(self) -> Scalar {
        Ok(Value::Null)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Scalar {
        Ok(Value::Null)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Scalar {
        Ok(Value::Str(Cow::Borrowed(variant)))
    }
}

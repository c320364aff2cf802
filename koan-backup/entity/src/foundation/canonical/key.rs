//! Map keys, which are text in JSON.

use serde::ser::Serializer;

use super::CanonicalError;
use crate::foundation::refusal::{refuse, refuse_lists_and_variants, refuse_maps};

/// A serializer that converts a map key to text as `serde_json` does. It accepts text, characters, integers,
/// booleans and unit variants.
pub(super) struct KeySerializer;

type Result = std::result::Result<String, CanonicalError>;

macro_rules! display {
    ($($method:ident($ty:ty)),*) => {
        $(fn $method(self, v: $ty) -> Result {
            Ok(v.to_string())
        })*
    };
}

impl Serializer for KeySerializer {
    type Ok = String;
    type Error = CanonicalError;

    refuse_lists_and_variants!(CanonicalError::key_not_text());
    refuse_maps!(CanonicalError::key_not_text());

    display!(
        serialize_bool(bool),
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64),
        serialize_i128(i128),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_u64(u64),
        serialize_u128(u128),
        serialize_char(char),
        serialize_str(&str)
    );

    refuse! { CanonicalError::key_not_text() =>
        serialize_f32(f32),
        serialize_f64(f64),
        serialize_bytes(&[u8]),
        serialize_none(),
        serialize_unit(),
        serialize_unit_struct(&'static str),
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result {
        Ok(variant.to_owned())
    }
}

//! The recognition of types of other crates whose logical type is not visible in their calls to serde.
//!
//! A `Uuid` and a `DateTime<Utc>` both request a string from serde. Their visitors differ in the type of the
//! value that they produce, and the compiler provides the name of this type. The name is compared with the
//! names that the compiler provides for the types in this module, so no name is hard-coded.

use std::any::type_name;

use super::LogicalType;

/// Returns the logical type of a well-known type. `name` is the name that the compiler provides for the type.
pub(super) fn by_type_name(name: &str) -> Option<LogicalType> {
    macro_rules! known {
        ($($(#[$cfg:meta])* $ty:ty => $logical:ident),* $(,)?) => {
            $( $(#[$cfg])* if name == type_name::<$ty>() { return Some(LogicalType::$logical); } )*
        };
    }
    known! {
        Vec<u8> => Bytes,
        Box<[u8]> => Bytes,
        #[cfg(feature = "bytes")] bytes::Bytes => Bytes,
        uuid::Uuid => Uuid,
        serde_json::Value => Json,
        serde_json::Number => Json,
        #[cfg(feature = "chrono")] chrono::DateTime<chrono::Utc> => Timestamp,
        #[cfg(feature = "chrono")] chrono::DateTime<chrono::FixedOffset> => Timestamp,
        #[cfg(feature = "chrono")] chrono::DateTime<chrono::Local> => Timestamp,
        #[cfg(feature = "chrono")] chrono::NaiveDateTime => DateTime,
        #[cfg(feature = "chrono")] chrono::NaiveDate => Date,
        #[cfg(feature = "chrono")] chrono::NaiveTime => Time,
        #[cfg(feature = "time")] time::OffsetDateTime => Timestamp,
        #[cfg(feature = "time")] time::UtcDateTime => Timestamp,
        #[cfg(feature = "time")] time::PrimitiveDateTime => DateTime,
        #[cfg(feature = "time")] time::Date => Date,
        #[cfg(feature = "time")] time::Time => Time,
        #[cfg(feature = "jiff")] jiff::Timestamp => Timestamp,
        #[cfg(feature = "jiff")] jiff::civil::DateTime => DateTime,
        #[cfg(feature = "jiff")] jiff::civil::Date => Date,
        #[cfg(feature = "jiff")] jiff::civil::Time => Time,
        #[cfg(feature = "rust_decimal")] rust_decimal::Decimal => Decimal,
    }
    let is_byte_array = name.strip_prefix("[u8; ").is_some_and(|rest| rest.ends_with(']'));
    is_byte_array.then_some(LogicalType::Bytes)
}

/// Returns the logical type of `T`, or of the content of the option `T`, if it is a well-known type.
pub(crate) fn known_type<T>() -> Option<LogicalType> {
    let name = type_name::<T>();
    let option = type_name::<Option<()>>();
    let prefix = &option[..option.len() - "()>".len()];
    by_type_name(name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix('>')).unwrap_or(name))
}

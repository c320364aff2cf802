//! Bytes in the form of base64 text, which is a third longer than the bytes.
//!
//! Serde serializes a `Vec<u8>` as a list of numbers, which needs up to five times the size of the bytes, and
//! the line of a record is limited to 128 MiB. In base64, a record can contain more than 90 MB of bytes
//! instead of about 30 MB, and archives are smaller and are processed faster.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Document {
//!     id: i64,
//!     #[serde(with = "koan_backup::serde::base64")]
//!     content: Vec<u8>,
//!     #[serde(default, with = "koan_backup::serde::base64")]
//!     preview: Option<Vec<u8>>,
//! }
//! # let document = Document { id: 1, content: vec![251, 239], preview: None };
//! # let json = serde_json::to_string(&document).unwrap();
//! # assert_eq!(json, r#"{"id":1,"content":"++8=","preview":null}"#);
//! # let read: Document = serde_json::from_str(&json).unwrap();
//! # assert_eq!(read.content, [251, 239]);
//! ```
//!
//! The column remains `bytea` or `BLOB` and contains the bytes. A list of numbers can be read as well, so
//! that archives that were written before the attribute was added can be restored.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserializer, Serializer};

/// A type that this module can serialize and deserialize: `Vec<u8>`, `Box<[u8]>`, and options of them.
pub trait Base64Bytes: Sized + sealed::Sealed {
    /// Returns the bytes, or `None` for an option without content.
    #[doc(hidden)]
    fn bytes(&self) -> Option<&[u8]>;

    /// Deserializes the bytes.
    #[doc(hidden)]
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for Vec<u8> {}
    impl Sealed for Box<[u8]> {}
    impl<T: Sealed> Sealed for Option<T> {}
}

/// Serializes bytes as base64 with the standard alphabet and padding.
///
/// # Errors
/// The serializer returns an error.
pub fn serialize<T: Base64Bytes, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    match value.bytes() {
        Some(bytes) => serializer.serialize_str(&STANDARD.encode(bytes)),
        None => serializer.serialize_none(),
    }
}

/// Deserializes bytes from base64, or from a list of numbers.
///
/// # Errors
/// The input is neither base64 nor a list of numbers.
pub fn deserialize<'de, T: Base64Bytes, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::read(deserializer)
}

impl Base64Bytes for Vec<u8> {
    fn bytes(&self) -> Option<&[u8]> {
        Some(self)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(BytesVisitor)
        } else {
            deserializer.deserialize_string(BytesVisitor)
        }
    }
}

impl Base64Bytes for Box<[u8]> {
    fn bytes(&self) -> Option<&[u8]> {
        Some(self)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::read(deserializer).map(Vec::into_boxed_slice)
    }
}

impl<T: Base64Bytes> Base64Bytes for Option<T> {
    fn bytes(&self) -> Option<&[u8]> {
        self.as_ref().and_then(T::bytes)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(OptionVisitor(std::marker::PhantomData))
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes as base64")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<u8>, E> {
        STANDARD.decode(text).map_err(|_| E::custom("is not base64"))
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Vec<u8>, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = numbers.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes)
    }
}

struct OptionVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: Base64Bytes> Visitor<'de> for OptionVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes as base64, or null")
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        T::read(deserializer).map(Some)
    }
}

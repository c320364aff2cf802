//! Canonical JSON of a record: equal values have equal bytes, independently of their source.
//!
//! The format is compact. Struct fields are in the order of their declaration, and map keys are sorted by
//! their bytes. NaN and infinities are refused, because `serde_json` would write them as null without an
//! error. Text and numbers are written by `serde_json`.

mod error;
mod key;
mod text;

use std::cell::Cell;
use std::fmt::{self, Write as _};

use serde::Serialize;
use serde::ser::{self, Error as _, Serializer};

pub use error::CanonicalError;
use key::KeySerializer;
use text::is_plain;
pub(crate) use text::{plain_length, push_text};

type Result<T = ()> = std::result::Result<T, CanonicalError>;

/// The name of the wrapper struct in which `serde_json` passes a number that it stores as text.
const NUMBER: &str = "$serde_json::private::Number";
/// The name of the wrapper struct in which `serde_json` passes JSON that it stores as text.
const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// Appends the canonical JSON of `value` to `out`, without a line feed.
///
/// # Errors
/// A number cannot be represented in JSON, a map key cannot be converted to text, or `Serialize` of the type
/// returns an error.
pub fn write_canonical<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result {
    value.serialize(CanonicalSerializer::new(out))
}

thread_local! {
    /// Whether fields that a type skips are written as `null`.
    static SHOWS_SKIPPED: Cell<bool> = const { Cell::new(false) };
}

/// Calls `serialize`. During the call, fields that types skip, for example with `skip_serializing_if`, are
/// written as `null` on this thread.
pub(crate) fn showing_skipped_fields<R>(serialize: impl FnOnce() -> R) -> R {
    /// A guard that resets `SHOWS_SKIPPED` when it is dropped, even if `serialize` panics.
    struct ModeGuard;
    impl Drop for ModeGuard {
        fn drop(&mut self) {
            SHOWS_SKIPPED.set(false);
        }
    }
    SHOWS_SKIPPED.set(true);
    let _guard = ModeGuard;
    serialize()
}

/// A serializer that writes canonical JSON.
#[derive(Debug)]
pub struct CanonicalSerializer<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> CanonicalSerializer<'a> {
    /// Creates a serializer that appends to `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    fn json<T: Serialize + ?Sized>(self, value: &T) -> Result {
        serde_json::to_writer(self.out, value).map_err(CanonicalError::custom)
    }

    fn open(self, bracket: u8) -> &'a mut Vec<u8> {
        self.out.push(bracket);
        self.out
    }

    fn variant(self, name: &str) -> Result<&'a mut Vec<u8>> {
        self.out.push(b'{');
        CanonicalSerializer::new(self.out).serialize_str(name)?;
        self.out.push(b':');
        Ok(self.out)
    }
}

impl<'a> Serializer for CanonicalSerializer<'a> {
    type Ok = ();
    type Error = CanonicalError;
    type SerializeSeq = CanonicalSequence<'a>;
    type SerializeTuple = CanonicalSequence<'a>;
    type SerializeTupleStruct = CanonicalSequence<'a>;
    type SerializeTupleVariant = CanonicalSequence<'a>;
    type SerializeMap = CanonicalMap<'a>;
    type SerializeStruct = CanonicalFields<'a>;
    type SerializeStructVariant = CanonicalFields<'a>;

    fn serialize_bool(self, v: bool) -> Result {
        self.out.extend_from_slice(if v { b"true" } else { b"false" });
        Ok(())
    }
    fn serialize_i8(self, v: i8) -> Result {
        self.json(&v)
    }
    fn serialize_i16(self, v: i16) -> Result {
        self.json(&v)
    }
    fn serialize_i32(self, v: i32) -> Result {
        self.json(&v)
    }
    fn serialize_i64(self, v: i64) -> Result {
        self.json(&v)
    }
    fn serialize_i128(self, v: i128) -> Result {
        self.json(&v)
    }
    fn serialize_u8(self, v: u8) -> Result {
        self.json(&v)
    }
    fn serialize_u16(self, v: u16) -> Result {
        self.json(&v)
    }
    fn serialize_u32(self, v: u32) -> Result {
        self.json(&v)
    }
    fn serialize_u64(self, v: u64) -> Result {
        self.json(&v)
    }
    fn serialize_u128(self, v: u128) -> Result {
        self.json(&v)
    }
    fn serialize_f32(self, v: f32) -> Result {
        if v.is_finite() { self.json(&v) } else { Err(CanonicalError::not_finite()) }
    }
    fn serialize_f64(self, v: f64) -> Result {
        if v.is_finite() { self.json(&v) } else { Err(CanonicalError::not_finite()) }
    }
    fn serialize_char(self, v: char) -> Result {
        self.json(&v)
    }
    fn serialize_str(self, v: &str) -> Result {
        push_text(v, self.out);
        Ok(())
    }
    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result {
        let start = self.out.len();
        self.out.push(b'"');
        let written = write!(AppendedText(self.out), "{value}");
        if written.is_err() || !is_plain(&self.out[start + 1..]) {
            self.out.truncate(start);
            written.map_err(CanonicalError::custom)?;
            return self.json(&value.to_string());
        }
        self.out.push(b'"');
        Ok(())
    }
    fn serialize_bytes(self, v: &[u8]) -> Result {
        self.json(v)
    }
    fn serialize_none(self) -> Result {
        self.serialize_unit()
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result {
        self.out.extend_from_slice(b"null");
        Ok(())
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result {
        self.serialize_unit()
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result {
        self.serialize_str(variant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result {
        let out = self.variant(variant)?;
        value.serialize(CanonicalSerializer::new(out)).map_err(|error| error.within(variant))?;
        out.push(b'}');
        Ok(())
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<CanonicalSequence<'a>> {
        Ok(CanonicalSequence { out: self.open(b'['), first: true, close: b"]" })
    }
    fn serialize_tuple(self, _: usize) -> Result<CanonicalSequence<'a>> {
        self.serialize_seq(None)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<CanonicalSequence<'a>> {
        self.serialize_seq(None)
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<CanonicalSequence<'a>> {
        let out = self.variant(variant)?;
        out.push(b'[');
        Ok(CanonicalSequence { out, first: true, close: b"]}" })
    }
    fn serialize_map(self, _: Option<usize>) -> Result<CanonicalMap<'a>> {
        Ok(CanonicalMap { out: self.out, entries: Vec::new(), key: None })
    }
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<CanonicalFields<'a>> {
        if name == NUMBER || name == RAW_VALUE {
            return Ok(CanonicalFields { out: self.out, first: true, close: b"", verbatim: true });
        }
        Ok(CanonicalFields { out: self.open(b'{'), first: true, close: b"}", verbatim: false })
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<CanonicalFields<'a>> {
        let out = self.variant(variant)?;
        out.push(b'{');
        Ok(CanonicalFields { out, first: true, close: b"}}", verbatim: false })
    }
}

/// A writer that appends text which is formatted piece by piece.
struct AppendedText<'a>(&'a mut Vec<u8>);

impl fmt::Write for AppendedText<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        self.0.extend_from_slice(piece.as_bytes());
        Ok(())
    }

    /// Appends one character. This override speeds up dates, because they are formatted digit by digit.
    fn write_char(&mut self, piece: char) -> fmt::Result {
        match u8::try_from(piece) {
            Ok(byte) if byte.is_ascii() => self.0.push(byte),
            _ => self.0.extend_from_slice(piece.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        Ok(())
    }
}

/// The serializer of the elements of a list.
#[derive(Debug)]
pub struct CanonicalSequence<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
    close: &'static [u8],
}

impl CanonicalSequence<'_> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        value.serialize(CanonicalSerializer::new(self.out))
    }

    fn close(self) -> Result {
        self.out.extend_from_slice(self.close);
        Ok(())
    }
}

macro_rules! sequence {
    ($($compound:ident :: $method:ident),*) => {
        $(impl ser::$compound for CanonicalSequence<'_> {
            type Ok = ();
            type Error = CanonicalError;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
                self.element(value)
            }
            fn end(self) -> Result {
                self.close()
            }
        })*
    };
}

sequence!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

/// The serializer of the fields of a struct, which are written in their order.
#[derive(Debug)]
pub struct CanonicalFields<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
    close: &'static [u8],
    /// Whether the only field is JSON text that is written unchanged, except for white space between its
    /// tokens.
    verbatim: bool,
}

impl CanonicalFields<'_> {
    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result {
        if self.verbatim {
            let mut text = Vec::new();
            value.serialize(CanonicalSerializer::new(&mut text))?;
            let json: String = serde_json::from_slice(&text).map_err(CanonicalError::custom)?;
            push_compact(&json, self.out);
            return Ok(());
        }
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        CanonicalSerializer::new(self.out).serialize_str(key)?;
        self.out.push(b':');
        value.serialize(CanonicalSerializer::new(self.out)).map_err(|error| error.within(key))
    }

    fn close(self) -> Result {
        self.out.extend_from_slice(self.close);
        Ok(())
    }
}

macro_rules! fields {
    ($($compound:ident),*) => {
        $(impl ser::$compound for CanonicalFields<'_> {
            type Ok = ();
            type Error = CanonicalError;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result {
                self.field(key, value)
            }
            fn skip_field(&mut self, key: &'static str) -> Result {
                if SHOWS_SKIPPED.get() { self.field(key, &()) } else { Ok(()) }
            }
            fn end(self) -> Result {
                self.close()
            }
        })*
    };
}

fields!(SerializeStruct, SerializeStructVariant);

/// The serializer of a map. It collects the entries and writes them sorted by the bytes of their keys.
#[derive(Debug)]
pub struct CanonicalMap<'a> {
    out: &'a mut Vec<u8>,
    entries: Vec<(String, Vec<u8>)>,
    key: Option<String>,
}

impl ser::SerializeMap for CanonicalMap<'_> {
    type Ok = ();
    type Error = CanonicalError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result {
        self.key = Some(key.serialize(KeySerializer)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        let key = self
            .key
            .take()
            .ok_or_else(|| CanonicalError::custom("a map serialized a value before its key"))?;
        let mut json = Vec::new();
        // A map key is content of the record, which an error must not show.
        value.serialize(CanonicalSerializer::new(&mut json)).map_err(|error| error.within("*"))?;
        self.entries.push((key, json));
        Ok(())
    }

    fn end(mut self) -> Result {
        self.entries.sort_by(|a, b| a.0.cmp(&b.0));
        if self.entries.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(CanonicalError::duplicate_key());
        }
        self.out.push(b'{');
        for (index, (key, json)) in self.entries.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            CanonicalSerializer::new(self.out).serialize_str(key)?;
            self.out.push(b':');
            self.out.extend_from_slice(json);
        }
        self.out.push(b'}');
        Ok(())
    }
}

/// Appends JSON text without the white space between its tokens.
pub(crate) fn push_compact(json: &str, out: &mut Vec<u8>) {
    let (mut in_string, mut escaped) = (false, false);
    for &byte in json.as_bytes() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if byte.is_ascii_whitespace() {
            continue;
        } else {
            in_string = byte == b'"';
        }
        out.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn canonical<T: Serialize>(value: T) -> Result<String> {
        let mut out = Vec::new();
        write_canonical(&value, &mut out)?;
        Ok(String::from_utf8(out).expect("JSON is UTF-8"))
    }

    #[derive(Serialize)]
    struct Inner {
        rate: f64,
    }

    #[derive(Serialize)]
    struct Outer {
        z: i32,
        inner: Inner,
    }

    #[test]
    fn maps_are_sorted_and_structs_keep_their_order() {
        let map: HashMap<String, i32> = (0..20).map(|n| (format!("k{n:02}"), n)).collect();
        let text = canonical(&map).expect("the keys are text");
        assert!(text.starts_with(r#"{"k00":0,"k01":1,"#), "{text}");
        assert_eq!(
            canonical(Outer { z: 1, inner: Inner { rate: 0.5 } }).expect("the number is finite"),
            r#"{"z":1,"inner":{"rate":0.5}}"#
        );
    }

    #[test]
    fn a_number_that_json_cannot_represent_is_refused_with_its_field() {
        for rate in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let error =
                canonical(Outer { z: 1, inner: Inner { rate } }).expect_err("the number is not finite");
            assert_eq!(error.path(), "inner.rate");
        }
    }

    #[test]
    fn the_output_equals_that_of_serde_json() {
        let value = serde_json::json!({"a": [1, -2, 0.1, 1e300, u64::MAX, null, true, "q\"\n\u{1f600}"], "b": {"c": {}}});
        assert_eq!(canonical(&value).expect("the input is valid"), value.to_string());
    }

    #[test]
    fn formatted_text_is_escaped_like_a_string() {
        struct Formatted(&'static str);
        impl Serialize for Formatted {
            fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                serializer.collect_str(&format_args!("{}-{}", self.0, self.0))
            }
        }
        for text in ["a", "", "ü\u{1f600}", "\"", "\\", "\n", "\u{1f}", "\u{7f}"] {
            let expected = serde_json::to_string(&format!("{text}-{text}")).expect("the text is valid");
            assert_eq!(canonical(Formatted(text)).expect("the text is valid"), expected);
            assert_eq!(
                canonical(text).expect("the text is valid"),
                serde_json::to_string(text).expect("the text is valid")
            );
        }
    }

    #[test]
    fn white_space_is_removed_from_raw_json_except_inside_strings() {
        let mut out = Vec::new();
        push_compact("{ \"a b\" :\n [1, \"x \\\" y\"] }", &mut out);
        assert_eq!(out, br#"{"a b":[1,"x \" y"]}"#);
    }
}

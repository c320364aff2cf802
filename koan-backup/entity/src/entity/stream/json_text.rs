//! JSON whose exact text is preserved.

use std::fmt;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::entity::codec::{RecordError, json_equal};

/// JSON in two forms: without insignificant white space, and as the store contains it.
///
/// Archives contain the compact form as JSON. If the store preserves the text of JSON and the text differs from the
/// compact form, archives contain the text as well. The order of names, duplicate names, and the digits of numbers are
/// the same in both forms.
#[derive(Clone)]
pub struct JsonText {
    compact: Box<RawValue>,
    stored: StoredText,
}

/// The text in the store.
#[derive(Clone)]
enum StoredText {
    /// It is the compact form.
    Compact,
    Other(Box<str>),
    /// The store preserves the content of JSON, but not its text.
    NotPreserved,
}

impl JsonText {
    /// Returns JSON whose exact text is preserved.
    ///
    /// # Errors
    /// The text is not JSON.
    pub fn exact(text: impl Into<String>) -> Result<Self, RecordError> {
        let text = text.into();
        let compact = compact(&text)?;
        let stored = match compact.get() == text {
            true => StoredText::Compact,
            false => StoredText::Other(text.into_boxed_str()),
        };
        Ok(Self { compact, stored })
    }

    /// Returns JSON of a store that preserves its content, but neither its white space nor the order of names and the
    /// notation of numbers, for example of a `jsonb` column.
    ///
    /// # Errors
    /// The text is not JSON.
    pub fn compacted(text: &str) -> Result<Self, RecordError> {
        Ok(Self { compact: compact(text)?, stored: StoredText::NotPreserved })
    }

    /// Returns the JSON without insignificant white space.
    pub fn as_json(&self) -> &RawValue {
        &self.compact
    }

    /// Returns the text as the store contains it.
    pub fn stored_text(&self) -> &str {
        self.other_text().unwrap_or_else(|| self.compact.get())
    }

    /// Returns the text in the store if it differs from the compact form.
    pub fn other_text(&self) -> Option<&str> {
        match &self.stored {
            StoredText::Other(text) => Some(text),
            StoredText::Compact | StoredText::NotPreserved => None,
        }
    }

    /// Returns whether a store returns this JSON after `written` was written to it: its text is the same, or its content if
    /// the store does not preserve the text.
    pub fn is_stored_form_of(&self, written: &Self) -> bool {
        match &self.stored {
            StoredText::NotPreserved => json_equal(self.compact.get(), written.compact.get()),
            StoredText::Compact | StoredText::Other(_) => self == written,
        }
    }

    /// Joins the two forms, as an archive contains them.
    ///
    /// # Errors
    /// One of the texts is not JSON, or the texts differ in more than white space.
    pub fn join(json: &RawValue, stored: Option<String>) -> Result<Self, RecordError> {
        let Some(stored) = stored else {
            return Ok(Self { compact: compact(json.get())?, stored: StoredText::Compact });
        };
        let (text, json) = (Self::exact(stored)?, compact(json.get())?);
        if text.compact.get() == json.get() {
            Ok(text)
        } else {
            Err(RecordError::new("contains JSON and a text of it that differ in more than white space"))
        }
    }
}

impl PartialEq for JsonText {
    fn eq(&self, other: &Self) -> bool {
        self.stored_text() == other.stored_text()
    }
}

impl Eq for JsonText {}

impl fmt::Debug for JsonText {
    /// Shows no content of a record.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonText({} bytes)", self.stored_text().len())
    }
}

/// Deserializes JSON that is present, also JSON `null`.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

/// Removes the white space outside of strings.
fn compact(text: &str) -> Result<Box<RawValue>, RecordError> {
    let invalid = |_| RecordError::new("contains text that is not JSON");
    let json: &RawValue = serde_json::from_str(text).map_err(invalid)?;
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    if !json.get().as_bytes().iter().any(is_space) {
        return Ok(json.to_owned());
    }
    let (mut compact, mut in_string, mut is_escaped) = (String::with_capacity(text.len()), false, false);
    for character in json.get().chars() {
        if in_string {
            (in_string, is_escaped) = (is_escaped || character != '"', !is_escaped && character == '\\');
            compact.push(character);
        } else if !matches!(character, ' ' | '\t' | '\n' | '\r') {
            in_string = character == '"';
            compact.push(character);
        }
    }
    RawValue::from_string(compact).map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_white_space_outside_of_strings_is_removed() {
        for (text, expected) in [
            (" {\"a\" : 1.50,\n \"b\":[ 1 , 2 ] }", "{\"a\":1.50,\"b\":[1,2]}"),
            (r#"{"a b": "c \" d \\", "e" : "\\\" f" }"#, r#"{"a b":"c \" d \\","e":"\\\" f"}"#),
            ("{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":2}"),
            ("\t\"x y\"\r\n", "\"x y\""),
            ("12345678901234567890.10", "12345678901234567890.10"),
        ] {
            let json = JsonText::exact(text).expect("the text is JSON");
            assert_eq!(json.as_json().get(), expected);
            assert_eq!(json.stored_text(), text, "the exact text is preserved");
            assert_eq!(json.other_text().is_some(), text != expected, "{text:?}");
            assert_eq!(
                JsonText::join(json.as_json(), json.other_text().map(str::to_owned)),
                Ok(json.clone())
            );
            assert_eq!(JsonText::compacted(text).expect("the text is JSON").stored_text(), expected);
        }
    }

    #[test]
    fn a_store_that_does_not_preserve_the_text_preserves_the_content() {
        let exact = |text: &str| JsonText::exact(text).expect("the text is JSON");
        let written = exact(r#"{ "b": 1.50, "a": [1e2, "\u00fc"], "c": -0.0 }"#);
        let stored = |text: &str| JsonText::compacted(text).expect("the text is JSON");
        assert!(stored(r#"{"a": [100, "ü"], "b": 1.50, "c": 0.0}"#).is_stored_form_of(&written));
        for other in [r#"{"a": [100, "u"], "b": 1.50, "c": 0.0}"#, r#"{"a": [100, "ü"], "b": 1.50}"#, "null"]
        {
            assert!(!stored(other).is_stored_form_of(&written), "{other}");
        }
        assert!(written.is_stored_form_of(&written));
        assert!(!exact(r#"{"b":1.50,"a":[1e2,"\u00fc"],"c":-0.0}"#).is_stored_form_of(&written));
        let archived = JsonText::join(written.as_json(), None).expect("the text is JSON");
        assert!(!archived.is_stored_form_of(&exact(r#"{"a":[1e2,"\u00fc"],"b":1.50,"c":-0.0}"#)));
    }

    #[test]
    fn a_text_that_is_not_json_or_differs_is_refused() {
        for text in ["", "{", "{\"a\":}", "1 2", "nul"] {
            assert!(JsonText::exact(text).is_err(), "{text:?}");
        }
        let json = JsonText::exact("{\"a\":1}").expect("the text is JSON");
        assert!(JsonText::join(json.as_json(), Some("{ \"a\": 2 }".to_owned())).is_err());
    }
}

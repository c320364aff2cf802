//! Parses a JSON object into names and the unparsed texts of the values.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

/// The names and the texts of the values of an object, in the order of the object.
#[derive(Debug)]
pub(super) struct Document<'d> {
    pub(super) entries: Vec<(Cow<'d, str>, &'d str)>,
}

/// The reason why a text is not a document. It contains no values of the text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DocumentError {
    pub(super) problem: String,
    /// Line and column, counted from 1, if they are known.
    pub(super) position: Option<(usize, usize)>,
}

impl DocumentError {
    pub(super) fn new(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), position: None }
    }
}

impl<'d> Document<'d> {
    /// Parses an object. White space around it and a byte order mark are ignored.
    pub(super) fn parse(text: &'d [u8]) -> Result<Self, DocumentError> {
        if text.starts_with(b"\xFF\xFE") || text.starts_with(b"\xFE\xFF") {
            return Err(DocumentError::new("is UTF-16; save it as UTF-8"));
        }
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
        match text.trim_ascii_start().first() {
            None => return Err(DocumentError::new("is empty; restore or remove it")),
            Some(b'{') => {}
            Some(b'[') => return Err(DocumentError::new("is a list; a document is one JSON object")),
            Some(_) => return Err(DocumentError::new("is not a JSON object")),
        }
        let ObjectEntries(mut entries) = serde_json::from_slice(text).map_err(|error| {
            let problem = match error.classify() {
                Category::Eof => "ends in the middle of a value; restore or correct it",
                _ => "is not valid JSON; correct it",
            };
            DocumentError { problem: problem.to_owned(), position: Some((error.line(), error.column())) }
        })?;
        let mut names: Vec<&str> = entries.iter().map(|(name, _)| name.as_ref()).collect();
        names.sort_unstable();
        if let Some(duplicate) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            let name: String = duplicate[0].chars().take(64).flat_map(char::escape_debug).collect();
            return Err(DocumentError::new(format!(
                "has a duplicate name `{name}`, so one of the values would be lost; remove one of them"
            )));
        }
        entries.shrink_to_fit();
        Ok(Self { entries })
    }
}

struct ObjectEntries<'d>(Vec<(Cow<'d, str>, &'d str)>);

impl<'de> Deserialize<'de> for ObjectEntries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = ObjectEntries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ObjectEntries<'de>, A::Error> {
                let mut entries = Vec::with_capacity(16);
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    entries.push((name, value.get()));
                }
                Ok(ObjectEntries(entries))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// A name, borrowed if it contains no escape.
struct Name<'d>(Cow<'d, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_of_values_are_unchanged() {
        let text = "\u{feff} {\"b\" : 1.50, \"a\\u0062\":[ 1,2 ],\"n\":null}\r\n";
        let document = Document::parse(text.as_bytes()).expect("the text is a JSON object");
        let found: Vec<_> = document.entries.iter().map(|(name, value)| (name.as_ref(), *value)).collect();
        assert_eq!(found, [("b", "1.50"), ("ab", "[ 1,2 ]"), ("n", "null")]);
    }

    #[test]
    fn text_that_is_not_a_document_is_refused_without_its_content() {
        for text in [
            "",
            " ",
            "[]",
            "7",
            "nul",
            "\"secret\"",
            "{",
            "{\"secret\":",
            "{\"a\":NaN}",
            "{\"a\":Infinity}",
            "{\"a\":1,}",
            "{\"a\":1}{\"a\":2}",
            "{'a':1}",
            "{\"a\":01}",
            "{\"secret\":1,\"secr\\u0065t\":2}",
            "{a:1}",
            "{\"a\":\"\n\"}",
            "{\"a\":\"\\x\"}",
            "\u{feff}\u{feff}{}",
            "// secret\n{}",
        ] {
            let error = Document::parse(text.as_bytes()).expect_err(text);
            assert!(!error.problem.contains("secret") || error.problem.contains("duplicate"), "{error:?}");
        }
        assert!(Document::parse(b"{\"a\":\"\xFF\"}").is_err());
        assert!(Document::parse(b"\xFF\xFE{\0}\0").expect_err("UTF-16 is refused").problem.contains("UTF-8"));
    }
}

//! Compression, as it is written in a configuration.

use std::borrow::Cow;

use koan_backup_core::Compression;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// The description of the format for messages.
pub(crate) const FORMAT: &str = "`deflate`, `deflate:1` to `deflate:9`, `zstd:1` to `zstd:22`, or `stored`";

/// The level of Zstandard without a number, which is the default of the tool `zstd`.
const DEFAULT_ZSTD_LEVEL: i32 = 3;

/// How records are compressed: a method, and a level after a colon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CompressionText(pub(crate) Compression);

impl CompressionText {
    /// Parses a text. Returns `None` if it is not valid.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (method, level) = match text.split_once(':') {
            Some((method, level)) => (method, Some(level.parse::<i32>().ok()?)),
            None => (text, None),
        };
        let compression = match (method, level) {
            ("deflate", None) => Some(Compression::default()),
            ("deflate", Some(level)) => Compression::deflate(level).ok(),
            ("zstd", level) => Compression::zstd(level.unwrap_or(DEFAULT_ZSTD_LEVEL)).ok(),
            ("stored", None) => Some(Compression::stored()),
            _ => None,
        };
        compression.map(Self)
    }
}

impl<'de> Deserialize<'de> for CompressionText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is not {FORMAT}")))
    }
}

impl JsonSchema for CompressionText {
    fn schema_name() -> Cow<'static, str> {
        "Compression".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`deflate`, `deflate:1` to `deflate:9`, `zstd`, `zstd:1` to `zstd:22`, or `stored`.",
            "type": "string",
            "format": "compression",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_compression_is_read_and_others_are_not() {
        let zstd = |level| Compression::zstd(level).expect("the level exists");
        for (text, expected) in [
            ("deflate", Compression::default()),
            ("deflate:9", Compression::deflate(9).expect("the level exists")),
            ("zstd", zstd(3)),
            ("zstd:19", zstd(19)),
            ("stored", Compression::stored()),
        ] {
            assert_eq!(CompressionText::parse(text), Some(CompressionText(expected)), "{text}");
        }
        for text in ["", "gzip", "deflate:0", "deflate:10", "zstd:23", "stored:1", "zstd:", "zstd:x"] {
            assert_eq!(CompressionText::parse(text), None, "{text}");
        }
    }
}

//! One vector of an archive.

use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::value::RawValue;

use super::{VectorForm, VectorValue};

/// A vector with what identifies it: the content hash, the model, and its bits.
///
/// In an archive, a vector is one line of JSON with the fields of this type in camelCase. `form` is omitted for 32-bit
/// floats, and `dimension` is the number of components. An absent value is omitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivedVector {
    /// The SHA-256 of the text of which the model computed the vector, as lower-case hexadecimal digits. `None` if the
    /// store records no hash.
    pub content_hash: Option<String>,
    /// The model, as the application or the store names it.
    pub model_id: Option<String>,
    /// The vector.
    pub embedding: VectorValue,
    /// When the vector was stored, if the store records it.
    pub cached_at: Option<String>,
}

impl Serialize for ArchivedVector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let form = self.embedding.form();
        let mut line = serializer.serialize_struct("ArchivedVector", 6)?;
        if let Some(hash) = &self.content_hash {
            line.serialize_field("contentHash", hash)?;
        }
        if let Some(model) = &self.model_id {
            line.serialize_field("modelId", model)?;
        }
        if form != VectorForm::default() {
            line.serialize_field("form", &form)?;
        }
        line.serialize_field("dimension", &self.embedding.dimension())?;
        line.serialize_field("embedding", &self.embedding)?;
        if let Some(at) = &self.cached_at {
            line.serialize_field("cachedAt", at)?;
        }
        line.end()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct VectorFields {
    content_hash: Option<String>,
    model_id: Option<String>,
    #[serde(default)]
    form: VectorForm,
    dimension: usize,
    embedding: Box<RawValue>,
    cached_at: Option<String>,
}

impl<'de> Deserialize<'de> for ArchivedVector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let VectorFields { content_hash, model_id, form, dimension, embedding, cached_at } =
            VectorFields::deserialize(deserializer)?;
        let embedding = VectorValue::from_json(form, dimension, &embedding).map_err(D::Error::custom)?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if content_hash.as_ref().is_some_and(|hash| hash.len() != 64 || !hash.bytes().all(is_digit)) {
            return Err(D::Error::custom(
                "contains a content hash that is not a SHA-256 in hexadecimal digits",
            ));
        }
        Ok(Self { content_hash, model_id, embedding, cached_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_contains_what_is_known_of_a_vector() {
        let hash = "0".repeat(63) + "f";
        let vector = ArchivedVector {
            content_hash: Some(hash.clone()),
            model_id: Some("all-minilm-l6-v2".to_owned()),
            embedding: VectorValue::Float32([0.1, -2.0].into()),
            cached_at: Some("2026-12-01T03:00:00Z".to_owned()),
        };
        let line = serde_json::to_string(&vector).expect("JSON");
        assert_eq!(
            line,
            format!(
                r#"{{"contentHash":"{hash}","modelId":"all-minilm-l6-v2","dimension":2,"embedding":[0.1,-2.0],"cachedAt":"2026-12-01T03:00:00Z"}}"#
            )
        );
        assert_eq!(serde_json::from_str::<ArchivedVector>(&line).expect("the line is read"), vector);
        let bits = VectorValue::Bits([true, false].into());
        let minimal = ArchivedVector { content_hash: None, model_id: None, embedding: bits, cached_at: None };
        let line = serde_json::to_string(&minimal).expect("JSON");
        assert_eq!(line, r#"{"form":"bits","dimension":2,"embedding":"10"}"#);
        assert_eq!(serde_json::from_str::<ArchivedVector>(&line).expect("the line is read"), minimal);
    }

    #[test]
    fn lines_that_contradict_themselves_are_refused() {
        for line in [
            r#"{"dimension":3,"embedding":[0.1,-2.0]}"#,
            r#"{"dimension":1,"embedding":[0.1],"contentHash":"ABC"}"#,
            r#"{"dimension":1,"embedding":[0.1],"more":1}"#,
            r#"{"embedding":[0.1]}"#,
            r#"{"form":"float64","dimension":1,"embedding":[0.1]}"#,
        ] {
            assert!(serde_json::from_str::<ArchivedVector>(line).is_err(), "{line}");
        }
    }
}

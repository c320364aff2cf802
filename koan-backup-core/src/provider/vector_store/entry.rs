//! The vector of one record in a store.

use crate::entity::vector::{RecordKey, VectorForm, VectorPayload, VectorValue};
use crate::provider::event_store::BatchValue;

/// The vector of one record, with everything that the store keeps beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredVector {
    /// The key of the record.
    pub key: RecordKey,
    /// The vector.
    pub embedding: VectorValue,
    /// The SHA-256 of the text of which the model computed the vector, as lower-case hexadecimal digits. `None` if the
    /// store records no hash.
    pub content_hash: Option<String>,
    /// The model, if the store records it.
    pub model_id: Option<String>,
    /// When the vector was stored, if the store records it.
    pub cached_at: Option<String>,
    /// What else the store keeps beside the vector.
    pub payload: VectorPayload,
}

impl StoredVector {
    /// Returns a vector beside which the store keeps nothing.
    pub fn new(key: RecordKey, embedding: VectorValue) -> Self {
        Self {
            key,
            embedding,
            content_hash: None,
            model_id: None,
            cached_at: None,
            payload: VectorPayload::new(),
        }
    }
}

impl BatchValue for StoredVector {
    fn size_bytes(&self) -> usize {
        let texts = [&self.content_hash, &self.model_id, &self.cached_at].into_iter().flatten();
        let component = match self.embedding.form() {
            VectorForm::Float32 => 4,
            VectorForm::Float16 => 2,
            VectorForm::Bits => 1,
            // Most components are 0.
            VectorForm::Sparse => 0,
        };
        let embedding = self.embedding.dimension().saturating_mul(component) + self.embedding.sparse_bytes();
        size_of::<Self>()
            + self.key.as_json().len()
            + texts.map(String::len).sum::<usize>()
            + embedding
            + self.payload.size_bytes()
    }
}

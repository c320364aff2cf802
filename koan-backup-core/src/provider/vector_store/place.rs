//! Where the vectors of one embedding are, and what the store says about them.

use serde::{Deserialize, Serialize};

use crate::entity::vector::VectorForm;

/// Where a store keeps the vectors of one embedding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct VectorPlace {
    /// The collection: a class, an index or a table.
    pub collection: String,
    /// The name of the vector, if the collection contains several of one record.
    pub vector: Option<String>,
    /// The property that contains the key of the record.
    pub key: String,
}

impl VectorPlace {
    /// The name of the property with the key of the record, unless the application names another one.
    pub const KEY: &str = "recordKey";

    /// Returns the only vector of a collection, whose property `recordKey` contains the key of the record.
    pub fn in_collection(collection: impl Into<String>) -> Self {
        Self { collection: collection.into(), vector: None, key: Self::KEY.to_owned() }
    }

    /// Selects a vector by its name.
    #[must_use]
    pub fn vector(mut self, name: impl Into<String>) -> Self {
        self.vector = Some(name.into());
        self
    }

    /// Names the property that contains the key of the record.
    #[must_use]
    pub fn key(mut self, property: impl Into<String>) -> Self {
        self.key = property.into();
        self
    }
}

/// How the distance of two vectors is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Metric {
    /// The cosine distance.
    Cosine,
    /// The Euclidean distance, also if the store reports its square.
    L2,
    /// The sum of the absolute differences.
    L1,
    /// The inner product.
    InnerProduct,
    /// The number of different bits.
    Hamming,
    /// The Jaccard distance of bits.
    Jaccard,
}

/// How exactly a store returns the components of a vector.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Exactness {
    /// Each component has the bits that were written.
    Exact,
    /// The store normalises or quantises vectors. Each component differs by at most this part of the length of the vector.
    Within(f32),
}

/// What a store says about the vectors of one embedding.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CollectionInfo {
    /// The type of the components.
    pub form: VectorForm,
    /// The number of components. `None` if the store does not determine it.
    pub dimension: Option<usize>,
    /// The metric. `None` if the store has none for these vectors.
    pub metric: Option<Metric>,
    /// How exactly the store returns the components.
    pub exactness: Exactness,
}

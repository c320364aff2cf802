//! What the store contains.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use koan_backup_core::vector_store::{
    CollectionInfo, RecordKey, StoredVector, VectorPlace, VectorStoreCapabilities, VectorValue,
};
use koan_backup_core::{Error, ErrorKind, Result};

/// The vectors of one place, by the keys of their records.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) info: CollectionInfo,
    pub(super) vectors: BTreeMap<RecordKey, StoredVector>,
}

/// The places of all collections.
#[derive(Clone, Debug, Default)]
pub(super) struct Content(BTreeMap<VectorPlace, Arc<Place>>);

impl Content {
    pub(super) fn collections(&self) -> Vec<String> {
        let mut names: Vec<_> = self.0.keys().map(|place| place.collection.clone()).collect();
        names.dedup();
        names
    }

    pub(super) fn get(&self, place: &VectorPlace) -> Option<&Arc<Place>> {
        self.0.get(place)
    }

    pub(super) fn get_mut(&mut self, place: &VectorPlace) -> Result<&mut Place> {
        self.0.get_mut(place).map(Arc::make_mut).ok_or_else(|| {
            let text = format!("collection `{}` has no place for these vectors", place.collection);
            Error::new(ErrorKind::NotFound, text).with_help("create the collection first")
        })
    }

    pub(super) fn create(&mut self, place: &VectorPlace, info: CollectionInfo) -> Result<()> {
        if self.0.contains_key(place) {
            let text = format!("collection `{}` has a place for these vectors already", place.collection);
            return Err(Error::new(ErrorKind::Conflict, text).with_help("use another name"));
        }
        self.0.insert(place.clone(), Arc::new(Place { info, vectors: BTreeMap::new() }));
        Ok(())
    }

    /// Replaces a place with that of another content.
    pub(super) fn set(&mut self, place: &VectorPlace, of: &Self) {
        match of.get(place) {
            Some(found) => drop(self.0.insert(place.clone(), Arc::clone(found))),
            None => drop(self.0.remove(place)),
        }
    }
}

impl Place {
    /// Adds or replaces a vector.
    pub(super) fn put(
        &mut self,
        place: &VectorPlace,
        capabilities: &VectorStoreCapabilities,
        vector: StoredVector,
    ) -> Result<()> {
        let refused = |reason: String| {
            let text = format!(
                "collection `{}` refuses the vector of record {}: {reason}",
                place.collection, vector.key
            );
            Err(Error::new(ErrorKind::Record, text)
                .with_help("restore into a store that can contain the vector"))
        };
        let dimension = vector.embedding.dimension();
        if !vector.embedding.is_finite() {
            return refused("a component is NaN or infinite".to_owned());
        }
        if vector.embedding.form() != self.info.form {
            return refused(format!(
                "it has the form {:?}, and not {:?}",
                vector.embedding.form(),
                self.info.form
            ));
        }
        if let Some(expected) = self.info.dimension.filter(|expected| *expected != dimension) {
            return refused(format!("it has {dimension} components, and not {expected}"));
        }
        if !capabilities.payload && !vector.payload.is_empty() {
            return refused("the store keeps no payload".to_owned());
        }
        let has_origin =
            vector.content_hash.is_some() || vector.model_id.is_some() || vector.cached_at.is_some();
        if !capabilities.origin && has_origin {
            return refused("the store keeps neither content hash, model nor time".to_owned());
        }
        self.vectors.insert(vector.key.clone(), vector);
        Ok(())
    }

    /// Returns the number of components of the vectors, if it is known.
    pub(super) fn dimension(&self) -> Option<usize> {
        self.info.dimension.or_else(|| {
            let first = self.vectors.values().next();
            first.map(|vector| &vector.embedding).map(VectorValue::dimension)
        })
    }
}

/// The content that all clones of a store share.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedContent(Arc<Mutex<Arc<Content>>>);

impl SharedContent {
    pub(super) fn lock(&self) -> MutexGuard<'_, Arc<Content>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn current(&self) -> Arc<Content> {
        Arc::clone(&self.lock())
    }
}

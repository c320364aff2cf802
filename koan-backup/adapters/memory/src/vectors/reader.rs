//! Reading one point in time.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::{self, StreamExt as _};
use koan_backup_core::Result;
use koan_backup_core::event_store::{Batches, batches};
use koan_backup_core::vector_store::{CollectionInfo, StoredVector, VectorPlace, VectorReader};

use super::content::Content;

#[derive(Debug)]
pub(super) struct MemoryReader(pub(super) Arc<Content>);

/// Returns what is known of the vectors in a place.
pub(super) fn describe(content: &Content, place: &VectorPlace) -> Option<CollectionInfo> {
    let found = content.get(place)?;
    Some(CollectionInfo { dimension: found.dimension(), ..found.info })
}

pub(super) fn count(content: &Content, place: &VectorPlace) -> u64 {
    let count = content.get(place).map_or(0, |place| place.vectors.len());
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[async_trait]
impl VectorReader for MemoryReader {
    async fn collections(&self) -> Result<Vec<String>> {
        Ok(self.0.collections())
    }

    async fn describe(&self, place: &VectorPlace) -> Result<Option<CollectionInfo>> {
        Ok(describe(&self.0, place))
    }

    async fn count(&self, place: &VectorPlace) -> Result<u64> {
        Ok(count(&self.0, place))
    }

    async fn vectors(&self, place: &VectorPlace) -> Result<Batches<'_, StoredVector>> {
        Ok(match self.0.get(place) {
            Some(place) => batches(stream::iter(place.vectors.values().cloned().map(Ok))),
            None => stream::empty().boxed(),
        })
    }
}

//! Lists and removes operations.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::{SignedDuration, Timestamp};
use koan_backup_core::Result;

use super::ProfileOperationStore;
use super::documents::{ACTIVE, ActiveDocument};
use super::ended::{ENDED, ended_path};
use super::keys::key_path;
use crate::operations::identifier::OperationId;
use crate::operations::limits::HistoryLimits;
use crate::operations::operation::Operation;
use crate::operations::store::{OperationPage, OperationQuery};

/// How many documents are read at the same time.
const MAX_CONCURRENT_READS: usize = 16;
/// The largest number of finished operations that are kept: a list of the profile names all of them.
const MAX_FINISHED: u32 = 1000;

impl ProfileOperationStore {
    /// Returns the operations with documents of operations that have not ended.
    pub(super) async fn active(&self) -> Result<BTreeMap<OperationId, Vec<ActiveDocument>>> {
        let mut active = BTreeMap::<_, Vec<_>>::new();
        for document in self.folder.list(ACTIVE).await? {
            if let Some((id, document)) = ActiveDocument::of_path(&document.path) {
                active.entry(id).or_default().push(document);
            }
        }
        Ok(active)
    }

    /// Returns the operations that have ended, with the times at which their ends were recorded.
    async fn ended(&self) -> Result<BTreeMap<OperationId, Timestamp>> {
        let documents = self.folder.list(ENDED).await?;
        let ended = documents.into_iter().filter_map(|document| {
            let name = document.path.strip_prefix(ENDED)?.strip_prefix('/')?.strip_suffix(".json")?;
            Some((name.parse().ok()?, document.modified_at))
        });
        Ok(ended.collect())
    }

    pub(super) async fn list_page(&self, query: &OperationQuery) -> Result<OperationPage> {
        let page_size = usize::try_from(query.page_size()).unwrap_or(usize::MAX);
        let selects = |is_final: bool| {
            query.statuses.is_empty() || query.statuses.iter().any(|status| status.is_final() == is_final)
        };
        let mut ids = BTreeSet::new();
        // Active operations are listed first: one that ends meanwhile is then among those that have ended.
        let active = self.active().await?;
        let ended = self.ended().await?;
        if selects(false) {
            ids.extend(active.into_keys().filter(|id| !ended.contains_key(id)));
        }
        if selects(true) {
            ids.extend(ended.into_keys());
        }
        let ids: Vec<_> =
            ids.into_iter().rev().filter(|id| query.before.is_none_or(|before| *id < before)).collect();
        let read = stream::iter(ids).map(|id| self.read_listed(id)).buffered(MAX_CONCURRENT_READS);
        let mut read = std::pin::pin!(read.try_filter_map(async |operation| Ok(operation)));
        let mut operations = Vec::new();
        while operations.len() <= page_size
            && let Some(operation) = read.try_next().await?
        {
            let is_of_kind = query.kind.is_none_or(|kind| kind == operation.kind);
            if is_of_kind && (query.statuses.is_empty() || query.statuses.contains(&operation.status)) {
                operations.push(operation);
            }
        }
        let next = (operations.len() > page_size).then(|| {
            operations.truncate(page_size);
            operations.last().map(|operation| operation.id)
        });
        Ok(OperationPage { operations, next: next.flatten() })
    }

    /// Reads an operation without its result. It may have been removed since it was listed.
    async fn read_listed(&self, id: OperationId) -> Result<Option<Operation>> {
        let ended = self.read_ended(id).await?.map(|document| document.operation);
        let found = match ended {
            Some(operation) => Some(operation),
            None => self.read_active(id).await?,
        };
        Ok(found.map(|operation| Operation { result: None, ..operation }))
    }

    pub(super) async fn remove_old(&self, history: &HistoryLimits, now: Timestamp) -> Result<u64> {
        let age = SignedDuration::try_from(history.max_age).unwrap_or(SignedDuration::MAX);
        let oldest = now.checked_sub(age).unwrap_or(Timestamp::MIN);
        let min_count = history.min_count.min(MAX_FINISHED);
        let max_count = history.max_count.max(min_count).min(MAX_FINISHED);
        let (min_count, max_count) = (
            usize::try_from(min_count).unwrap_or(usize::MAX),
            usize::try_from(max_count).unwrap_or(usize::MAX),
        );
        let active = self.active().await?;
        let ended = self.ended().await?;
        for (id, documents) in &active {
            // The documents of an operation that has ended, and a document that was written after its end.
            if ended.contains_key(id) || !documents.contains(&ActiveDocument::Request) {
                self.remove_active(*id).await?;
            }
        }
        let mut removed = 0;
        for (place, (id, ended_at)) in ended.into_iter().rev().enumerate() {
            if place >= max_count || (place >= min_count && ended_at < oldest) {
                self.remove_ended(id).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    async fn remove_ended(&self, id: OperationId) -> Result<()> {
        if let Some(document) = self.read_ended(id).await? {
            if let Some(key) = &document.repetition_key {
                self.folder.delete(&key_path(key)).await?;
            }
            self.remove_result(id, document.result_parts).await?;
        }
        self.folder.delete(&ended_path(id)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_of_documents_contain_the_operation() {
        let id = OperationId::new();
        for document in [ActiveDocument::Request, ActiveDocument::Progress, ActiveDocument::Cancellation] {
            assert_eq!(ActiveDocument::of_path(&document.path(id)), Some((id, document)));
        }
        assert_eq!(ActiveDocument::of_path("active/x/request.json"), None);
        assert_eq!(ActiveDocument::of_path(&format!("active/{id}/other.json")), None);
    }
}

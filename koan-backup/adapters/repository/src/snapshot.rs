//! A snapshot of repositories, with the consistency that they guarantee.

use async_trait::async_trait;
use koan_backup_core::{
    Result, SetName,
    entity::EntityCodec,
    provider::{Consistency, ReadRequest, ReadSummary, RecordSink, Snapshot},
};

use super::Repositories;

/// A snapshot of repositories. Each repository is read when its records are requested.
#[derive(Debug)]
pub(super) struct RepositorySnapshot {
    repositories: Repositories,
}

impl RepositorySnapshot {
    pub(super) fn new(repositories: Repositories) -> Self {
        Self { repositories }
    }
}

#[async_trait]
impl Snapshot for RepositorySnapshot {
    /// Returns the lowest guarantee of all repositories. Repositories are read one after the other, so the
    /// guarantee is at most [`Consistency::PerEntity`].
    fn consistency(&self) -> Consistency {
        let mut repositories = self.repositories.all.iter();
        match repositories.all(|repository| repository.consistency() != Consistency::None) {
            true => Consistency::PerEntity,
            false => Consistency::None,
        }
    }

    async fn sets(&self, entity: &EntityCodec) -> Result<Vec<SetName>> {
        self.repositories.find(entity).map(|_| vec![SetName::root()])
    }

    async fn read(&self, request: ReadRequest, sink: RecordSink) -> Result<ReadSummary> {
        self.repositories.find(&request.entity)?.read(request, sink).await
    }

    async fn count(&self, entity: &EntityCodec, _: &SetName) -> Result<u64> {
        self.repositories.find(entity)?.count().await
    }
}

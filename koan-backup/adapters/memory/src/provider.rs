//! The implementation of the provider for databases in memory.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use koan_backup_core::{
    Error, ErrorKind, Result,
    entity::EntityCodec,
    provider::{
        Capabilities, EntityCoverage, Finding, Provider, ProviderDescription, RestoreSession, RestoreTarget,
        SessionOptions, Snapshot,
    },
};

use crate::database::{Memory, Tables};
use crate::session::MemorySession;
use crate::snapshot::MemorySnapshot;

/// The maximum time that a session waits for another session that writes.
const WRITE_LOCK_TIMEOUT: Duration = Duration::from_secs(10);

#[async_trait]
impl Provider for Memory {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.bulk_upsert = true;
        capabilities.bulk_delete = true;
        capabilities.atomic_restore = true;
        capabilities.snapshot_reads = true;
        capabilities.sets = true;
        capabilities.ordered_reads = true;
        capabilities
    }

    async fn describe(&self, entities: &[EntityCodec]) -> Result<ProviderDescription> {
        let tables = self.current();
        let known: BTreeSet<_> = entities.iter().map(EntityCodec::name).collect();
        let present: BTreeSet<_> = tables.keys().map(|(entity, _)| entity.as_str()).collect();
        let mut description = ProviderDescription::default();
        description.version = format!("memory {}", env!("CARGO_PKG_VERSION"));
        description.entities = entities.iter().map(|entity| coverage(entity.name(), &tables)).collect();
        description.unmapped_tables = present.difference(&known).map(|entity| (*entity).to_owned()).collect();
        Ok(description)
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        Ok(Box::new(MemorySnapshot::new(self.current())))
    }

    async fn assess(&self, _: &[RestoreTarget], _: &SessionOptions) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }

    async fn begin_restore(&self, options: &SessionOptions) -> Result<Box<dyn RestoreSession>> {
        let guard = Arc::clone(&self.write_lock).lock_owned();
        let guard = tokio::time::timeout(WRITE_LOCK_TIMEOUT, guard).await.map_err(|_| {
            let text = format!(
                "another session has been writing to this database in memory for {} seconds; end that session, and \
                 check that the database is not registered as two providers",
                WRITE_LOCK_TIMEOUT.as_secs()
            );
            Error::new(ErrorKind::Conflict, text)
        })?;
        Ok(Box::new(MemorySession::new(self.clone(), guard, options.clone())))
    }
}

/// Returns the coverage of an entity: the sets with records, the default set first.
fn coverage(entity: &str, tables: &Tables) -> EntityCoverage {
    let mut coverage = EntityCoverage::new(entity);
    coverage.sets = tables.keys().filter(|(name, _)| name == entity).map(|(_, set)| set.clone()).collect();
    coverage.sets.sort_by_key(|set| !set.is_root());
    coverage
}

//! The implementation of the provider for repositories.

use async_trait::async_trait;
use koan_backup_core::{
    Error, ErrorKind, Result, SetName,
    entity::EntityCodec,
    provider::{
        Capabilities, EntityCoverage, Finding, Provider, ProviderDescription, RestoreSession, RestoreTarget,
        SessionOptions, Snapshot,
    },
};

use crate::repositories::Repositories;
use crate::session::RepositorySession;
use crate::snapshot::RepositorySnapshot;

#[async_trait]
impl Provider for Repositories {
    fn kind(&self) -> &'static str {
        "repository"
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.bulk_upsert = true;
        capabilities.bulk_delete = !self.all.is_empty() && self.all.iter().all(|known| known.deletes());
        capabilities
    }

    async fn describe(&self, entities: &[EntityCodec]) -> Result<ProviderDescription> {
        let coverage = |entity: &EntityCodec| {
            let mut coverage = EntityCoverage::new(entity.name());
            match self.find(entity) {
                Ok(_) => coverage.sets.push(SetName::root()),
                Err(error) => coverage.problem = Some(error.to_string()),
            }
            coverage
        };
        let mut description = ProviderDescription::default();
        description.version = format!("{} repositories of the application", self.all.len());
        description.entities = entities.iter().map(coverage).collect();
        Ok(description)
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        Ok(Box::new(RepositorySnapshot::new(self.clone())))
    }

    async fn assess(&self, _: &[RestoreTarget], _: &SessionOptions) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }

    async fn begin_restore(&self, options: &SessionOptions) -> Result<Box<dyn RestoreSession>> {
        if options.replace_existing && !self.capabilities().bulk_delete {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "`replace_existing` requires that records can be deleted, but a repository of this provider does \
                 not support it; implement `deletes` and `delete_many`, or restore without `replace_existing`",
            ));
        }
        Ok(Box::new(RepositorySession::new(self.clone(), options.clone())?))
    }
}

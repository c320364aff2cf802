//! The provider that an application opens.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use koan_backup_core::{
    Result,
    entity::EntityCodec,
    provider::{
        Capabilities, DatabaseSchema, Finding, Provider, ProviderDescription, ProviderDiagnosis,
        RestoreSession, RestoreTarget, SessionIntent, SessionOptions, Snapshot,
    },
    storage::MachineState,
};

use crate::connection::Location;
use crate::session::PostgresSession;
use crate::snapshot::PostgresSnapshot;
use crate::state::StateOptions;

/// A PostgreSQL database whose tables contain the records of entities.
///
/// ```no_run
/// # fn main() -> Result<(), koan_backup::Error> {
/// use koan_backup::Postgres;
///
/// let shop = Postgres::connect("postgres://shop@db.example.org/shop?sslmode=verify-full")?;
/// let sales = Postgres::options("postgres://backup@localhost/erp").schema("sales").ignore_table("jobs", "a queue").connect()?;
/// # Ok(())
/// # }
/// ```
pub struct Postgres {
    location: Location,
    ignored: Arc<BTreeMap<String, String>>,
    state: Arc<StateOptions>,
}

impl Postgres {
    /// Creates the provider for a database whose address and options have been checked.
    pub(crate) fn from_location(
        location: Location,
        ignored: BTreeMap<String, String>,
        state: StateOptions,
    ) -> Self {
        Self { location, ignored: Arc::new(ignored), state: Arc::new(state) }
    }
}

#[async_trait]
impl Provider for Postgres {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn capabilities(&self) -> Capabilities {
        koan_backup_sql::capabilities()
    }

    fn source(&self) -> Option<String> {
        Some(self.location.address.to_string())
    }

    fn database(&self) -> Option<String> {
        self.location.address.config.get_dbname().map(str::to_owned)
    }

    async fn describe(&self, entities: &[EntityCodec]) -> Result<ProviderDescription> {
        let connection = self.location.connect().await?;
        crate::coverage::describe(&connection, entities, &self.ignored, &self.state).await
    }

    async fn diagnose(&self, entities: &[EntityCodec], _: &MachineState) -> Result<ProviderDiagnosis> {
        let connection = self.location.connect().await?;
        crate::diagnosis::diagnose(&connection, entities, &self.ignored, &self.state).await
    }

    async fn database_schema(&self) -> Result<DatabaseSchema> {
        let connection = self.location.connect().await?;
        crate::database_schema::describe(&connection, &self.ignored, &self.state).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        Ok(Box::new(PostgresSnapshot::open(self.location.clone()).await?))
    }

    async fn assess(&self, targets: &[RestoreTarget], options: &SessionOptions) -> Result<Vec<Finding>> {
        let connection = self.location.connect().await?;
        crate::viability::assess(
            &connection,
            targets,
            options,
            &self.state,
            crate::viability::AssessedOperation::Restore,
        )
        .await
    }

    async fn assess_backup(&self, targets: &[RestoreTarget]) -> Result<Vec<Finding>> {
        let connection = self.location.connect().await?;
        let mut options = SessionOptions::default();
        options.intent = SessionIntent::Compare;
        crate::viability::assess(
            &connection,
            targets,
            &options,
            &self.state,
            crate::viability::AssessedOperation::Backup,
        )
        .await
    }

    async fn begin_restore(&self, options: &SessionOptions) -> Result<Box<dyn RestoreSession>> {
        Ok(Box::new(
            PostgresSession::begin(&self.location, options.clone(), self.state.materialized_views).await?,
        ))
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("address", &self.location.address).finish_non_exhaustive()
    }
}

//! The provider that an application opens.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use koan_backup_core::{
    Result,
    entity::EntityCodec,
    event_store::EventStoreCapabilities,
    provider::{
        Capabilities, DatabaseSchema, Finding, Provider, ProviderDescription, ProviderDiagnosis,
        RestoreSession, RestoreTarget, SessionIntent, SessionOptions, Snapshot,
    },
    storage::MachineState,
};

use koan_backup_sql::event_tables::EventTables;

use crate::connection::Location;
use crate::coverage::CoverageSettings;
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
    /// The tables of the event store, if the database contains one.
    event_tables: Option<Arc<EventTables>>,
}

impl Postgres {
    /// Creates the provider for a database whose address and options have been checked.
    pub(crate) fn from_location(
        location: Location,
        ignored: BTreeMap<String, String>,
        state: StateOptions,
    ) -> Self {
        Self { location, ignored: Arc::new(ignored), state: Arc::new(state), event_tables: None }
    }

    /// Declares that the database contains an event store in these tables. It is read in the same snapshot as the entities,
    /// and is restored in the same transaction.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), koan_backup::Error> {
    /// use koan_backup::{CqrsEs, EventTables, Postgres};
    ///
    /// let shop = Postgres::connect("postgres://shop@db.example.org/shop?sslmode=verify-full")?.event_store(CqrsEs::tables());
    /// let erp = Postgres::connect("postgres://backup@localhost/erp")?.event_store(
    ///     EventTables::new("sales.event").position_column("position").timestamp_column("recorded_at").metadata_column("metadata"),
    /// );
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Columns of object names and ids are text, `uuid` or integers; JSON is in columns of type `json` or text, whose text is
    /// preserved, or `jsonb`. Timestamps are ISO texts, in UTC for `timestamptz`. A table or column that does not exist is
    /// an error when the context is built.
    #[must_use]
    pub fn event_store(mut self, tables: EventTables) -> Self {
        self.event_tables = Some(Arc::new(tables));
        self
    }

    /// Returns what describes the coverage of the database.
    fn coverage_settings(&self) -> CoverageSettings<'_> {
        CoverageSettings {
            ignored: &self.ignored,
            state: &self.state,
            event_tables: self.event_tables.as_ref(),
        }
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

    fn event_store(&self) -> Option<EventStoreCapabilities> {
        self.event_tables.as_ref().map(|tables| tables.capabilities())
    }

    async fn describe(&self, entities: &[EntityCodec]) -> Result<ProviderDescription> {
        let connection = self.location.connect().await?;
        crate::coverage::describe(&connection, entities, &self.coverage_settings()).await
    }

    async fn diagnose(&self, entities: &[EntityCodec], _: &MachineState) -> Result<ProviderDiagnosis> {
        let connection = self.location.connect().await?;
        crate::diagnosis::diagnose(&connection, entities, &self.coverage_settings()).await
    }

    async fn database_schema(&self) -> Result<DatabaseSchema> {
        let connection = self.location.connect().await?;
        crate::database_schema::describe(&connection, &self.coverage_settings()).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        Ok(Box::new(PostgresSnapshot::open(self.location.clone(), self.event_tables.as_ref()).await?))
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
        let (views, event_tables) = (self.state.materialized_views, self.event_tables.clone());
        let session = PostgresSession::begin(&self.location, options.clone(), views, event_tables).await?;
        Ok(Box::new(session))
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("address", &self.location.address).finish_non_exhaustive()
    }
}

//! A restore in one transaction.

mod balance;
mod checks;
mod compare;
mod copy;
mod equality;
mod event_writer;
mod events;
pub(super) mod extent;
mod foreign_key_actions;
mod indexes;
mod interference;
mod key_checks;
mod keys;
mod load;
mod loading;
mod merge;
mod preview;
mod references;
mod rewrite;
mod row_equality;
mod rules;
mod sequences;
mod suspended;
mod suspended_work;
mod table_lock;
mod target;
mod target_column;
pub(super) mod triggers;
mod unique;

use std::sync::Arc;

use async_trait::async_trait;
use koan_backup_core::{
    Error, ErrorKind, Result,
    entity::EntityCodec,
    event_store::EventWriter,
    provider::{
        CommitReport, RecordBatch, RecordEncoder, RestoreSession, RestoreTarget, SessionIntent,
        SessionOptions, SuspendedObject, TargetTracker, TargetWriter, WriteCounts,
    },
};

use tokio_postgres::error::SqlState;

use super::catalog::Catalog;
use super::connection::{Connection, Location};
use super::ddl;
use super::mapping::{self, Mapping};
use super::materialized;
use super::physical::PhysicalForm;
use super::sequence::SequenceState;
use super::state::MaterializedViews;
use balance::ExpectedRows;
use compare::Compared;
use events::EventSession;
use koan_backup_sql::event_tables::EventTables;
use loading::Loading;
use suspended::Suspended;

pub(super) use equality::KeyEquality;
pub(super) use extent::Extent;
pub(super) use foreign_key_actions::foreign_keys_that_prevent_restore;
pub(super) use interference::Interference;
pub(super) use keys::first_keys;
pub(super) use load::{Route, is_table_empty};
pub(super) use preview::SuspensionPreview;
pub(super) use rules::{refusal as refusing_rules, rules_of};
pub(super) use target::Target;
pub(super) use triggers::TRIGGERS;

/// One transaction on a dedicated connection. Dropping the session closes the connection, and the server
/// rolls back.
#[derive(Debug)]
pub(super) struct PostgresSession {
    connection: Connection,
    options: SessionOptions,
    catalog: Catalog,
    suspended: Suspended,
    /// The targets that were begun. Their sequences are advanced before the commit.
    begun_targets: Vec<(EntityCodec, Mapping)>,
    /// The positions of sequences that the archive recorded for each target.
    recorded_sequences: Vec<Vec<SequenceState>>,
    materialized_views: MaterializedViews,
    /// The rows that tables must contain before the commit, if triggers that cannot be disabled may fire.
    expected: Vec<ExpectedRows>,
    /// The targets that a dry run has compared.
    compared: Compared,
    targets: TargetTracker,
    /// The event store, if the provider has one.
    events: Option<EventSession>,
}

impl PostgresSession {
    pub(super) async fn begin(
        location: &Location,
        options: SessionOptions,
        materialized_views: MaterializedViews,
        events: Option<Arc<EventTables>>,
    ) -> Result<Self> {
        let connection = location.connect().await?;
        let begin = "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE; SET CONSTRAINTS ALL DEFERRED";
        connection.run("beginning the restore", begin).await?;
        let catalog = Catalog::read(&connection).await?;
        let suspended = Suspended::begin(&connection).await?;
        Ok(Self {
            connection,
            options,
            catalog,
            suspended,
            begun_targets: Vec::new(),
            recorded_sequences: Vec::new(),
            materialized_views,
            expected: Vec::new(),
            compared: Compared::default(),
            targets: TargetTracker::default(),
            events: events.map(EventSession::new),
        })
    }

    /// Finds the table of a target, or creates it. Returns `None` in a dry run if the restore would create
    /// the table.
    async fn table_of(&mut self, request: &RestoreTarget) -> Result<Option<Mapping>> {
        match mapping::find(&self.catalog, &request.entity, &request.set) {
            Err(error) if error.kind() == ErrorKind::NotFound && self.options.create_missing => {
                let sql = ddl::create(&self.catalog, &request.entity, &request.set)?;
                if self.options.intent == SessionIntent::Compare {
                    return Ok(None);
                }
                self.connection
                    .run(&format!("creating the table of {}", request.entity.name()), &sql)
                    .await?;
                self.catalog = Catalog::read(&self.connection).await?;
                mapping::find(&self.catalog, &request.entity, &request.set).map(Some)
            }
            found => found.map(Some),
        }
    }

    async fn load(&mut self, request: RestoreTarget, mapping: Mapping, number: usize) -> Result<Loading> {
        let recorded = PhysicalForm::sequences_of(&request);
        let mut target = Target::new(request, mapping)?;
        target.earlier_tables = self.begun_targets.iter().map(|(_, mapping)| mapping.table.oid).collect();
        self.begun_targets.push((target.entity.clone(), target.mapping.clone()));
        self.recorded_sequences.push(recorded);
        let loading = Loading::begin(
            &self.connection,
            &self.catalog,
            &self.options,
            &mut self.suspended,
            target,
            number,
        );
        loading.await.map_err(|error| self.explain_kept_constraint(error))
    }

    async fn finish(&mut self, loading: Loading) -> Result<WriteCounts> {
        if self.options.intent == SessionIntent::Compare {
            self.compared.add(&self.options, &loading);
        }
        let (counts, expected) = loading.finish(&self.connection, &self.options).await?;
        self.expected.extend(expected);
        self.check_rows().await?;
        Ok(counts)
    }

    /// Adds an explanation to a foreign key violation: the foreign key was not suspended, because the option
    /// `keep_constraints` is set.
    fn explain_kept_constraint(&self, error: Error) -> Error {
        match self.options.keep_constraints && is_foreign_key_violation(&error) {
            true => compare::explain_kept_constraint(error),
            false => error,
        }
    }

    /// Fails if triggers that cannot be disabled inserted or deleted rows.
    async fn check_rows(&self) -> Result<()> {
        for expected in &self.expected {
            expected.check_count(&self.connection).await?;
        }
        Ok(())
    }

    /// Fails if triggers that cannot be disabled changed written values.
    async fn check_records(&self) -> Result<()> {
        for expected in &self.expected {
            expected.check_records(&self.connection).await?;
        }
        Ok(())
    }

    async fn put_back_and_commit(&mut self) -> Result<Vec<SuspendedObject>> {
        // After an error, the server accepts only a rollback to a savepoint in this transaction.
        self.connection.run("checking constraints", "SAVEPOINT koan_written").await?;
        let suspended = match self.put_back().await {
            Ok(suspended) => suspended,
            Err(error) => return Err(self.with_violating_rows(error).await),
        };
        // Deferred triggers that the role cannot disable have fired at this point.
        self.check_rows().await?;
        self.check_records().await?;
        for ((_, mapping), recorded) in self.begun_targets.iter().zip(&self.recorded_sequences) {
            sequences::advance(&self.connection, &mapping.table, recorded).await?;
        }
        let event_tables = || self.events.iter().flat_map(EventSession::written_tables);
        for table in event_tables() {
            sequences::advance(&self.connection, table, &[]).await?;
        }
        if self.materialized_views == MaterializedViews::Refreshed {
            let entity_tables = self.begun_targets.iter().map(|(_, mapping)| mapping.table.oid);
            let tables: Vec<u32> = entity_tables.chain(event_tables().map(|table| table.oid)).collect();
            materialized::refresh(&self.connection, &self.catalog, &tables).await?;
        }
        // If the transaction has failed, COMMIT reports success although the server rolls back. Any other
        // statement fails in that case, so a `SELECT` is executed before the COMMIT.
        self.connection.run("checking the transaction before the commit", "SELECT").await?;
        self.connection.run("committing the restore", "COMMIT").await?;
        Ok(suspended)
    }

    async fn put_back(&mut self) -> Result<Vec<SuspendedObject>> {
        // This statement checks deferred constraints. A table with pending checks cannot be altered.
        self.connection.run("checking constraints", "SET CONSTRAINTS ALL IMMEDIATE").await?;
        self.suspended.put_back(&self.connection).await
    }

    /// Adds the violating rows to the error of a constraint between tables that is checked before the
    /// commit. Returns other errors unchanged.
    async fn with_violating_rows(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::Constraint {
            return error;
        }
        let rolled_back =
            self.connection.run("checking constraints", "ROLLBACK TO SAVEPOINT koan_written").await;
        let violation = match rolled_back {
            Ok(()) => self.suspended.violation(&self.connection, &self.catalog, &self.begun_targets).await,
            Err(error) => Err(error),
        };
        match violation {
            Ok(Some(violation)) => violation,
            // The role is not permitted to read the referenced table, so only the message of the server is
            // known.
            Ok(None) | Err(_) => match is_foreign_key_violation(&error) {
                true => {
                    let text = format!("{error}; restore the entity of the referenced table as well");
                    Error::new(ErrorKind::Constraint, text)
                }
                false => error,
            },
        }
    }
}

/// Returns whether the server refused a statement because of a foreign key.
fn is_foreign_key_violation(error: &Error) -> bool {
    error.code() == Some(SqlState::FOREIGN_KEY_VIOLATION.code())
}

#[async_trait]
impl RestoreSession for PostgresSession {
    async fn begin<'s>(&'s mut self, target: RestoreTarget) -> Result<Box<dyn TargetWriter + 's>> {
        let number = self.targets.begin()?;
        match self.table_of(&target).await? {
            None => Ok(Box::new(MissingTableWriter { session: self, inserted: 0 })),
            Some(mapping) => {
                let loading = self.load(target, mapping, number).await?;
                Ok(Box::new(PostgresWriter { session: self, loading }))
            }
        }
    }

    fn events(&mut self) -> Option<&mut dyn EventWriter> {
        self.events.is_some().then_some(self)
    }

    async fn check_constraints(&mut self) -> Result<()> {
        let violation = self
            .compared
            .violation(&self.connection, &self.catalog, &self.options, &self.begun_targets)
            .await?;
        violation.map_or(Ok(()), Err)
    }

    async fn commit(mut self: Box<Self>) -> Result<CommitReport> {
        let committed = match self.targets.require_finished() {
            Ok(()) => self.put_back_and_commit().await,
            Err(error) => Err(error),
        };
        if committed.is_err() {
            // An error of the rollback is discarded, and the original error is returned.
            let _ = self.connection.run("rolling back the restore", "ROLLBACK").await;
        }
        committed.map(CommitReport::new)
    }

    async fn rollback(self: Box<Self>) -> Result<()> {
        self.connection.run("rolling back the restore", "ROLLBACK").await
    }
}

/// Writes records into a table.
#[derive(Debug)]
struct PostgresWriter<'s> {
    session: &'s mut PostgresSession,
    loading: Loading,
}

#[async_trait]
impl TargetWriter for PostgresWriter<'_> {
    fn encoder(&self) -> Option<Arc<dyn RecordEncoder>> {
        Some(self.loading.target.clone())
    }

    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let written = self.loading.write(&self.session.connection, batch).await;
        written.map_err(|error| self.session.explain_kept_constraint(error))
    }

    async fn finish(self: Box<Self>) -> Result<WriteCounts> {
        let Self { session, loading } = *self;
        let counts = session.finish(loading).await.map_err(|error| session.explain_kept_constraint(error))?;
        session.targets.finish();
        Ok(counts)
    }
}

/// Counts records in the dry run of a restore that would create the table.
#[derive(Debug)]
struct MissingTableWriter<'s> {
    session: &'s mut PostgresSession,
    inserted: u64,
}

#[async_trait]
impl TargetWriter for MissingTableWriter<'_> {
    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        self.inserted += batch.count();
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<WriteCounts> {
        let mut counts = WriteCounts::default();
        counts.inserted = self.inserted;
        self.session.targets.finish();
        Ok(counts)
    }
}

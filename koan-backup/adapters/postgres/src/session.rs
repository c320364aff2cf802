//! A restore in one transaction.

mod acting;
mod balance;
mod checks;
mod compare;
mod copy;
mod equality;
mod indexes;
mod keys;
mod load;
mod merge;
mod references;
mod rewrite;
mod rules;
mod sequences;
mod suspended;
mod target;
mod unique;

use std::sync::Arc;

use async_trait::async_trait;
use koan_backup_core::{
    Error, ErrorKind, Result,
    entity::{EntityCodec, Record},
    provider::{
        EncodedRecords, RecordEncoder, RestoreSession, RestoreTarget, SessionIntent, SessionOptions,
        WriteCounts,
    },
};

use super::catalog::Catalog;
use super::connection::{Connection, Location};
use super::ddl;
use super::mapping::Mapping;
use super::materialized;
use super::physical::PhysicalForm;
use super::sequence::SequenceState;
use super::state::MaterializedViews;
use balance::Expected;
use compare::Compared;
use load::Loading;
use suspended::Suspended;

/// As an error shows it.
const FOREIGN_KEY_VIOLATION: &str = "SQLSTATE 23503";

pub(super) use acting::refusing_references;
pub(super) use balance::Interference;
pub(super) use equality::KeyEquality;
pub(super) use keys::first_keys;
pub(super) use load::{Route, is_empty_now};
pub(super) use rules::{refusal as refusing_rules, rules_of};
pub(super) use suspended::{Extent, TRIGGERS};
pub(super) use target::Target;

/// One transaction on a connection of its own. Dropping it closes the connection, and the server rolls back.
#[derive(Debug)]
pub(super) struct PostgresSession {
    connection: Connection,
    options: SessionOptions,
    catalog: Catalog,
    suspended: Suspended,
    /// What was written, whose sequences move on.
    written: Vec<(EntityCodec, Mapping)>,
    /// What the archive recorded of the sequences of each.
    recorded: Vec<Vec<SequenceState>>,
    materialized_views: MaterializedViews,
    /// What the tables of targets must hold at the end, where triggers that cannot be silenced may act.
    expected: Vec<Expected>,
    /// What a dry run has compared.
    compared: Compared,
    open: Option<Open>,
    /// How many targets were begun.
    targets: usize,
    /// Set while a call is under way, so that one that failed or was dropped leaves it set.
    broken: bool,
}

#[derive(Debug)]
enum Open {
    Loading(Box<Loading>),
    /// The dry run of a restore into a table that would be made.
    Absent(u64),
}

impl PostgresSession {
    pub(super) async fn begin(
        location: &Location,
        options: SessionOptions,
        materialized_views: MaterializedViews,
    ) -> Result<Self> {
        let connection = location.connect().await?;
        let begin = "BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE; SET CONSTRAINTS ALL DEFERRED";
        connection.run("beginning to restore", begin).await?;
        let catalog = Catalog::read(&connection).await?;
        let suspended = Suspended::begin(&connection).await?;
        Ok(Self {
            connection,
            options,
            catalog,
            suspended,
            written: Vec::new(),
            recorded: Vec::new(),
            materialized_views,
            expected: Vec::new(),
            compared: Compared::default(),
            open: None,
            targets: 0,
            broken: false,
        })
    }

    /// Marks the session as broken until [`settled`](Self::settled) says otherwise.
    fn enter(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.broken, true) {
            return Err(Error::new(
                ErrorKind::Provider,
                "an earlier step of this restore failed, so it can only be rolled back; the first error says why",
            ));
        }
        Ok(())
    }

    fn settled<T>(&mut self, result: Result<T>) -> Result<T> {
        self.broken = result.is_err();
        result
    }

    async fn turn_to(&mut self, request: RestoreTarget) -> Result<()> {
        if self.open.is_some() {
            return Err(out_of_order("a target was begun before the one before it ended"));
        }
        let found = Mapping::find(&self.catalog, &request.entity, &request.set);
        let mapping = match found {
            Err(error) if error.kind() == ErrorKind::NotFound && self.options.create_missing => {
                let sql = ddl::create(&self.catalog, &request.entity, &request.set)?;
                if self.options.intent == SessionIntent::Compare {
                    self.open = Some(Open::Absent(0));
                    return Ok(());
                }
                self.connection.run(&format!("making the table of {}", request.entity.name()), &sql).await?;
                self.catalog = Catalog::read(&self.connection).await?;
                Mapping::find(&self.catalog, &request.entity, &request.set)?
            }
            found => found?,
        };
        let recorded = PhysicalForm::sequences_of(&request);
        let mut target = Target::new(request, mapping)?;
        target.earlier = self.written.iter().map(|(_, mapping)| mapping.table.oid).collect();
        self.targets += 1;
        self.written.push((target.entity.clone(), target.mapping.clone()));
        self.recorded.push(recorded);
        let loading =
            Loading::begin(&self.connection, &self.options, &mut self.suspended, target, self.targets)
                .await?;
        self.open = Some(Open::Loading(Box::new(loading)));
        Ok(())
    }

    async fn take(&mut self, records: Vec<Record>) -> Result<()> {
        match &mut self.open {
            None => Err(out_of_order("records were written before a target was begun")),
            Some(Open::Absent(count)) => {
                *count += u64::try_from(records.len()).unwrap_or(u64::MAX);
                Ok(())
            }
            Some(Open::Loading(loading)) => {
                let target = &loading.target;
                let records = EncodedRecords::of(&target.entity, target.as_ref(), loading.written, records)?;
                loading.write(&self.connection, records).await
            }
        }
    }

    async fn take_encoded(&mut self, records: EncodedRecords) -> Result<()> {
        match &mut self.open {
            Some(Open::Loading(loading)) => loading.write(&self.connection, records).await,
            _ => Err(out_of_order("encoded records were written, and there is no table for them")),
        }
    }

    async fn finish(&mut self) -> Result<WriteCounts> {
        match self.open.take() {
            None => Err(out_of_order("a target was ended before it was begun")),
            Some(Open::Absent(inserted)) => {
                let mut counts = WriteCounts::default();
                counts.inserted = inserted;
                Ok(counts)
            }
            Some(Open::Loading(loading)) => {
                if self.options.intent == SessionIntent::Compare {
                    self.compared.add(&self.options, &loading);
                }
                let (counts, expected) = loading.end(&self.connection, &self.options).await?;
                self.expected.extend(expected);
                self.check_rows().await?;
                Ok(counts)
            }
        }
    }

    /// Refuses tables that have other rows than were written, where triggers that cannot be silenced may add or remove some.
    async fn check_rows(&self) -> Result<()> {
        for expected in &self.expected {
            expected.check_count(&self.connection).await?;
        }
        Ok(())
    }

    /// Refuses tables in which such triggers changed what was written.
    async fn check_records(&self) -> Result<()> {
        for expected in &self.expected {
            expected.check_records(&self.connection).await?;
        }
        Ok(())
    }

    async fn put_back_and_commit(&mut self) -> Result<()> {
        if self.open.is_some() {
            return Err(out_of_order("a restore was committed though its last target did not end"));
        }
        // After an error a transaction answers nothing more, but for where it goes back to.
        self.connection.run("checking constraints", "SAVEPOINT koan_written").await?;
        if let Err(error) = self.put_back().await {
            return Err(self.explained(error).await);
        }
        // Deferred triggers of other roles have fired by now.
        self.check_rows().await?;
        self.check_records().await?;
        for ((_, mapping), recorded) in self.written.iter().zip(&self.recorded) {
            sequences::move_on(&self.connection, &mapping.table, recorded).await?;
        }
        if self.materialized_views == MaterializedViews::Refreshed {
            let tables: Vec<u32> = self.written.iter().map(|(_, mapping)| mapping.table.oid).collect();
            materialized::refresh(&self.connection, &self.catalog, &tables).await?;
        }
        // The server answers COMMIT of a failed transaction with success, and rolls back. This statement it refuses.
        self.connection.run("looking at the transaction before its end", "SELECT").await?;
        self.connection.run("committing the restore", "COMMIT").await
    }

    async fn put_back(&mut self) -> Result<()> {
        // What was deferred is checked here, and a table with checks that wait cannot be altered.
        self.connection.run("checking constraints", "SET CONSTRAINTS ALL IMMEDIATE").await?;
        self.suspended.put_back(&self.connection).await
    }

    /// The error of a constraint that does not hold at the end, which is one between tables, with the rows that break it.
    async fn explained(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::Constraint {
            return error;
        }
        let back = self.connection.run("checking constraints", "ROLLBACK TO SAVEPOINT koan_written").await;
        let broken = match back {
            Ok(()) => self.suspended.broken(&self.connection, &self.catalog, &self.written).await,
            Err(lost) => Err(lost),
        };
        match broken {
            Ok(Some(broken)) => broken,
            // The role may not read what it may refer to: what the server said is all there is.
            Ok(None) | Err(_) => match error.to_string().contains(FOREIGN_KEY_VIOLATION) {
                true => {
                    let text = format!("{error}; restore the table it refers to as well");
                    Error::new(ErrorKind::Constraint, text)
                }
                false => error,
            },
        }
    }
}

#[async_trait]
impl RestoreSession for PostgresSession {
    async fn begin(&mut self, target: RestoreTarget) -> Result<()> {
        self.enter()?;
        let turned = self.turn_to(target).await;
        self.settled(turned)
    }

    async fn write(&mut self, records: Vec<Record>) -> Result<()> {
        self.enter()?;
        let taken = self.take(records).await;
        self.settled(taken)
    }

    fn encoder(&self) -> Option<Arc<dyn RecordEncoder>> {
        match &self.open {
            Some(Open::Loading(loading)) => Some(loading.target.clone()),
            _ => None,
        }
    }

    async fn write_encoded(&mut self, records: EncodedRecords) -> Result<()> {
        self.enter()?;
        let taken = self.take_encoded(records).await;
        self.settled(taken)
    }

    async fn end(&mut self) -> Result<WriteCounts> {
        self.enter()?;
        let finished = self.finish().await;
        self.settled(finished)
    }

    async fn check_constraints(&mut self) -> Result<()> {
        self.enter()?;
        let broken = self.compared.broken(&self.connection, &self.catalog, &self.written).await;
        self.settled(broken.and_then(|broken| broken.map_or(Ok(()), Err)))
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        self.enter()?;
        let committed = self.put_back_and_commit().await;
        if committed.is_err() {
            // The error that counts is the one that led here.
            let _ = self.connection.run("rolling back", "ROLLBACK").await;
        }
        committed
    }

    async fn rollback(mut self: Box<Self>) -> Result<()> {
        // The server waits for the end of what is being sent.
        self.open = None;
        self.connection.run("rolling back the restore", "ROLLBACK").await
    }
}

fn out_of_order(what: &'static str) -> Error {
    Error::new(ErrorKind::Internal, what)
}

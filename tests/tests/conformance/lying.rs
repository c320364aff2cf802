//! Tests that the conformance suite detects each violation of its requirements by a provider.

use std::sync::Arc;

use async_trait::async_trait;
use koan_backup::prelude::*;
use koan_backup::provider::conformance::{self, CaseOutcome};
use koan_backup::{
    Result, SetName,
    entity::{EntityCodec, Record},
    provider::{
        Capabilities, CommitReport, Consistency, Finding, Provider, ProviderDescription, ReadRequest,
        ReadSummary, RecordBatch, RecordSink, RestoreSession, RestoreTarget, SessionOptions, Snapshot,
        TargetWriter, WriteCounts,
    },
};

/// The requirement that a provider violates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Violation {
    /// Every read returns the current data instead of the data of the snapshot.
    NoSnapshot,
    /// One record of each batch of 1,000 is not written.
    LosesRecords,
    /// A rollback of a session commits the session.
    NoRollback,
    /// All sets are written to the root set.
    WritesOnlyRootSet,
    /// The conflict mode is ignored.
    AlwaysOverwrites,
    /// `replace_existing` is ignored.
    NeverDeletes,
    /// A dry run writes.
    DryRunWrites,
    /// A dry run accepts records that a restore refuses.
    DryRunAcceptsAll,
    /// Each target is committed when it is finished, before the session is committed.
    CommitsEarly,
    /// The snapshot declares snapshot consistency although the provider does not declare snapshot reads.
    ClaimsSnapshotConsistency,
    /// A read that failed is reported as complete.
    CompletesFailedReads,
    /// Each record of a bulk session is written in a separate session.
    OneByOne,
    /// A target whose writer failed or was dropped is committed without its records.
    CommitsUnfinished,
    /// The preparation of a restore at level `fast` takes time and does not make the restore faster.
    FastLevelIsNotFaster,
}

/// A provider that violates one requirement and forwards all other work to a provider in memory.
#[derive(Clone, Debug)]
struct ViolatingProvider {
    violation: Violation,
    memory: Memory,
}

#[async_trait]
impl Provider for ViolatingProvider {
    fn kind(&self) -> &'static str {
        "violating"
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.memory.capabilities();
        capabilities.snapshot_reads &= self.violation != Violation::ClaimsSnapshotConsistency;
        capabilities.restore_optimisation |= self.violation == Violation::FastLevelIsNotFaster;
        capabilities
    }

    async fn describe(&self, entities: &[EntityCodec]) -> Result<ProviderDescription> {
        self.memory.describe(entities).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        Ok(Box::new(ViolatingSnapshot {
            violation: self.violation,
            memory: self.memory.snapshot().await?,
            database: self.memory.clone(),
        }))
    }

    async fn assess(&self, targets: &[RestoreTarget], options: &SessionOptions) -> Result<Vec<Finding>> {
        self.memory.assess(targets, options).await
    }

    async fn begin_restore(&self, options: &SessionOptions) -> Result<Box<dyn RestoreSession>> {
        let mut options = options.clone();
        match self.violation {
            Violation::AlwaysOverwrites => options.conflict = ConflictMode::Overwrite,
            Violation::NeverDeletes => options.replace_existing = false,
            Violation::DryRunAcceptsAll
                if options.intent == koan_backup::provider::SessionIntent::Compare =>
            {
                return Ok(Box::new(AcceptingDryRun));
            }
            Violation::DryRunWrites => options.intent = koan_backup::provider::SessionIntent::Apply,
            _ => {}
        }
        if self.violation == Violation::FastLevelIsNotFaster && options.level == RestoreLevel::Fast {
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
        let memory = Some(self.memory.begin_restore(&options).await?);
        Ok(Box::new(ViolatingSession { violation: self.violation, memory, database: self.memory.clone() }))
    }
}

#[derive(Debug)]
struct ViolatingSnapshot {
    violation: Violation,
    memory: Box<dyn Snapshot>,
    database: Memory,
}

#[async_trait]
impl Snapshot for ViolatingSnapshot {
    fn consistency(&self) -> Consistency {
        Consistency::Snapshot
    }

    async fn sets(&self, entity: &EntityCodec) -> Result<Vec<SetName>> {
        self.memory.sets(entity).await
    }

    async fn read(&self, request: ReadRequest, sink: RecordSink) -> Result<ReadSummary> {
        match self.violation {
            Violation::NoSnapshot => self.database.snapshot().await?.read(request, sink).await,
            Violation::CompletesFailedReads => {
                let (entity, result) = (request.entity.clone(), self.memory.read(request, sink).await);
                match result {
                    Err(_) => RecordSink::channel(entity, 1).0.finish().await,
                    result => result,
                }
            }
            _ => self.memory.read(request, sink).await,
        }
    }

    async fn count(&self, entity: &EntityCodec, set: &SetName) -> Result<u64> {
        self.memory.count(entity, set).await
    }
}

#[derive(Debug)]
struct ViolatingSession {
    violation: Violation,
    memory: Option<Box<dyn RestoreSession>>,
    database: Memory,
}

impl ViolatingSession {
    fn memory(&mut self) -> &mut dyn RestoreSession {
        self.memory.as_mut().expect("the session was neither committed nor rolled back").as_mut()
    }
}

#[async_trait]
impl RestoreSession for ViolatingSession {
    async fn begin<'s>(&'s mut self, mut target: RestoreTarget) -> Result<Box<dyn TargetWriter + 's>> {
        if self.violation == Violation::WritesOnlyRootSet {
            target.set = SetName::root();
        }
        if self.violation == Violation::OneByOne {
            return Ok(Box::new(OneByOne { session: self, target, counts: WriteCounts::default() }));
        }
        if self.violation == Violation::CommitsEarly {
            return Ok(Box::new(EarlyCommit { session: self, target, records: Vec::new() }));
        }
        if self.violation == Violation::CommitsUnfinished {
            return Ok(Box::new(Unfinished { session: self, target, records: Vec::new() }));
        }
        let violation = self.violation;
        let memory = self.memory().begin(target).await?;
        Ok(Box::new(ViolatingWriter { violation, memory }))
    }

    async fn commit(mut self: Box<Self>) -> Result<CommitReport> {
        if self.violation == Violation::OneByOne {
            wait_like_a_commit_on_disk().await;
        }
        self.memory.take().expect("the session was neither committed nor rolled back").commit().await
    }

    async fn rollback(mut self: Box<Self>) -> Result<()> {
        let memory = self.memory.take().expect("the session was neither committed nor rolled back");
        if matches!(self.violation, Violation::NoRollback | Violation::DryRunWrites) {
            memory.commit().await.map(drop)
        } else {
            memory.rollback().await
        }
    }
}

#[derive(Debug)]
struct ViolatingWriter<'s> {
    violation: Violation,
    memory: Box<dyn TargetWriter + 's>,
}

#[async_trait]
impl TargetWriter for ViolatingWriter<'_> {
    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let mut records = batch.into_records()?;
        if self.violation == Violation::LosesRecords && records.len() == 1_000 {
            records.pop();
        }
        self.memory.write(records.into()).await
    }

    async fn finish(self: Box<Self>) -> Result<WriteCounts> {
        self.memory.finish().await
    }
}

/// Writes records into a target of a session.
async fn write_all(
    session: &mut dyn RestoreSession,
    target: &RestoreTarget,
    records: Vec<Record>,
) -> Result<WriteCounts> {
    let mut writer = session.begin(target.clone()).await?;
    writer.write(records.into()).await?;
    writer.finish().await
}

/// A writer that writes each record of a large batch in a separate session.
#[derive(Debug)]
struct OneByOne<'s> {
    session: &'s mut ViolatingSession,
    target: RestoreTarget,
    counts: WriteCounts,
}

#[async_trait]
impl TargetWriter for OneByOne<'_> {
    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let records = batch.into_records()?;
        if records.len() != 500 {
            let counts = write_all(self.session.memory(), &self.target, records).await?;
            self.counts.add(&counts);
            return Ok(());
        }
        // Only one session can write at a time, so the session of the target is committed first.
        self.session
            .memory
            .take()
            .expect("the session was neither committed nor rolled back")
            .commit()
            .await?;
        for record in records {
            let mut session = self.session.database.begin_restore(&SessionOptions::default()).await?;
            let counts = write_all(session.as_mut(), &self.target, vec![record]).await?;
            self.counts.add(&counts);
            session.commit().await?;
            wait_like_a_commit_on_disk().await;
        }
        let memory = self.session.database.begin_restore(&SessionOptions::default()).await?;
        self.session.memory = Some(memory);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<WriteCounts> {
        Ok(self.counts)
    }
}

/// A writer that commits when the target is finished, not when the session is committed.
#[derive(Debug)]
struct EarlyCommit<'s> {
    session: &'s mut ViolatingSession,
    target: RestoreTarget,
    records: Vec<Record>,
}

#[async_trait]
impl TargetWriter for EarlyCommit<'_> {
    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        self.records.extend(batch.into_records()?);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<WriteCounts> {
        let Self { session, target, records } = *self;
        let counts = write_all(session.memory(), &target, records).await?;
        session.memory.take().expect("the session was neither committed nor rolled back").commit().await?;
        session.memory = Some(session.database.begin_restore(&SessionOptions::default()).await?);
        Ok(counts)
    }
}

/// A writer that begins its target only in `finish`, so that a session is committed without the records if
/// the writer failed or was dropped.
#[derive(Debug)]
struct Unfinished<'s> {
    session: &'s mut ViolatingSession,
    target: RestoreTarget,
    records: Vec<Record>,
}

#[async_trait]
impl TargetWriter for Unfinished<'_> {
    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        self.records.extend(batch.into_records()?);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<WriteCounts> {
        let Self { session, target, records } = *self;
        write_all(session.memory(), &target, records).await
    }
}

/// The session of a dry run that compares no record.
#[derive(Debug)]
struct AcceptingDryRun;

#[async_trait]
impl RestoreSession for AcceptingDryRun {
    async fn begin<'s>(&'s mut self, _: RestoreTarget) -> Result<Box<dyn TargetWriter + 's>> {
        Ok(Box::new(DiscardingWriter))
    }

    async fn commit(self: Box<Self>) -> Result<CommitReport> {
        Ok(CommitReport::default())
    }

    async fn rollback(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// A writer that discards all records.
#[derive(Debug)]
struct DiscardingWriter;

#[async_trait]
impl TargetWriter for DiscardingWriter {
    async fn write(&mut self, _: RecordBatch) -> Result<()> {
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<WriteCounts> {
        Ok(WriteCounts::default())
    }
}

/// Waits for about as long as a commit on a disk takes.
async fn wait_like_a_commit_on_disk() {
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
}

#[tokio::test]
async fn running_a_case_that_does_not_exist_is_an_error() {
    let empty = async || Ok(Arc::new(Memory::new()) as Arc<dyn Provider>);
    let error = conformance::run_where(|name| name == "no such case", empty).await.expect_err("no such case");
    assert!(error.to_string().contains("selects no case"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_violates_a_requirement_does_not_conform() {
    for (violation, found) in [
        (Violation::NoSnapshot, "a later write is not visible in a snapshot"),
        (Violation::LosesRecords, "all 100 000 records are read"),
        (Violation::NoRollback, "a session that is rolled back leaves no records"),
        (Violation::WritesOnlyRootSet, "sets are independent"),
        (Violation::AlwaysOverwrites, "`keep` leaves existing records unchanged"),
        (Violation::NeverDeletes, "`replace_existing` leaves exactly the written records"),
        (Violation::DryRunWrites, "a dry run counts what a restore would do and writes nothing"),
        (Violation::DryRunAcceptsAll, "a dry run refuses existing records that a restore refuses"),
        (Violation::CommitsUnfinished, "a session with an unfinished target is not committed"),
        (Violation::CommitsEarly, "no record of a session is visible before its commit"),
        (Violation::ClaimsSnapshotConsistency, "no snapshot consistency is reported without snapshot reads"),
        (Violation::CompletesFailedReads, "a cancelled read returns an error, and the next read succeeds"),
    ] {
        let empty = async || {
            Ok(Arc::new(ViolatingProvider { violation, memory: Memory::new() }) as Arc<dyn Provider>)
        };
        let conformance = conformance::run_where(|name| name == found, empty).await.expect("a database");
        let case = conformance
            .cases
            .iter()
            .find(|case| case.name == found)
            .expect("the suite has a case with this name");
        assert!(matches!(case.outcome, CaseOutcome::Failed(_)), "{violation:?}: {conformance}");
        let error = conformance.require_passed().expect_err("the provider violates a requirement");
        assert!(error.to_string().contains(found), "{violation:?}: {error}");
    }
}

/// Checks the cases that compare durations. The Tokio clock is paused, so the measured time contains only the
/// waits in the provider and does not depend on the machine.
#[tokio::test(start_paused = true)]
async fn a_provider_that_is_slower_than_its_declared_capabilities_require_does_not_conform() {
    let many = "many records in one session take less time than in one session per record";
    let levels = "level `fast` takes less time than level `safe`";
    for (violation, found) in [(Violation::OneByOne, many), (Violation::FastLevelIsNotFaster, levels)] {
        let empty = async || {
            Ok(Arc::new(ViolatingProvider { violation, memory: Memory::new() }) as Arc<dyn Provider>)
        };
        let conformance = conformance::run_speed(empty).await.expect("a database");
        for case in &conformance.cases {
            let is_found = matches!(&case.outcome, CaseOutcome::Failed(reason) if reason.contains("took"));
            assert_eq!(is_found, case.name == found, "{violation:?}: {conformance}");
        }
        assert_eq!(conformance.cases.len(), 2);
    }
    let honest = async || Ok(Arc::new(Memory::new()) as Arc<dyn Provider>);
    let conformance = conformance::run_speed(honest).await.expect("a database");
    let _ = conformance.require_passed().expect("the provider is as fast as it declares");
}

//! Providers that violate the requirements, each of which the conformance suite must detect.

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
enum Lie {
    /// Every read sees the current data instead of the snapshot.
    NoSnapshot,
    /// One record of each batch of 1,000 is not written.
    LosesRecords,
    /// A session that is rolled back is committed.
    NoRollback,
    /// All sets are written to the root set.
    OneSet,
    /// The conflict mode is ignored.
    AlwaysOverwrites,
    /// `replace_existing` is ignored.
    NeverDeletes,
    /// A dry run writes.
    WetRun,
    /// A dry run never reports a refusal.
    SeesNoRefusal,
    /// Each target is committed when it is finished.
    CommitsEarly,
    /// The snapshot claims snapshot consistency although the provider has no snapshot reads.
    CallsItASnapshot,
    /// A read that failed is reported as complete.
    ShortRead,
    /// Each record of a bulk session is written in a separate session.
    OneByOne,
    /// A target whose writer failed or was dropped is committed without its records.
    CommitsUnfinished,
    /// The level `fast` prepares something that makes it no faster.
    GainsNothing,
}

/// A provider in memory that violates one requirement.
#[derive(Clone, Debug)]
struct Liar {
    lie: Lie,
    truth: Memory,
}

#[async_trait]
impl Provider for Liar {
    fn kind(&self) -> &'static str {
        "liar"
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.truth.capabilities();
        capabilities.snapshot_reads &= self.lie != Lie::CallsItASnapshot;
        capabilities.restore_optimisation |= self.lie == Lie::GainsNothing;
        capabilities
    }

    async fn describe(&self, entities: &[EntityCodec]) -> Result<ProviderDescription> {
        self.truth.describe(entities).await
    }

    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        Ok(Box::new(LyingSnapshot {
            lie: self.lie,
            truth: self.truth.snapshot().await?,
            database: self.truth.clone(),
        }))
    }

    async fn assess(&self, targets: &[RestoreTarget], options: &SessionOptions) -> Result<Vec<Finding>> {
        self.truth.assess(targets, options).await
    }

    async fn begin_restore(&self, options: &SessionOptions) -> Result<Box<dyn RestoreSession>> {
        let mut options = options.clone();
        match self.lie {
            Lie::AlwaysOverwrites => options.conflict = ConflictMode::Overwrite,
            Lie::NeverDeletes => options.replace_existing = false,
            Lie::SeesNoRefusal if options.intent == koan_backup::provider::SessionIntent::Compare => {
                return Ok(Box::new(CarelessDryRun));
            }
            Lie::WetRun => options.intent = koan_backup::provider::SessionIntent::Apply,
            _ => {}
        }
        if self.lie == Lie::GainsNothing && options.level == RestoreLevel::Fast {
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
        let truth = Some(self.truth.begin_restore(&options).await?);
        Ok(Box::new(LyingSession { lie: self.lie, truth, database: self.truth.clone() }))
    }
}

#[derive(Debug)]
struct LyingSnapshot {
    lie: Lie,
    truth: Box<dyn Snapshot>,
    database: Memory,
}

#[async_trait]
impl Snapshot for LyingSnapshot {
    fn consistency(&self) -> Consistency {
        Consistency::Snapshot
    }

    async fn sets(&self, entity: &EntityCodec) -> Result<Vec<SetName>> {
        self.truth.sets(entity).await
    }

    async fn read(&self, request: ReadRequest, sink: RecordSink) -> Result<ReadSummary> {
        match self.lie {
            Lie::NoSnapshot => self.database.snapshot().await?.read(request, sink).await,
            Lie::ShortRead => {
                let (entity, ended) = (request.entity.clone(), self.truth.read(request, sink).await);
                match ended {
                    Err(_) => RecordSink::channel(entity, 1).0.finish().await,
                    ended => ended,
                }
            }
            _ => self.truth.read(request, sink).await,
        }
    }

    async fn count(&self, entity: &EntityCodec, set: &SetName) -> Result<u64> {
        self.truth.count(entity, set).await
    }
}

#[derive(Debug)]
struct LyingSession {
    lie: Lie,
    truth: Option<Box<dyn RestoreSession>>,
    database: Memory,
}

impl LyingSession {
    fn truth(&mut self) -> &mut dyn RestoreSession {
        self.truth.as_mut().expect("open").as_mut()
    }
}

#[async_trait]
impl RestoreSession for LyingSession {
    async fn begin<'s>(&'s mut self, mut target: RestoreTarget) -> Result<Box<dyn TargetWriter + 's>> {
        if self.lie == Lie::OneSet {
            target.set = SetName::root();
        }
        if self.lie == Lie::OneByOne {
            return Ok(Box::new(OneByOne { session: self, target, counts: WriteCounts::default() }));
        }
        if self.lie == Lie::CommitsEarly {
            return Ok(Box::new(EarlyCommit { session: self, target, records: Vec::new() }));
        }
        if self.lie == Lie::CommitsUnfinished {
            return Ok(Box::new(Unfinished { session: self, target, records: Vec::new() }));
        }
        let lie = self.lie;
        let truth = self.truth().begin(target).await?;
        Ok(Box::new(LyingWriter { lie, truth }))
    }

    async fn commit(mut self: Box<Self>) -> Result<CommitReport> {
        if self.lie == Lie::OneByOne {
            a_commit_on_a_disk().await;
        }
        self.truth.take().expect("open").commit().await
    }

    async fn rollback(mut self: Box<Self>) -> Result<()> {
        let truth = self.truth.take().expect("open");
        if matches!(self.lie, Lie::NoRollback | Lie::WetRun) {
            truth.commit().await.map(drop)
        } else {
            truth.rollback().await
        }
    }
}

#[derive(Debug)]
struct LyingWriter<'s> {
    lie: Lie,
    truth: Box<dyn TargetWriter + 's>,
}

#[async_trait]
impl TargetWriter for LyingWriter<'_> {
    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let mut records = batch.into_records()?;
        if self.lie == Lie::LosesRecords && records.len() == 1_000 {
            records.pop();
        }
        self.truth.write(records.into()).await
    }

    async fn finish(self: Box<Self>) -> Result<WriteCounts> {
        self.truth.finish().await
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

/// Writes each record of a large batch in a separate session.
#[derive(Debug)]
struct OneByOne<'s> {
    session: &'s mut LyingSession,
    target: RestoreTarget,
    counts: WriteCounts,
}

#[async_trait]
impl TargetWriter for OneByOne<'_> {
    async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let records = batch.into_records()?;
        if records.len() != 500 {
            let counts = write_all(self.session.truth(), &self.target, records).await?;
            self.counts.add(&counts);
            return Ok(());
        }
        // Only one session can write at a time, so the session of the target is committed first.
        self.session.truth.take().expect("open").commit().await?;
        for record in records {
            let mut one = self.session.database.begin_restore(&SessionOptions::default()).await?;
            let counts = write_all(one.as_mut(), &self.target, vec![record]).await?;
            self.counts.add(&counts);
            one.commit().await?;
            a_commit_on_a_disk().await;
        }
        let truth = self.session.database.begin_restore(&SessionOptions::default()).await?;
        self.session.truth = Some(truth);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<WriteCounts> {
        Ok(self.counts)
    }
}

/// Commits when the target is finished, not when the session is committed.
#[derive(Debug)]
struct EarlyCommit<'s> {
    session: &'s mut LyingSession,
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
        let counts = write_all(session.truth(), &target, records).await?;
        session.truth.take().expect("open").commit().await?;
        session.truth = Some(session.database.begin_restore(&SessionOptions::default()).await?);
        Ok(counts)
    }
}

/// Finishes its target even if the writer failed or was dropped.
#[derive(Debug)]
struct Unfinished<'s> {
    session: &'s mut LyingSession,
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
        write_all(session.truth(), &target, records).await
    }
}

/// A dry run that compares no record.
#[derive(Debug)]
struct CarelessDryRun;

#[async_trait]
impl RestoreSession for CarelessDryRun {
    async fn begin<'s>(&'s mut self, _: RestoreTarget) -> Result<Box<dyn TargetWriter + 's>> {
        Ok(Box::new(CarelessWriter))
    }

    async fn commit(self: Box<Self>) -> Result<CommitReport> {
        Ok(CommitReport::default())
    }

    async fn rollback(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct CarelessWriter;

#[async_trait]
impl TargetWriter for CarelessWriter {
    async fn write(&mut self, _: RecordBatch) -> Result<()> {
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<WriteCounts> {
        Ok(WriteCounts::default())
    }
}

/// Waits as long as a commit on a disk would take.
async fn a_commit_on_a_disk() {
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
}

#[tokio::test]
async fn a_case_that_is_not_there_is_not_passed() {
    let empty = async || Ok(Arc::new(Memory::new()) as Arc<dyn Provider>);
    let error = conformance::run_where(|name| name == "no such case", empty).await.expect_err("none");
    assert!(error.to_string().contains("selects no case"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_lies_does_not_conform() {
    for (lie, found) in [
        (Lie::NoSnapshot, "a later write is not visible in a snapshot"),
        (Lie::LosesRecords, "all of 100 000 records are read"),
        (Lie::NoRollback, "a session that is rolled back leaves no records"),
        (Lie::OneSet, "sets are independent"),
        (Lie::AlwaysOverwrites, "`keep` leaves existing records unchanged"),
        (Lie::NeverDeletes, "`replace_existing` leaves exactly the written records"),
        (Lie::WetRun, "a dry run counts what a restore would do and writes nothing"),
        (Lie::SeesNoRefusal, "a dry run refuses existing records that a restore refuses"),
        (Lie::CommitsUnfinished, "a session with an unfinished target is not committed"),
        (Lie::CommitsEarly, "no record of a session is visible before its commit"),
        (Lie::CallsItASnapshot, "no snapshot consistency is claimed without snapshot reads"),
        (Lie::ShortRead, "a cancelled read returns an error, and the next read succeeds"),
    ] {
        let empty = async || Ok(Arc::new(Liar { lie, truth: Memory::new() }) as Arc<dyn Provider>);
        let conformance = conformance::run_where(|name| name == found, empty).await.expect("a database");
        let case = conformance.cases.iter().find(|case| case.name == found).expect("a case of that name");
        assert!(matches!(case.outcome, CaseOutcome::Failed(_)), "{lie:?}: {conformance}");
        let error = conformance.require_passed().expect_err("it lies");
        assert!(error.to_string().contains(found), "{lie:?}: {error}");
    }
}

/// The clock is paused, so the measured time is only that of the waits in the provider, not that of the
/// machine.
#[tokio::test(start_paused = true)]
async fn a_provider_that_is_not_as_fast_as_it_says_does_not_conform() {
    let many = "many records in one session take less time than as many sessions";
    let levels = "level `fast` takes less time than level `safe`";
    for (lie, found) in [(Lie::OneByOne, many), (Lie::GainsNothing, levels)] {
        let empty = async || Ok(Arc::new(Liar { lie, truth: Memory::new() }) as Arc<dyn Provider>);
        let conformance = conformance::run_speed(empty).await.expect("a database");
        for case in &conformance.cases {
            let is_found = matches!(&case.outcome, CaseOutcome::Failed(why) if why.contains("took"));
            assert_eq!(is_found, case.name == found, "{lie:?}: {conformance}");
        }
        assert_eq!(conformance.cases.len(), 2);
    }
    let honest = async || Ok(Arc::new(Memory::new()) as Arc<dyn Provider>);
    let conformance = conformance::run_speed(honest).await.expect("a database");
    let _ = conformance.require_passed().expect("it is as fast as it says");
}

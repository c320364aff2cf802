//! Providers that lie, of which the suite must find each.

use std::sync::Arc;

use async_trait::async_trait;
use koan_backup::prelude::*;
use koan_backup::provider::conformance::{self, CaseOutcome};
use koan_backup::{
    Result, SetName,
    entity::{EntityCodec, Record},
    provider::{
        Capabilities, Consistency, Finding, Provider, ProviderDescription, ReadRequest, ReadSummary,
        RecordSink, RestoreSession, RestoreTarget, SessionOptions, Snapshot, WriteCounts,
    },
};

/// What is not as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    /// Every read sees what is there now.
    NoSnapshot,
    /// A record of a thousand is not written, and counted.
    LosesRecords,
    /// A session that is given up was committed.
    NoRollback,
    /// All sets are one.
    OneSet,
    /// The conflict mode is not looked at.
    AlwaysOverwrites,
    /// `replace_existing` is not looked at.
    NeverDeletes,
    /// A dry run writes.
    WetRun,
    /// A dry run refuses nothing.
    SeesNoRefusal,
    /// Each batch is committed at once, and undone by hand.
    CommitsEarly,
    /// What is read at different moments is called a snapshot, though none is claimed.
    CallsItASnapshot,
    /// A read that failed is called complete.
    ShortRead,
    /// Each record has a session of its own, within one that calls itself bulk.
    OneByOne,
    /// A level that is called faster prepares something that gains nothing.
    GainsNothing,
}

/// A provider in memory that lies.
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
        Ok(Box::new(LyingSession { lie: self.lie, truth, database: self.truth.clone(), target: None }))
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
    target: Option<RestoreTarget>,
}

impl LyingSession {
    fn truth(&mut self) -> &mut dyn RestoreSession {
        self.truth.as_mut().expect("open").as_mut()
    }

    /// A new session that has turned to the same target.
    async fn begun(&mut self) -> Result<Box<dyn RestoreSession>> {
        let mut session = self.database.begin_restore(&SessionOptions::default()).await?;
        session.begin(self.target.clone().expect("begun")).await?;
        Ok(session)
    }
}

#[async_trait]
impl RestoreSession for LyingSession {
    async fn begin(&mut self, mut target: RestoreTarget) -> Result<()> {
        if self.lie == Lie::OneSet {
            target.set = SetName::root();
        }
        self.target = Some(target.clone());
        self.truth().begin(target).await
    }

    async fn write(&mut self, mut records: Vec<Record>) -> Result<()> {
        if self.lie == Lie::LosesRecords && records.len() == 1_000 {
            records.pop();
        }
        if self.lie == Lie::OneByOne && records.len() == 500 {
            // Whoever writes has the turn.
            self.truth().end().await?;
            self.truth.take().expect("open").commit().await?;
            for record in records {
                let mut one = self.begun().await?;
                one.write(vec![record]).await?;
                one.end().await?;
                one.commit().await?;
                a_commit_on_a_disk().await;
            }
            self.truth = Some(self.begun().await?);
            return Ok(());
        }
        self.truth().write(records).await
    }

    async fn end(&mut self) -> Result<WriteCounts> {
        let counts = self.truth().end().await?;
        if self.lie == Lie::CommitsEarly {
            self.truth.take().expect("open").commit().await?;
            self.truth = Some(self.database.begin_restore(&SessionOptions::default()).await?);
        }
        Ok(counts)
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
        if self.lie == Lie::OneByOne {
            a_commit_on_a_disk().await;
        }
        self.truth.take().expect("open").commit().await
    }

    async fn rollback(mut self: Box<Self>) -> Result<()> {
        let truth = self.truth.take().expect("open");
        if matches!(self.lie, Lie::NoRollback | Lie::WetRun) {
            truth.commit().await
        } else {
            truth.rollback().await
        }
    }
}

/// A dry run that looks at nothing.
#[derive(Debug)]
struct CarelessDryRun;

#[async_trait]
impl RestoreSession for CarelessDryRun {
    async fn begin(&mut self, _: RestoreTarget) -> Result<()> {
        Ok(())
    }

    async fn write(&mut self, _: Vec<Record>) -> Result<()> {
        Ok(())
    }

    async fn end(&mut self) -> Result<WriteCounts> {
        Ok(WriteCounts::default())
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        Ok(())
    }

    async fn rollback(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// What one waits for there.
async fn a_commit_on_a_disk() {
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
}

#[tokio::test]
async fn a_case_that_is_not_there_is_not_passed() {
    let empty = async || Ok(Arc::new(Memory::new()) as Arc<dyn Provider>);
    let error = conformance::run_where(|name| name == "no such case", empty).await.expect_err("none");
    assert!(error.to_string().contains("no case with such a name"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_lies_does_not_conform() {
    for (lie, found) in [
        (Lie::NoSnapshot, "a later write is not visible in a snapshot"),
        (Lie::LosesRecords, "100 000 records are all read"),
        (Lie::NoRollback, "a session that is rolled back leaves nothing"),
        (Lie::OneSet, "sets are apart"),
        (Lie::AlwaysOverwrites, "`keep` leaves what is there"),
        (Lie::NeverDeletes, "`replace_existing` leaves exactly what was written"),
        (Lie::WetRun, "a dry run counts what would be done and writes nothing"),
        (Lie::SeesNoRefusal, "a dry run refuses existing records that a restore refuses"),
        (Lie::CommitsEarly, "nothing of a session shows before its commit"),
        (Lie::CallsItASnapshot, "no snapshot consistency is claimed without snapshot reads"),
        (Lie::ShortRead, "a cancelled read is an error, and the next one works"),
    ] {
        let empty = async || Ok(Arc::new(Liar { lie, truth: Memory::new() }) as Arc<dyn Provider>);
        let conformance = conformance::run_where(|name| name == found, empty).await.expect("a database");
        let case = conformance.cases.iter().find(|case| case.name == found).expect("a case of that name");
        assert!(matches!(case.outcome, CaseOutcome::Failed(_)), "{lie:?}: {conformance}");
        let error = conformance.require_passed().expect_err("it lies");
        assert!(error.to_string().contains(found), "{lie:?}: {error}");
    }
}

/// The clock is paused: only what a provider waits for counts, and not what the machine does.
#[tokio::test(start_paused = true)]
async fn a_provider_that_is_not_as_fast_as_it_says_does_not_conform() {
    let many = "many records in one session take less than as many sessions";
    let levels = "level `fast` takes less than level `safe`";
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

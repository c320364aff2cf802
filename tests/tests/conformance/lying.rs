//! Providers that lie, of which the suite must find each.

use std::sync::Arc;

use async_trait::async_trait;
use koan_backup::conformance::{self, Outcome};
use koan_backup::prelude::*;
use koan_backup::{
    Capabilities, Consistency, EntityCodec, Finding, Provider, ProviderDescription, ReadRequest, ReadSummary,
    Record, RecordSink, RestoreSession, RestoreTarget, Result, SessionOptions, SetName, Snapshot,
    WriteCounts,
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
    /// A read that failed is called complete.
    ShortRead,
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
        self.truth.capabilities()
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
            Lie::WetRun => options.intent = koan_backup::SessionIntent::Apply,
            _ => {}
        }
        Ok(Box::new(LyingSession { lie: self.lie, truth: Some(self.truth.begin_restore(&options).await?) }))
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
}

impl LyingSession {
    fn truth(&mut self) -> &mut dyn RestoreSession {
        self.truth.as_mut().expect("open").as_mut()
    }
}

#[async_trait]
impl RestoreSession for LyingSession {
    async fn begin(&mut self, mut target: RestoreTarget) -> Result<()> {
        if self.lie == Lie::OneSet {
            target.set = SetName::root();
        }
        self.truth().begin(target).await
    }

    async fn write(&mut self, mut records: Vec<Record>) -> Result<()> {
        if self.lie == Lie::LosesRecords && records.len() == 1_000 {
            records.pop();
        }
        self.truth().write(records).await
    }

    async fn end(&mut self) -> Result<WriteCounts> {
        self.truth().end().await
    }

    async fn commit(mut self: Box<Self>) -> Result<()> {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_lies_does_not_conform() {
    for (lie, found) in [
        (Lie::NoSnapshot, "what is written later is not in a snapshot"),
        (Lie::LosesRecords, "100 000 records are all read"),
        (Lie::NoRollback, "a session that is rolled back leaves nothing"),
        (Lie::OneSet, "sets are apart"),
        (Lie::AlwaysOverwrites, "`keep` leaves what is there"),
        (Lie::NeverDeletes, "`replace_existing` leaves exactly what was written"),
        (Lie::WetRun, "a dry run counts what would be done and writes nothing"),
        (Lie::ShortRead, "a cancelled read is an error, and the next one works"),
    ] {
        let empty = async || Ok(Arc::new(Liar { lie, truth: Memory::new() }) as Arc<dyn Provider>);
        let conformance = conformance::run(empty).await.expect("a database");
        let case = conformance.cases.iter().find(|case| case.name == found).expect("a case of that name");
        assert!(matches!(case.outcome, Outcome::Failed(_)), "{lie:?}: {conformance}");
        let error = conformance.require_passed().expect_err("it lies");
        assert!(error.to_string().contains(found), "{lie:?}: {error}");
    }
}

//! Event stores that violate one requirement each. The suite must find every violation.

mod reader;
mod session;

use async_trait::async_trait;
use koan_backup::event_store::{
    EventReader, EventStore, EventStoreCapabilities, EventStoreSession, conformance,
};
use koan_backup::provider::conformance::CaseOutcome;
use koan_backup::provider::{Consistency, SessionIntent};
use koan_backup::{MemoryEvents, Result};

use self::reader::LyingReader;
use self::session::LyingSession;

/// How a store violates its contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Violation {
    /// The last event of each stream is not read.
    DropsLastEvent,
    /// Every event is read twice.
    DoublesEvents,
    /// Metadata is not stored.
    LosesMetadata,
    /// Timestamps are not stored.
    LosesTimestamps,
    /// White space in payloads is not stored.
    CompactsPayloads,
    /// Events after the opened version are read.
    ReadsTornTail,
    /// The reader returns current data.
    ReadsCurrentData,
    /// A stream with chunks seems to be empty.
    ReadsNoChunks,
    /// Terminated streams are not opened.
    OmitsTerminatedStreams,
    /// Ids are ordered without regard to case.
    OrdersWithoutCase,
    /// Removing `a%` removes all ids that begin with `a`.
    RemovesByPattern,
    /// The first id of each page after the first is omitted.
    SkipsIds,
    /// All events are in one batch.
    JoinsBatches,
    /// Aggregates without events are not listed.
    ListsOnlyEvents,
    /// Snapshots are counted and not read.
    LosesSnapshots,
    /// Snapshots after the opened version are read.
    ReadsLaterSnapshots,
    /// All documents are read from current data.
    ReadsCurrentDocuments,
    /// Snapshots without their event are omitted from the snapshots of their aggregate.
    OmitsDamagedSnapshots,
    /// Attributes of documents are not stored.
    LosesAttributes,
    /// All positions are assigned again.
    ReassignsPositions,
    /// Events of other object names are not found by their positions.
    FindsPositionsOfOneObject,
    /// Versions are assigned by the store.
    FillsGaps,
    /// A removal from a version on removes nothing.
    NeverTruncates,
    /// A removal reports nothing.
    CountsNoRemovals,
    /// A session reads the committed data only.
    ReadsNoOwnChanges,
    /// A rollback commits.
    CommitsRollbacks,
    /// Events are committed when they are appended.
    CommitsEarly,
    /// A commit that failed is reported as success.
    ReportsFailedCommits,
    /// The store does not declare what it contains, and accepts it.
    DeclaresNothing,
}

/// A store that violates one requirement and forwards all other work to a store in memory.
#[derive(Clone, Debug)]
struct LyingStore {
    violation: Violation,
    memory: MemoryEvents,
}

#[async_trait]
impl EventStore for LyingStore {
    fn kind(&self) -> &'static str {
        "lying"
    }

    fn capabilities(&self) -> EventStoreCapabilities {
        match self.violation {
            Violation::DeclaresNothing => EventStoreCapabilities::default(),
            _ => self.memory.capabilities(),
        }
    }

    fn consistency(&self) -> Consistency {
        Consistency::Snapshot
    }

    async fn reader(&self) -> Result<Box<dyn EventReader>> {
        Ok(Box::new(LyingReader::new(self.clone(), self.memory.reader().await?)))
    }

    async fn begin_restore(&self, intent: SessionIntent) -> Result<Box<dyn EventStoreSession>> {
        Ok(Box::new(LyingSession::new(self.clone(), self.memory.begin_restore(intent).await?)))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_violates_a_requirement_does_not_conform() {
    let round_trip = "events are read as they were written";
    for (violation, found) in [
        (Violation::DropsLastEvent, round_trip),
        (Violation::DoublesEvents, round_trip),
        (Violation::LosesMetadata, round_trip),
        (Violation::LosesTimestamps, "each optional value of an event is preserved or refused"),
        (Violation::CompactsPayloads, "the exact text of payloads and metadata is preserved"),
        (Violation::ReadsTornTail, "a stream is read up to the version at which it was opened"),
        (Violation::ReadsCurrentData, "a reader with snapshot consistency reads one point in time"),
        (Violation::ReadsNoChunks, "a stream in chunks is read completely"),
        (Violation::OmitsTerminatedStreams, "terminated streams are read before the active stream"),
        (Violation::OrdersWithoutCase, "object names and object ids are ordered by their bytes"),
        (Violation::RemovesByPattern, "ids that resemble paths, patterns or each other are distinct"),
        (Violation::SkipsIds, "object ids are listed in pages"),
        (Violation::JoinsBatches, "a batch contains about a mebibyte"),
        (Violation::ListsOnlyEvents, "an aggregate that has only a document is found"),
        (Violation::LosesSnapshots, "snapshots are read as they were written"),
        (Violation::ReadsLaterSnapshots, "snapshots after the opened version are omitted"),
        (
            Violation::ReadsCurrentDocuments,
            "a reader uses the same state of an aggregate for all that it reads",
        ),
        (
            Violation::OmitsDamagedSnapshots,
            "a snapshot without its event is refused, or found by the read of its aggregate",
        ),
        (Violation::LosesAttributes, "documents are read as they were written"),
        (Violation::ReassignsPositions, "positions are preserved, and assigned where they are missing"),
        (Violation::FindsPositionsOfOneObject, "events of all object names are found by their positions"),
        (Violation::FillsGaps, "a gap in the versions is refused, or found by the read"),
        (Violation::NeverTruncates, "a stream that is written again contains each event once"),
        (Violation::CountsNoRemovals, "an aggregate is removed completely, and the removal is counted"),
        (Violation::ReadsNoOwnChanges, "a session reads what it has written"),
        (Violation::CommitsRollbacks, "a session that was rolled back or dropped leaves nothing"),
        (Violation::CommitsEarly, "nothing of a session is visible before its commit"),
        (Violation::ReportsFailedCommits, "two sessions do not write the same stream"),
        (Violation::ReportsFailedCommits, "an event that exists is refused"),
        (
            Violation::ReportsFailedCommits,
            "a session is not committed if others have changed a stream that it has read",
        ),
        (Violation::DeclaresNothing, "a document is refused"),
        (Violation::DeclaresNothing, "a second stream of an aggregate is refused"),
        (Violation::DeclaresNothing, "a snapshot is refused"),
    ] {
        let empty =
            async || Ok(conformance::provider_of(LyingStore { violation, memory: MemoryEvents::new() }));
        let conformance = conformance::run_where(|name| name == found, empty).await.expect("a store");
        let case = conformance.cases.iter().find(|case| case.name == found).expect("the case exists");
        assert!(matches!(case.outcome, CaseOutcome::Failed(_)), "{violation:?}: {conformance}");
    }
}

#[tokio::test]
async fn a_provider_without_an_event_store_and_an_unknown_case_are_errors() {
    let memory = async || Ok(std::sync::Arc::new(koan_backup::Memory::new()) as _);
    let error = conformance::run(memory).await.expect_err("the provider has no event store");
    assert!(error.to_string().contains("has no event store"), "{error}");
    let empty = async || Ok(conformance::provider_of(MemoryEvents::new()));
    let error = conformance::run_where(|name| name == "no such case", empty).await.expect_err("no such case");
    assert!(error.to_string().contains("selects no case"), "{error}");
}

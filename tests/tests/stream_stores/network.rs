//! Connections that are cut during single backups and restores.

use koan_backup::prelude::*;
use koan_backup::{ConflictMode, ErrorKind};
use koan_backup_tests::proxy::{Fault, Proxy, Trouble};
use koan_backup_tests::stores::S3s;

use crate::stores::{Content, Machine, OBJECT, TestEvents};

const ID: &str = "order-17";

struct Bucket {
    events: TestEvents,
    koan: Koan,
    proxy: Proxy,
    _machine: Machine,
    _server: S3s,
}

impl Bucket {
    async fn start() -> Self {
        let (server, machine, events) = (S3s::start(), Machine::new(), TestEvents::memory());
        let proxy = Proxy::before(server.port());
        let storage = server.storage_at_port(proxy.port(), "shop").open().expect("a profile");
        events.append(ID, 0..5).await;
        let koan = machine.koan(&events, &storage).await;
        Self { events, koan, proxy, _machine: machine, _server: server }
    }

    fn orders(&self) -> koan_backup::streams::Streams {
        self.koan.streams(OBJECT).expect("declared")
    }

    async fn content(&self) -> Content {
        self.events.content().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_once_does_not_fail_a_backup() {
    let bucket = Bucket::start().await;
    let mut made = Vec::new();
    for target in [".json", ".meta"] {
        for trouble in [Trouble::CutInRequest, Trouble::ResponseLost, Trouble::Status(503)] {
            bucket.proxy.fail([Fault::once("PUT", target, trouble)]);
            let handle = bucket.orders().backup(ID).await;
            made.push(handle.unwrap_or_else(|error| panic!("{target} {trouble:?}: {}", error.chain())));
            assert!(!bucket.proxy.requests("PUT", target).is_empty(), "{target} is written");
            bucket.proxy.fail([]);
            let mut listed = bucket.koan.stream_backups().await.expect("listed").backups;
            listed.sort_by_key(|handle| handle.id);
            made.sort_by_key(|handle| handle.id);
            assert_eq!(listed, made, "{target} {trouble:?}");
        }
    }
    for handle in &made {
        let verified = bucket.koan.verify_stream_backup(handle).await.expect("read");
        verified.require_valid().expect("the backup is valid");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_requests_leave_no_backup_and_restore_nothing() {
    let bucket = Bucket::start().await;
    for target in [".json", ".meta"] {
        bucket.proxy.fail([Fault::always("PUT", target, Trouble::Status(403))]);
        let error = bucket.orders().backup(ID).await.expect_err("the store refuses");
        assert_eq!(error.kind(), ErrorKind::Storage, "{target}: {}", error.chain());
        bucket.proxy.fail([]);
        assert!(bucket.koan.stream_backups().await.expect("listed").backups.is_empty(), "{target}");
    }
    let handle = bucket.orders().backup(ID).await.expect("made");
    let restored = bucket.content().await;
    bucket.events.append(ID, 5..7).await;
    let before = bucket.content().await;
    bucket.proxy.fail([Fault::always("GET", ".json", Trouble::Status(403))]);
    let overwrite = || bucket.orders().restore(&handle).on_conflict(ConflictMode::Overwrite);
    let error = overwrite().await.expect_err("the store refuses");
    assert_eq!(error.kind(), ErrorKind::Storage, "{}", error.chain());
    assert!(bucket.content().await == before, "a failed restore changed the event store");
    for trouble in [Trouble::CutInResponse(10), Trouble::ResponseLost, Trouble::Status(503)] {
        bucket.proxy.fail([Fault::once("GET", ".json", trouble)]);
        match overwrite().await {
            Ok(_) => assert!(bucket.content().await == restored, "{trouble:?}"),
            Err(error) => assert!(bucket.content().await == before, "{trouble:?}: {}", error.chain()),
        }
    }
    bucket.proxy.fail([]);
    overwrite().await.expect("restored");
    assert!(bucket.content().await == restored);
}

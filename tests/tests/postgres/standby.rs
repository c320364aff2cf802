//! A standby that cancels a read because of a conflict with replication.

use koan_backup::prelude::*;
use koan_backup::{CancellationToken, Event};
use koan_backup_tests::postgres::Server;
use koan_backup_tests::wait;
use serde::{Deserialize, Serialize};

use super::fixture::koan_of;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Parcel {
    id: i64,
    content: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Truck {
    id: i64,
    content: String,
}

const TABLES: &str = "
    DROP TABLE IF EXISTS parcel, truck;
    CREATE TABLE parcel (id bigint PRIMARY KEY, content text NOT NULL);
    CREATE TABLE truck (id bigint PRIMARY KEY, content text NOT NULL);
    INSERT INTO parcel SELECT g, repeat(md5(g::text), 20) FROM generate_series(1, 40000) g;
    INSERT INTO truck SELECT g, repeat(md5(g::text), 20) FROM generate_series(1, 2000) g;";

/// Returns whether the replay process of a standby waits for a session, according to the title of the
/// process.
fn replay_waits(standby: &Server) -> bool {
    let process = standby.sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'startup'");
    let title =
        std::fs::read_to_string(format!("/proc/{process}/cmdline")).expect("the title of the replay process");
    title.contains("waiting")
}

/// Returns the end of the write-ahead log, and commits a transaction after it. The commit ensures that replay
/// reaches the returned position, even if it is the position of the first record of a page.
fn end_of_log(primary: &Server) -> String {
    let position = primary.sql("SELECT pg_current_wal_insert_lsn()");
    primary.sql("SELECT txid_current()");
    position
}

/// Returns whether a standby has replayed the write-ahead log up to a position.
fn has_replayed(standby: &Server, position: &str) -> bool {
    standby.sql(&format!("SELECT pg_last_wal_replay_lsn() >= '{position}'")) == "t"
}

/// Returns the error of a backup of the standby. The statements of `conflict` run on the primary after the
/// first batch of parcels was read.
async fn error_of_conflict(primary: &Server, standby: &Server, conflict: &[&str]) -> String {
    let connections = 1.try_into().expect("the number of connections is not zero");
    let database =
        Postgres::options(standby.address()).connections(connections).connect().expect("an address");
    let koan = koan_of(database, |builder| builder.register::<Parcel>().register::<Truck>()).await;
    let (reached, read_cancelled) = (CancellationToken::new(), CancellationToken::new());
    let (notify, awaited, context) = (reached.clone(), read_cancelled.clone(), koan.clone());
    let backup = tokio::spawn(async move {
        context
            .backup("of-the-standby")
            .batch_size(500)
            .on_event(move |event| {
                if matches!(event, Event::BatchRead { .. }) {
                    notify.cancel();
                    wait::until_blocking("the standby has cancelled the read", || awaited.is_cancelled());
                }
            })
            .await
    });
    reached.cancelled().await;
    // Each statement runs separately, because VACUUM cannot run in a transaction.
    for statement in conflict {
        primary.sql(statement);
    }
    // The standby ends conflicting sessions one after another. An idle session ends immediately. A session
    // that sends data ends only when its client continues to read, and replay waits until then.
    let conflict_end = end_of_log(primary);
    let condition = format!("the replay of {conflict:?} on the standby ends or waits for a session");
    wait::until_sync(&condition, || replay_waits(standby) || has_replayed(standby, &conflict_end)).await;
    read_cancelled.cancel();
    let error = match backup.await.expect("the task did not panic") {
        Ok(report) => panic!("{conflict:?}: the backup of {} records did not fail", report.item_count()),
        Err(error) => error,
    };
    for manifest in koan.backups().await.expect("listed") {
        assert!(!manifest.status.is_complete(), "{conflict:?}: {:?}", manifest.status);
    }
    error.chain()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_a_standby_cancels_fails_the_backup_with_a_remedy() {
    let primary = Server::start();
    let standby = primary.standby(&["max_standby_streaming_delay=0", "hot_standby_feedback=off"]);
    for conflict in [
        &["DELETE FROM parcel WHERE id % 2 = 0", "VACUUM parcel"][..],
        &["TRUNCATE parcel"],
        &["DROP TABLE parcel"],
        // These statements conflict with a table that is read later.
        &["TRUNCATE truck"],
        &["DROP TABLE truck"],
    ] {
        primary.sql(TABLES);
        let tables_end = end_of_log(&primary);
        wait::until_sync("the standby has replayed the tables", || has_replayed(&standby, &tables_end)).await;
        let text = error_of_conflict(&primary, &standby, conflict).await;
        assert!(text.contains("hot_standby_feedback = on"), "{conflict:?}: {text}");
    }
}

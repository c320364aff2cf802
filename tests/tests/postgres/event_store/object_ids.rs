//! The object ids of an event store, which are read in pages.

use koan_backup::CqrsEs;
use koan_backup::provider::Provider as _;
use koan_backup_tests::cqrs_es_tables::POSTGRES as CQRS_ES;
use koan_backup_tests::postgres::Server;

use super::store;

/// Reads the ids of the object name `order` in pages of three, and requires that they are complete and ordered by bytes.
async fn require_ids(server: &Server, column: &str, ids: &[&str]) {
    let rows = |first: usize| {
        let values = ids.iter().skip(first).map(|id| format!("('order', '{id}')")).collect::<Vec<_>>();
        format!("(VALUES {}) AS i(object, id)", values.join(", "))
    };
    // The first id has only a snapshot.
    server.sql(&format!(
        "DROP TABLE IF EXISTS events, snapshots; {};
         INSERT INTO events SELECT object, id::{column}, s, 'Placed', '1.0', '{{}}', '{{}}'
             FROM {}, generate_series(1, 4) s;
         INSERT INTO events SELECT 'other', id::{column}, 1, 'Placed', '1.0', '{{}}', '{{}}' FROM {};
         INSERT INTO snapshots SELECT object, id::{column}, 1, 1, '{{}}' FROM {}",
        CQRS_ES.replace("aggregate_id text", &format!("aggregate_id {column}")),
        rows(1),
        rows(0),
        rows(0),
    ));
    let store = store(server, CqrsEs::tables());
    let snapshot = store.snapshot().await.expect("a snapshot");
    let reader = snapshot.events().expect("an event store");
    let (mut read, mut last) = (Vec::new(), None);
    loop {
        let page = reader.object_ids("order", last.as_deref(), 3).await.expect("a page");
        let Some(end) = page.last() else { break };
        last = Some(end.clone());
        read.extend(page);
    }
    let mut expected = ids.to_vec();
    expected.sort_unstable();
    assert_eq!(read, expected, "{column}");
    // An id that a column of another type cannot contain precedes or follows its ids.
    let after = reader.object_ids("order", Some("5a"), 100).await.expect("ids");
    assert_eq!(after, expected.iter().copied().filter(|id| *id > "5a").collect::<Vec<_>>(), "{column}");
}

#[tokio::test(flavor = "multi_thread")]
async fn object_ids_are_complete_and_ordered_by_their_bytes_in_each_type() {
    let server = Server::start();
    let texts = [
        "b", "B", "a", "A", "ab", "Ab", "a b", "a-b", "ä", "Ä", "z", "Z", "é", "日本", "🦀", "10", "9", "5a",
    ];
    for column in [
        "text COLLATE \"C\"",
        "varchar(20) COLLATE \"POSIX\"",
        "text",
        "text COLLATE \"und-x-icu\"",
        "char(5) COLLATE \"C\"",
    ] {
        require_ids(&server, column, &texts).await;
    }
    let uuids = [
        "00000000-0000-0000-0000-000000000001",
        "9fffffff-0000-4000-8000-000000000000",
        "a0000000-0000-4000-8000-000000000000",
        "a0000000-0000-4000-8000-00000000000a",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
    ];
    require_ids(&server, "uuid", &uuids).await;
    require_ids(&server, "bigint", &["1", "2", "10", "19", "100", "-3"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_object_ids_reads_the_index_and_not_all_events() {
    let server = Server::start();
    for (column, is_read) in [("text COLLATE \"C\"", false), ("text COLLATE \"und-x-icu\"", true)] {
        server.sql(&format!(
            "DROP TABLE IF EXISTS events, snapshots; {};
             INSERT INTO events SELECT 'order', lpad(o::text, 5, '0'), s, 'Placed', '1.0', '{{}}', '{{}}'
                 FROM generate_series(1, 2000) o, generate_series(1, 10) s",
            CQRS_ES.replace("aggregate_id text", &format!("aggregate_id {column}")),
        ));
        server.sql("VACUUM ANALYZE events");
        server.sql("SELECT pg_stat_reset()");
        let store = store(&server, CqrsEs::tables());
        let snapshot = store.snapshot().await.expect("a snapshot");
        let reader = snapshot.events().expect("an event store");
        let page = reader.object_ids("order", Some("00100"), 3).await.expect("a page");
        assert_eq!(page, ["00101", "00102", "00103"], "{column}");
        drop(snapshot);
        drop(store);
        server.until_sessions_ended();
        let read = "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) > 1000
            OR (SELECT sum(idx_tup_read) > 1000 FROM pg_stat_user_indexes WHERE relname = 'events')
            FROM pg_stat_user_tables WHERE relname = 'events'";
        assert_eq!(server.sql(read), if is_read { "t" } else { "f" }, "{column}");
    }
}

//! Tables are found and read completely, in order and from one snapshot.

use koan_backup::prelude::*;
use koan_backup::{
    KoanBuilder, SetName,
    entity::EntityCodec,
    provider::{Provider as _, ReadRequest, RecordSink},
    report::BackupReport,
};
use koan_backup_tests::postgres::{Server, VERSIONS};
use koan_backup_tests::wait;
use serde::{Deserialize, Serialize};

use super::fixture::{all, koan, koan_of, read_error};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
#[entity(table = "sales.orders")]
struct Order {
    id: i64,
    note: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
#[entity(table = "Mixed \"Case\"", key = "name")]
struct Mixed {
    name: String,
    #[entity(column = "Ümläut; DROP TABLE x")]
    strange: i32,
    user_id: Option<i32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct LogEntry {
    id: i64,
    year: i32,
    message: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Animal {
    id: i64,
    name: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_found_in_other_schemas_in_any_case_and_with_any_characters() {
    let server = Server::start();
    server.sql(r#"CREATE SCHEMA sales; CREATE TABLE sales.orders (id bigint PRIMARY KEY, note text NOT NULL);
        INSERT INTO sales.orders VALUES (1, 'one');
        CREATE TABLE "Mixed ""Case""" (name text PRIMARY KEY, "Ümläut; DROP TABLE x" int NOT NULL, "userId" int);
        INSERT INTO "Mixed ""Case""" VALUES ('z', 1, NULL), ('A', 2, 5), ('é', 3, 6), ('a', 4, 7);
        CREATE TABLE "LogEntry" (id bigint PRIMARY KEY, year int NOT NULL, message text NOT NULL);
        INSERT INTO "LogEntry" VALUES (1, 2024, 'm'); CREATE TABLE sales.spare (id int); CREATE VIEW v AS SELECT 1;"#);
    let koan = koan(&server, |b| b.register::<Order>().register::<Mixed>().register::<LogEntry>()).await;
    assert_eq!(koan.inventory().warnings, ["table `sales.spare` of `main` belongs to no entity"]);
    assert_eq!(all::<Order>(&koan).await, [Order { id: 1, note: "one".to_owned() }]);
    let names: Vec<String> = all::<Mixed>(&koan).await.into_iter().map(|mixed| mixed.name).collect();
    assert_eq!(
        names,
        ["A", "a", "z", "é"],
        "keys must be in the order of their bytes, independent of the collation of the database"
    );
    assert_eq!(all::<LogEntry>(&koan).await.len(), 1);
    let record = koan.data::<Mixed>().get(&"é".to_owned()).await.expect("read");
    assert_eq!(record.map(|mixed| (mixed.strange, mixed.user_id)), Some((3, Some(6))));
    assert!(koan.data::<Mixed>().get(&"'; DROP TABLE v; --".to_owned()).await.expect("read").is_none());
    assert_eq!(koan.data::<Mixed>().count().await.expect("counted"), 4);
    let connected =
        Postgres::options(server.address()).schema("sales").ignore_table("spare", "spare").connect();
    let database = connected.expect("an address");
    server.sql("CREATE TABLE public.spare (id int)");
    let described = database.describe(&[]).await.expect("described");
    assert!(described.unmapped_tables.contains(&"orders".to_owned()), "{:?}", described.unmapped_tables);
    let unmapped_table = "public.spare".to_owned();
    assert!(described.unmapped_tables.contains(&unmapped_table), "{:?}", described.unmapped_tables);
    assert!(!described.unmapped_tables.contains(&"spare".to_owned()), "{:?}", described.unmapped_tables);
    assert!(described.version.starts_with("PostgreSQL 15"), "{}", described.version);
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_read_with_their_table_and_inheriting_tables_separately() {
    let server = Server::start();
    server.sql("CREATE TABLE log_entry (id bigint, year int, message text NOT NULL, PRIMARY KEY (id, year)) PARTITION BY LIST (year);
        CREATE TABLE log_2023 PARTITION OF log_entry FOR VALUES IN (2023);
        CREATE TABLE log_rest PARTITION OF log_entry DEFAULT;
        INSERT INTO log_entry VALUES (3, 2023, 'a'), (1, 2024, 'b'), (2, 1999, 'c');
        CREATE TABLE animal (id bigint PRIMARY KEY, name text NOT NULL); CREATE TABLE dog (breed text) INHERITS (animal);
        INSERT INTO animal VALUES (1, 'cat'); INSERT INTO dog VALUES (2, 'rex', 'boxer')");
    let koan = koan(&server, |builder| builder.register::<LogEntry>().register::<Animal>()).await;
    assert_eq!(
        koan.inventory().warnings,
        ["table `dog` of `main` belongs to no entity"],
        "the warnings must not contain a partition"
    );
    let ids: Vec<i64> = all::<LogEntry>(&koan).await.into_iter().map(|entry| entry.id).collect();
    assert_eq!(ids, [1, 2, 3]);
    assert_eq!(
        all::<Animal>(&koan).await.len(),
        1,
        "the row of the inheriting table `dog` must be reported and not read"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn relations_that_are_not_tables_are_refused_with_a_remedy() {
    let server = Server::start();
    server.sql("CREATE VIEW animal AS SELECT 1::bigint AS id, 'x'::text AS name; CREATE TABLE orders (id bigint, note text)");
    let koan = koan(&server, |builder| builder.register::<Animal>().register::<Order>()).await;
    let warnings = koan.inventory().warnings.join("\n");
    assert!(warnings.contains("`animal`, which is a view"), "{warnings}");
    assert!(warnings.contains("there is no table `sales.orders`"), "{warnings}");
    let text = read_error::<Animal>(&koan).await;
    assert!(text.contains("which is a view"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_set_is_a_table_with_the_name_of_the_set_as_suffix() {
    let server = Server::start();
    server.sql(r#"CREATE TABLE animal (id bigint PRIMARY KEY, name text NOT NULL); INSERT INTO animal VALUES (1, 'cat');
        CREATE TABLE "animal#zoo" (LIKE animal); INSERT INTO "animal#zoo" VALUES (1, 'lion'), (2, 'bear');
        CREATE TABLE "animal#root" (LIKE animal)"#);
    let koan = koan(&server, |builder| builder.register::<Animal>()).await;
    let warnings = koan.inventory().warnings.join("\n");
    assert!(warnings.contains("`animal#root (not used as a set"), "{warnings}");
    let backup = koan.backup("zoo").await.expect("a backup");
    let counts: Vec<_> = backup
        .manifest()
        .entities
        .iter()
        .map(|entity| (entity.set.as_str().to_owned(), entity.item_count))
        .collect();
    assert_eq!(counts, [("root".to_owned(), 1), ("zoo".to_owned(), 2)]);
    let lions = koan.data::<Animal>().set(SetName::new("zoo").expect("a name")).get(&1).await.expect("read");
    assert_eq!(lions.map(|lion| lion.name).as_deref(), Some("lion"));
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Account {
    id: i64,
    balance: i64,
    padding: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Transfer {
    id: i64,
    amount: i64,
    padding: String,
}

pub(super) const BANK: &str = "
    CREATE TABLE account (id bigint PRIMARY KEY, balance bigint NOT NULL, padding text NOT NULL);
    CREATE TABLE transfer (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, amount bigint NOT NULL, padding text NOT NULL);
    INSERT INTO account SELECT g, 0, repeat('x', 200) FROM generate_series(1, 40000) g;
    INSERT INTO transfer (amount, padding) SELECT 0, repeat('y', 200) FROM generate_series(1, 40000) g;";

#[tokio::test(flavor = "multi_thread")]
async fn all_connections_read_the_same_snapshot_despite_concurrent_writes() {
    for version in VERSIONS {
        let server = Server::of_version(version);
        server.sql(BANK);
        let mut writer = server.spawn_sql(
            "DO $$ BEGIN FOR i IN 1..100000 LOOP
                 UPDATE account SET balance = balance + 1 WHERE id = i % 40000 + 1;
                 INSERT INTO transfer (amount, padding) VALUES (1, ''); COMMIT;
             END LOOP; END $$",
        );
        let storage = tempfile::tempdir().expect("a directory");
        let open_storage = || Storage::local(storage.path()).expect("a directory");
        let register_both = |builder: KoanBuilder| {
            builder.register::<Account>().register::<Transfer>().named_storage("disk", open_storage())
        };
        let koan = koan(&server, register_both).await;
        for round in 0..3 {
            let backup = koan.backup(format!("round-{round}")).to_profile("disk").await.expect("a backup");
            let (balances, transfers) = sums(open_storage(), &backup).await;
            assert_eq!(balances, transfers, "the sums of both tables must be equal in one snapshot");
        }
        let _ = writer.kill();
        let _ = writer.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_sees_the_snapshot_and_no_later_changes() {
    let server = Server::start();
    server.sql(BANK);
    let database = Postgres::connect(server.address()).expect("an address");
    let snapshot = database.snapshot().await.expect("a snapshot");
    server
        .sql("INSERT INTO account VALUES (0, 1, ''); INSERT INTO transfer (amount, padding) VALUES (1, '')");
    let read = async |codec: EntityCodec| {
        let (sink, mut chunks) = RecordSink::channel(codec.clone(), 1000);
        let count_records = async {
            let mut count = 0;
            while let Some(chunk) = chunks.recv().await {
                count += chunk.records().count();
            }
            count
        };
        let reading = snapshot.read(ReadRequest::all(codec, SetName::root()), sink);
        let (read, count) = tokio::join!(reading, count_records);
        read.expect("read");
        count
    };
    let accounts = read(EntityCodec::new(Account::descriptor()));
    let counts = tokio::join!(accounts, read(EntityCodec::new(Transfer::descriptor())));
    assert_eq!(counts, (40_000, 40_000));
}

/// Restores a backup into SQLite and returns the sums of the restored balances and amounts.
async fn sums(storage: Storage, backup: &BackupReport) -> (i64, i64) {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("bank.db");
    rusqlite::Connection::open(&path)
        .expect("a database")
        .execute_batch(
            "CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER, padding TEXT);
                        CREATE TABLE transfer (id INTEGER PRIMARY KEY, amount INTEGER, padding TEXT)",
        )
        .expect("a schema");
    let sqlite = Koan::builder()
        .only_registered()
        .register::<Account>()
        .register::<Transfer>()
        .provider(Sqlite::open(&path).expect("opened"))
        .named_storage("disk", storage)
        .build()
        .await
        .expect("a context");
    let _ = sqlite.restore(backup.id()).await.expect("restored");
    let connection = rusqlite::Connection::open(&path).expect("a database");
    let sum = |sql: &str| connection.query_row(sql, [], |row| row.get(0)).expect("a sum");
    (sum("SELECT sum(balance) FROM account"), sum("SELECT sum(amount) FROM transfer"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_cannot_be_altered_or_emptied_while_it_is_backed_up() {
    let server = Server::start();
    server.sql(BANK);
    let database = Postgres::connect(server.address()).expect("an address");
    let capabilities = database.capabilities();
    assert!(capabilities.snapshot_reads && capabilities.ordered_reads && capabilities.sets);
    let snapshot = database.snapshot().await.expect("a snapshot");
    assert_eq!(snapshot.concurrent_reads(), 2);
    let mut truncate = server.spawn_sql("TRUNCATE account");
    let waiting_locks = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    wait::until_blocking("the truncation waits for its lock", || server.sql(waiting_locks) == "1");
    assert!(
        truncate.try_wait().expect("a child process").is_none(),
        "the truncation must wait until the snapshot is dropped"
    );
    drop(snapshot);
    assert!(truncate.wait().expect("a child process").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_hidden_by_row_level_security_fail_the_read() {
    let server = Server::start();
    server.sql("CREATE TABLE animal (id bigint PRIMARY KEY, name text NOT NULL); INSERT INTO animal VALUES (1, 'cat'), (2, 'dog');
        CREATE ROLE clerk LOGIN; GRANT SELECT ON animal TO clerk;
        ALTER TABLE animal ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON animal USING (id = 1)");
    let database = Postgres::connect(server.address_of("clerk", "test")).expect("an address");
    let koan = koan_of(database, |builder| builder.register::<Animal>()).await;
    let text = read_error::<Animal>(&koan).await;
    assert!(text.contains("row-level security"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_read_by_several_connections() {
    let server = Server::start();
    server.sql("CREATE TABLE animal (id bigint PRIMARY KEY, name text NOT NULL); INSERT INTO animal VALUES (1, 'cat')");
    let standby = server.standby(&["hot_standby=on"]);
    let database = Postgres::connect(standby.address()).expect("an address");
    assert_eq!(database.snapshot().await.expect("a snapshot").concurrent_reads(), 2);
    let koan = koan_of(database, |builder| builder.register::<Animal>()).await;
    let backup = koan.backup("of-the-standby").await.expect("a backup");
    assert_eq!(backup.item_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archive_does_not_depend_on_the_number_of_connections() {
    let server = Server::start();
    server.sql(BANK);
    server.sql(
        "CREATE TABLE animal (id bigint PRIMARY KEY, name text NOT NULL);
        INSERT INTO animal SELECT g, 'cat ' || g FROM generate_series(1, 5000) g;
        CREATE TABLE \"animal#zoo\" (LIKE animal); INSERT INTO \"animal#zoo\" VALUES (2, 'lion')",
    );
    let mut contents = Vec::new();
    for connections in [2, 1, 4] {
        let count = connections.try_into().expect("the number of connections is not zero");
        let database = Postgres::options(server.address()).connections(count).connect().expect("an address");
        assert_eq!(database.snapshot().await.expect("a snapshot").concurrent_reads(), connections);
        let koan = koan_of(database, |builder| {
            builder.register::<Account>().register::<Animal>().register::<Transfer>()
        })
        .await;
        let backup = koan.backup("nightly").await.expect("a backup");
        assert_eq!(backup.item_count(), 85_001);
        let content_of = |entity: &koan_backup::archive::EntityManifest| {
            (entity.entity.clone(), entity.set.clone(), entity.record_set_hash, entity.content_hash.clone())
        };
        contents.push(backup.manifest().entities.iter().map(content_of).collect::<Vec<_>>());
    }
    assert!(
        contents[0].len() == 4 && contents[0].iter().all(|entity| entity.2.is_some()),
        "{:?}",
        contents[0]
    );
    assert_eq!(contents[1], contents[0], "one and two connections must read the same content");
    assert_eq!(contents[2], contents[0], "four and two connections must read the same content");
}

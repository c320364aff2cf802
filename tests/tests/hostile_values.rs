//! Tests round trips of names and values that attempt an injection, for example into SQL, JSON or paths.

use koan_backup::prelude::*;
use proptest::prelude::*;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity(name = "hostile", table = "t\"; drop table users; --", key = "the_key")]
struct Hostile {
    #[entity(column = "k'ey\"")]
    #[serde(rename = "ключ \u{202e}\n")]
    the_key: String,
    #[serde(rename = "value")]
    value: String,
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        Just("'; drop table users; --".to_owned()),
        Just("nul \0 and\r\n\u{2028}\u{202e}lines".to_owned()),
        Just("x".repeat(1 << 20)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn hostile_names_and_values_make_an_exact_round_trip(
        rows in proptest::collection::btree_map(any_text(), any_text(), 0..6),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let directory = tempfile::tempdir().expect("a directory");
            let path = directory.path().join("hostile.db");
            let connection = Connection::open(&path).expect("a database");
            connection.execute_batch(
                "CREATE TABLE \"t\"\"; drop table users; --\" (
                     \"k'ey\"\"\" TEXT PRIMARY KEY, value TEXT NOT NULL);
                 CREATE TABLE users (id INTEGER PRIMARY KEY);",
            ).expect("a schema");
            for (key, value) in &rows {
                let insert = "INSERT INTO \"t\"\"; drop table users; --\" VALUES (?1, ?2)";
                connection.execute(insert, (key, value)).expect("written");
            }
            let koan = Koan::builder()
                .provider(Sqlite::open(&path).expect("opened"))
                .storage(Storage::memory())
                .build()
                .await
                .expect("a context");
            let backup = koan.backup("hostile").await.expect("a backup");
            assert!(koan.verify(backup.id()).await.expect("verified").is_valid());
            koan.data::<Hostile>().clear().await.expect("cleared");
            let _ = koan.restore("hostile").await.expect("restored");
            for (key, value) in &rows {
                let found = koan.data::<Hostile>().get(key).await.expect("read").expect("restored");
                assert_eq!(&found.value, value);
            }
            let count = koan.data::<Hostile>().count().await.expect("counted");
            assert_eq!(count, u64::try_from(rows.len()).expect("a length fits into u64"));
        });
    }
}

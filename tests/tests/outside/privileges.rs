//! Privileges that a restore needs beside those on its tables.

use koan_backup::prelude::*;
use koan_backup_tests::postgres::Server;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Item {
    id: i64,
    name: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_create_no_temporary_table_is_told_before_the_restore() {
    let server = Server::start();
    server.sql(
        "CREATE ROLE clerk LOGIN; REVOKE TEMPORARY ON DATABASE test FROM PUBLIC;
         CREATE TABLE item (id bigint PRIMARY KEY, name text NOT NULL); INSERT INTO item VALUES (1, 'a'), (2, 'b');
         GRANT SELECT, INSERT, UPDATE, DELETE ON item TO clerk",
    );
    let database = Postgres::connect(server.address_of("clerk", "test")).expect("an address");
    let builder = Koan::builder().only_registered().provider("main", database).register::<Item>();
    let koan = builder.storage("local", Storage::memory()).build().await.expect("a context");
    koan.backup("nightly").await.expect("a backup");
    server.sql("DELETE FROM item WHERE id = 2");
    for replaces in [false, true] {
        let restore = || match replaces {
            true => koan.restore("nightly").replace_existing(),
            false => koan.restore("nightly"),
        };
        let found = restore().viability().await.expect("assessed");
        let is_told = |text: &str| text.contains("GRANT TEMPORARY ON DATABASE");
        assert!(
            !found.is_viable() && found.findings.iter().any(|found| is_told(&found.message)),
            "{found:?}"
        );
        let error = restore().await.expect_err("there is no place to compare records in");
        assert!(is_told(&error.chain()), "{}", error.chain());
    }
    // An empty table is filled directly.
    server.sql("DELETE FROM item");
    assert!(koan.restore("nightly").viability().await.expect("assessed").is_viable());
    koan.restore("nightly").await.expect("restored");
    assert_eq!(server.sql("SELECT * FROM item ORDER BY id"), "1|a\n2|b");
}

//! Keys of unusual types: a restore writes them with the spelling of the archive, and a second restore
//! changes no row.

use koan_backup::prelude::*;
use koan_backup_tests::postgres::Server;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Word {
    id: String,
    note: String,
}

/// A column type, a key, an equal key that may be spelled differently, and a different key.
const KEYS: [(&str, &str, &str, &str); 17] = [
    ("timestamptz", "2026-11-29 12:00:00+00", "2026-11-29 13:00:00+01", "infinity"),
    ("timestamp", "0044-03-15 12:00:00 BC", "0044-03-15 12:00:00 BC", "294276-12-31 23:59:59"),
    ("date", "0001-01-01 BC", "0001-01-01 BC", "5874897-12-31"),
    ("inet", "10.0.0.1", "10.0.0.1/32", "10.0.0.1/24"),
    ("macaddr", "08:00:2b:01:02:03", "08-00-2B-01-02-03", "08:00:2b:01:02:04"),
    ("numeric", "NaN", "NaN", "Infinity"),
    ("bit varying(20)", "", "", "0"),
    ("money", "1.00", "$1", "-1,000.50"),
    ("numeric[]", "{1.0}", "{1.00}", "{2}"),
    ("float8[]", "{-0}", "{0}", "{NaN}"),
    ("interval[]", "{24:00:00}", "{1 day}", "{2 days}"),
    ("bpchar[]", "{\"ab\"}", "{\"ab \"}", "{b}"),
    ("jsonb", "{\"a\": 1.0}", "{\"a\": 1.00}", "{\"a\": 2}"),
    ("numrange", "[1.0,2.0)", "[1.00,2.00)", "empty"),
    ("nummultirange", "{[1.0,2.0)}", "{[1.00,2.00)}", "{}"),
    ("posnum", "1.0", "1.00", "2"),
    ("pair", "(1.0,a)", "(1.00,a)", "(,)"),
];

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_unusual_types_are_matched_by_the_equality_of_the_type_and_written_as_in_the_archive() {
    let server = Server::start();
    server.sql("CREATE DOMAIN posnum AS numeric; CREATE TYPE pair AS (n numeric, t text)");
    for (column_type, key, equal_key, different_key) in KEYS {
        server.sql(&format!(
            "DROP TABLE IF EXISTS word; CREATE TABLE word (id {column_type} PRIMARY KEY, note text NOT NULL);
             INSERT INTO word VALUES ('{key}', 'one'), ('{different_key}', 'two')"
        ));
        let database = Postgres::connect(server.address()).expect("an address");
        let builder = Koan::builder().only_registered().provider(database).register::<Word>();
        let koan = builder.storage(Storage::memory()).build().await.expect(column_type);
        let _ = koan.backup("nightly").await.expect(column_type);
        let rows = "SELECT id::text, note FROM word ORDER BY note";
        let rows_before = server.sql(rows);
        for is_replacement in [false, true] {
            server.sql(&format!(
                "UPDATE word SET id = '{equal_key}' WHERE note = 'one'; DELETE FROM word WHERE note = 'two'"
            ));
            let restore = || match is_replacement {
                true => koan.restore("nightly").replace_existing(),
                false => koan.restore("nightly"),
            };
            let dry_counts = restore().dry_run().await.expect(column_type).counts();
            assert_eq!(
                (dry_counts.inserted, dry_counts.updated + dry_counts.unchanged),
                (1, 1),
                "{column_type}"
            );
            assert_eq!(restore().await.expect(column_type).counts(), dry_counts, "{column_type}");
            assert_eq!(server.sql(rows), rows_before, "{column_type}");
            assert_eq!(restore().dry_run().await.expect(column_type).counts().unchanged, 2, "{column_type}");
        }
    }
}

//! Dangling references are reported with their keys, without other values of the rows.

use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;
use koan_backup::prelude::*;
use koan_backup_tests::postgres::Server;
use koan_backup_tests::reported_restore::restore_as_reported;
use serde::{Deserialize, Serialize};

use super::fixture::koan_of;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
#[entity(key = "country, code")]
struct Region {
    country: String,
    code: i32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
#[entity(table = "north.site", key = "name, number")]
struct Site {
    name: String,
    number: i32,
    country: Option<String>,
    code: Option<i32>,
    note: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup(encrypt)]
#[entity(key = "email")]
struct Visitor {
    email: String,
    country: String,
    code: i32,
}

const TABLES: &str = "
    CREATE SCHEMA north;
    CREATE TABLE region (country text, code int, PRIMARY KEY (code, country));
    CREATE TABLE old (country text, code int);
    INSERT INTO old VALUES ('DD', 1);
    ALTER TABLE old ADD CONSTRAINT old_of FOREIGN KEY (country, code) REFERENCES region (country, code) NOT VALID;
    CREATE TABLE north.site (name text, number int, country text, code int, note text NOT NULL, PRIMARY KEY (name, number),
        CONSTRAINT \"of a Region\" FOREIGN KEY (country, code) REFERENCES region (country, code));
    CREATE TABLE visitor (email text PRIMARY KEY, country text NOT NULL, code int NOT NULL,
        CONSTRAINT visitor_of FOREIGN KEY (code, country) REFERENCES region (code, country));
    INSERT INTO region SELECT 'CH', g FROM generate_series(1, 20) g;
    INSERT INTO north.site SELECT 'it''s', g, CASE WHEN g < 15 THEN 'CH' END, g, 's3cret' FROM generate_series(1, 20) g;
    INSERT INTO visitor SELECT 's3cret-' || g, 'CH', g FROM generate_series(1, 3) g;";

async fn context(server: &Server) -> Koan {
    let identity = Identity::generate();
    let recipient = Recipients::keys([identity.to_public().to_string()]).expect("a public key");
    let key = identity.to_string();
    koan_of(Postgres::connect(server.address()).expect("an address"), |builder| {
        let builder = builder.register::<Region>().register::<Site>().register::<Visitor>();
        builder.encrypt_to(recipient).keys(Keys::text(key.expose_secret()))
    })
    .await
}

fn state(server: &Server) -> String {
    let rows = server.sql("TABLE region; TABLE north.site; TABLE visitor");
    format!("{rows}\n{}", server.schema())
}

#[tokio::test(flavor = "multi_thread")]
async fn dangling_references_are_reported_with_constraint_and_key() {
    let server = Server::start();
    server.sql(TABLES);
    let koan = context(&server).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    server.sql(
        "DELETE FROM visitor; DELETE FROM north.site; DELETE FROM region WHERE code > 12 OR code IN (1, 2)",
    );
    let before = state(&server);
    for level in [RestoreLevel::Fast, RestoreLevel::Balanced, RestoreLevel::Safe] {
        let error = restore_as_reported(|| koan.restore("nightly").entity::<Site>().level(level))
            .await
            .expect_err("the rows refer to regions that do not exist");
        assert_eq!(error.kind(), ErrorKind::Constraint);
        assert_eq!(
            error.chain(),
            "4 rows of table `north.site` would refer to rows of table `region` that do not exist, among them \
             `name=\"it\\'s\", number=1`, `name=\"it\\'s\", number=2`, `name=\"it\\'s\", number=13`, `name=\"it\\'s\", number=14` (constraint \
             `of a Region`); restore the entity of table `region` as well",
            "{level:?}"
        );
        assert_eq!(state(&server), before, "{level:?}");
        let dry_run = koan.restore("nightly").entity::<Site>().level(level).dry_run().await;
        assert_eq!(
            dry_run.expect_err("the rows refer to regions that do not exist").chain(),
            error.chain(),
            "{level:?}"
        );

        let error = restore_as_reported(|| koan.restore("nightly").entity::<Visitor>().level(level))
            .await
            .expect_err("the rows refer to regions that do not exist");
        assert_eq!(
            error.chain(),
            "2 rows of table `visitor` would refer to rows of table `region` that do not exist (constraint `visitor_of`); restore \
             the entity of table `region` as well",
            "keys of an encrypted entity must not be shown: {level:?}"
        );
        assert_eq!(state(&server), before, "{level:?}");
    }
    let _ = koan.restore("nightly").dry_run().await.expect("compared together with the referenced rows");
    let _ = koan.restore("nightly").await.expect("restored together with the referenced rows");

    server.sql("DELETE FROM north.site WHERE number < 13; DELETE FROM visitor");
    let before = state(&server);
    server
        .sql("INSERT INTO region VALUES ('AT', 1); INSERT INTO north.site VALUES ('s3cret', 1, 'AT', 1, '')");
    let before_replacement = state(&server);
    let dry_run = koan.restore("nightly").entity::<Region>().replace_existing().dry_run();
    let dry_run_error =
        dry_run.await.expect_err("a site refers to a region that the restore deletes").chain();
    let only_regions = koan.restore("nightly").entity::<Region>().replace_existing();
    let error = only_regions.await.expect_err("a site refers to a region that the restore deletes");
    let text = error.chain();
    assert_eq!(dry_run_error, text);
    assert!(text.contains("1 rows of table `north.site`") && !text.contains("s3cret"), "{text}");
    assert_eq!(state(&server), before_replacement);
    assert_ne!(before, before_replacement);
}

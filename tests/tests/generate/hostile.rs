//! Names of tables, columns and labels that are no identifiers, are reserved, or collide.

use koan_backup::generate::GenerateOptions;
use koan_backup::prelude::*;
use koan_backup_tests::postgres::Server;
use rusqlite::Connection;

use super::fixture::{covered, require_generated, require_round_trip};
use super::generated::{hostile_postgres, hostile_sqlite};
use super::{postgres, sqlite};

/// Tables and columns with such names. Both databases accept them, with the keywords of SQL quoted.
const NAMES: &str = r##"
    CREATE TABLE "Option" (id INT NOT NULL PRIMARY KEY, "String" TEXT, "Vec" TEXT);
    CREATE TABLE "String" ("self" INT NOT NULL PRIMARY KEY, "crate" TEXT, "super" TEXT, "type" TEXT,
        "r#type" TEXT, "gen" TEXT, "async" TEXT, "fn" TEXT);
    CREATE TABLE "Vec" ("2fa" INT NOT NULL PRIMARY KEY, "a b" TEXT, "a-b" TEXT, "a_b" TEXT, "ab" TEXT, "A" TEXT, "!" TEXT,
        "?" TEXT, "_" TEXT, "quote""d" TEXT, "back\slash" TEXT, "größe" TEXT, "数量" TEXT, "new
line" TEXT);
    CREATE TABLE "2fa" (id INT NOT NULL PRIMARY KEY);
    CREATE TABLE "order items" (id INT NOT NULL PRIMARY KEY);
    CREATE TABLE "order-items" (id INT NOT NULL PRIMARY KEY);
    CREATE TABLE order_items (id INT NOT NULL PRIMARY KEY);
    CREATE TABLE orderitems (id INT NOT NULL PRIMARY KEY);
    CREATE TABLE "quote""d" (id INT NOT NULL PRIMARY KEY);
    CREATE TABLE "ärger" (id INT NOT NULL PRIMARY KEY, "İ" TEXT);
    CREATE TABLE "订单" (id INT NOT NULL PRIMARY KEY);
    CREATE TABLE "Entity" (id INT NOT NULL PRIMARY KEY);
    CREATE TABLE "self" (id INT NOT NULL PRIMARY KEY);
    CREATE TABLE "😀" (id INT NOT NULL PRIMARY KEY);
    CREATE TABLE "dots.in.name" (id INT NOT NULL PRIMARY KEY);
    CREATE TABLE a_long_name_of_a_table_that_has_sixty_three_characters_in_total (
        "a long name of a column that has sixty-three characters in total" INT NOT NULL PRIMARY KEY);
    CREATE TABLE user_view (id INT NOT NULL PRIMARY KEY);
    CREATE VIEW "UserView" AS SELECT * FROM user_view;
    CREATE TABLE composite ("b c" TEXT NOT NULL, "type" INT NOT NULL, value TEXT, PRIMARY KEY ("type", "b c"));
    INSERT INTO "Option" VALUES (1, 'a', 'b'); INSERT INTO "String" VALUES (1, 'a', 'b', 'c', 'd', 'e', 'f', 'g');
    INSERT INTO "Vec" VALUES (1, '1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12', '13');
    INSERT INTO "2fa" VALUES (1); INSERT INTO "order items" VALUES (1); INSERT INTO "order-items" VALUES (2);
    INSERT INTO order_items VALUES (3); INSERT INTO orderitems VALUES (4); INSERT INTO "quote""d" VALUES (1);
    INSERT INTO "ärger" VALUES (1, 'x'); INSERT INTO "订单" VALUES (1); INSERT INTO "Entity" VALUES (1);
    INSERT INTO "self" VALUES (1); INSERT INTO "😀" VALUES (1); INSERT INTO "dots.in.name" VALUES (1);
    INSERT INTO a_long_name_of_a_table_that_has_sixty_three_characters_in_total VALUES (1);
    INSERT INTO user_view VALUES (1); INSERT INTO composite VALUES ('a', 1, 'x');"##;

/// Labels of an enum that are no identifiers or that collide, and an enum with the name of a table.
const LABELS: &str = r#"
    CREATE TYPE entity AS ENUM ('Self', 'self', '', '+', '-', 'a b', 'a-b', 'a_b', '1st', 'größe', 'quote"d', 'type');
    CREATE TABLE labelled (id entity PRIMARY KEY, labels entity[]);
    INSERT INTO labelled SELECT l, ARRAY[l, NULL] FROM unnest(enum_range(NULL::entity)) l;
    CREATE TABLE "OPTION" (id int PRIMARY KEY, "aB" text, "Ab" text, ab text);
    INSERT INTO "OPTION" VALUES (1, 'a', 'b', 'c');"#;

macro_rules! register_hostile {
    ($builder:ident, $module:ident) => {
        $builder
            .register::<$module::OptionRecord>()
            .register::<$module::StringRecord>()
            .register::<$module::VecRecord>()
            .register::<$module::Table2fa>()
            .register::<$module::OrderItems>()
            .register::<$module::OrderItems2>()
            .register::<$module::OrderItems3>()
            .register::<$module::Orderitems>()
            .register::<$module::QuoteD>()
            .register::<$module::Ärger>()
            .register::<$module::订单>()
            .register::<$module::EntityRecord>()
            .register::<$module::SelfRecord>()
            .register::<$module::Table>()
            .register::<$module::DotsInName>()
            .register::<$module::ALongNameOfATableThatHasSixtyThreeCharactersInTotal>()
            .register::<$module::UserView>()
            .register::<$module::Composite>()
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_of_sqlite_are_covered() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("hostile.db");
    Connection::open(&path).expect("a database").execute_batch(NAMES).expect("a schema");
    let provider = || Sqlite::open(&path).expect("opened");
    require_generated(&provider(), &GenerateOptions::default(), "hostile_sqlite").await;
    let koan = covered(provider(), |builder| register_hostile!(builder, hostile_sqlite), &[]).await;
    require_round_trip(&koan, &|| sqlite::dump(&path, &[]), &|| sqlite::delete(&path, &[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_of_postgres_are_covered() {
    let server = Server::start();
    server.sql(NAMES);
    server.sql(LABELS);
    let provider = || Postgres::connect(server.address()).expect("an address");
    require_generated(&provider(), &GenerateOptions::default(), "hostile_postgres").await;
    let koan = covered(
        provider(),
        |builder| {
            register_hostile!(builder, hostile_postgres)
                .register::<hostile_postgres::Labelled>()
                .register::<hostile_postgres::OptionRecord2>()
        },
        &[],
    )
    .await;
    require_round_trip(&koan, &|| postgres::dump(&server, &[]), &|| postgres::delete(&server, &[])).await;
}

//! Modules that are generated from PostgreSQL databases.

use std::path::Path;

use koan_backup::generate::{GenerateOptions, TimeCrate, generate};
use koan_backup::prelude::*;
use koan_backup_tests::postgres::Server;

use super::fixture::{covered, data, require_generated, require_round_trip};
use super::generated::{chinook_postgres, types_postgres_chrono, types_postgres_jiff, types_postgres_time};

/// A schema with every type that the adapter distinguishes, alone and as the elements of a list, and with values that the
/// usual types of fields do not read.
const TYPES: &str = r#"
    CREATE EXTENSION citext; CREATE EXTENSION hstore;
    CREATE TYPE mood AS ENUM ('sad', 'very happy');
    CREATE TYPE address AS (street text, number int);
    CREATE DOMAIN positive AS int CHECK (VALUE > 0);
    CREATE TABLE typed (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, small smallint NOT NULL, medium int NOT NULL, wide numeric(20),
        single real NOT NULL, double double precision NOT NULL, exact numeric NOT NULL, money money NOT NULL,
        text text NOT NULL, varchar varchar(20) NOT NULL, padded char(4) NOT NULL, word citext NOT NULL, name name,
        flag bool NOT NULL, uuid uuid NOT NULL, bytes bytea NOT NULL, maybe_bytes bytea, date date NOT NULL,
        time time NOT NULL, local timestamp NOT NULL, instant timestamptz NOT NULL, maybe_instant timestamptz,
        interval interval NOT NULL, json json NOT NULL, jsonb jsonb, oid oid NOT NULL, mood mood NOT NULL,
        positive positive NOT NULL, inet inet NOT NULL, cidr cidr NOT NULL, mac macaddr NOT NULL, range int4range,
        address address, bits bit varying(8), point point, labels hstore,
        a_map_with_a_name_so_long_that_its_type_is_on_the_next_line hstore, xml xml, clock timetz, search tsvector,
        doubled int GENERATED ALWAYS AS (small * 2) STORED);
    INSERT INTO typed (small, medium, wide, single, double, exact, money, text, varchar, padded, word, name, flag, uuid,
        bytes, maybe_bytes, date, time, local, instant, maybe_instant, interval, json, jsonb, oid, mood, positive, inet,
        cidr, mac, range, address, bits, point, labels, xml, clock, search)
    VALUES (-32768, 2147483647, 18446744073709551615, 0.1, 1.7976931348623157e308, 12345678901234567890.000100, 12.34,
        E'tab\t quote '' back\\slash ü 日本', 'x', 'ab', 'MiXed', 'name', true, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
        '\x00ff5c', '\x01', '2024-02-29', '23:59:59.999999', '1999-12-31 23:59:59.000001', '2024-06-01 12:00:00+02', NULL,
        '1 year 2 mons 3 days 04:05:06.7', '{"a":null,"b":[1,2.5]}', 'null', 4294967295, 'very happy', 7,
        '192.168.0.1/24', '10.0.0.0/8', '08:00:2b:01:02:03', '[1,10)', ROW('Main St', 7), '1011', '(1.5,-2)',
        'a=>1, "b c"=>NULL', '<a/>', '12:00:00+02', 'a fat cat'),
    (0, 0, NULL, 0, 5e-324, -0.00, -0.01, '', '', '', '', NULL, false, '00000000-0000-0000-0000-000000000000', '', NULL,
        '0001-01-01', '00:00:00', '0001-01-01 00:00:00', '9999-12-30 21:59:59.999999+00', now(), '0', '[]', NULL, 0, 'sad', 1,
        '::1', '::/0', '00:00:00:00:00:00', 'empty', ROW('', 0), '', '(0,0)', '', NULL, NULL, NULL);
    CREATE TABLE lists (
        id int PRIMARY KEY, flags bool[] NOT NULL, smalls smallint[] NOT NULL, numbers int[], bigs bigint[], singles real[],
        doubles double precision[], prices numeric[], amounts money[], texts text[], varchars varchar(9)[], chars char(2)[],
        moods mood[], jsons json[], jsonbs jsonb[], uuids uuid[], nets inet[], contents bytea[], dates date[], times time[],
        locals timestamp[], instants timestamptz[], oids oid[], intervals interval[], addresses address[], maps hstore[],
        grid int[][], shifted int[]);
    INSERT INTO lists VALUES (1, '{t,NULL}', '{1}', '{1,-2,NULL}', '{9223372036854775807}', '{0.5}', '{1e300}', '{1.10,2}',
        '{1.50}', '{a,NULL,"b \"q\""}', '{x}', '{ab}', '{sad,"very happy",NULL}', ARRAY['{"a":1}', NULL]::json[],
        ARRAY['[1]', 'null', NULL]::jsonb[], '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}', '{10.0.0.1,::1}',
        ARRAY['\x00ff', NULL]::bytea[], '{2024-02-29,NULL}', '{12:00:00.5}', '{"2024-06-01 12:00:00"}',
        '{"2024-06-01 12:00:00+02",NULL}', '{7}', '{"1 day"}', ARRAY[ROW('a', 1)]::address[], ARRAY['a=>1']::hstore[],
        '{{1,2},{3,4}}', '[0:1]={5,6}'),
    (2, '{}', '{}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    CREATE TABLE odd_values (
        id int PRIMARY KEY, date date, local timestamp, instant timestamptz, time time, single real, double float8,
        exact numeric, digits numeric, ancient date, dates date[], numbers numeric[], address address, jsonb jsonb, nested jsonb);
    INSERT INTO odd_values VALUES (1, 'infinity', '-infinity', 'infinity', '24:00', 'NaN', '-Infinity', 'NaN',
        12345678901234567890123456789.5, '0044-03-15 BC', '{infinity}', '{NaN}', NULL, '[1e400]',
        (repeat('[', 200) || repeat(']', 200))::jsonb),
    (2, '2024-01-01', NULL, NULL, NULL, 1, 1, 1, 1, NULL, NULL, NULL, ROW('a', 1), '[1e300]', '[]');
    CREATE TABLE reversed (part int, label text, value text, PRIMARY KEY (label, part));
    INSERT INTO reversed VALUES (1, 'a', 'x');
    CREATE TABLE deferred (id uuid PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, value text);
    INSERT INTO deferred VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'x');
    CREATE TABLE by_index (mood mood NOT NULL UNIQUE, value text);
    INSERT INTO by_index VALUES ('sad', 'x');
    CREATE TABLE measured (day date NOT NULL, value int, PRIMARY KEY (day)) PARTITION BY RANGE (day);
    CREATE TABLE measured_2024 PARTITION OF measured FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
    INSERT INTO measured VALUES ('2024-06-01', 1);
    CREATE TABLE animal (id int PRIMARY KEY, name text);
    CREATE TABLE dog (PRIMARY KEY (id), breed text) INHERITS (animal);
    INSERT INTO animal VALUES (1, 'cat'); INSERT INTO dog VALUES (2, 'rex', 'setter');
    CREATE SCHEMA sales;
    CREATE TABLE sales.typed (id int PRIMARY KEY);
    INSERT INTO sales.typed VALUES (1);
    CREATE TABLE note (id int PRIMARY KEY, body text);
    CREATE TABLE "note#archive" (id int PRIMARY KEY, body text);
    INSERT INTO note VALUES (1, 'a'); INSERT INTO "note#archive" VALUES (1, 'b');
    CREATE TABLE log (entry text);
    CREATE VIEW notes AS SELECT * FROM note;
    CREATE MATERIALIZED VIEW note_counts AS SELECT count(*) FROM note;
    CREATE SEQUENCE standalone;
    SELECT lo_create(7);"#;

/// Creates the Chinook database from its published script.
fn create_chinook(server: &Server, folder: &Path) {
    let script = std::fs::read_to_string(data("Chinook_PostgreSql.sql")).expect("a script");
    // The script first creates a database and connects to it. The test runs only the statements after that.
    let (_, tables) = script.split_once("\\c chinook;").expect("the script connects to its database");
    let file = folder.join("chinook.sql");
    std::fs::write(&file, tables).expect("written");
    server.run_file(&file);
}

fn tables(server: &Server, ignored: &[&str]) -> Vec<String> {
    let tables = server.sql(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('public', 'sales') ORDER BY 1",
    );
    tables.lines().filter(|table| !ignored.contains(table)).map(str::to_owned).collect()
}

/// Returns every row of every table.
pub(super) fn dump(server: &Server, ignored: &[&str]) -> Vec<String> {
    let rows = |table: String| {
        let rows = server.sql(&format!("SELECT t::text FROM ONLY {table} t ORDER BY t::text COLLATE \"C\""));
        rows.lines().map(|row| format!("{table}: {row}")).collect::<Vec<_>>()
    };
    tables(server, ignored).into_iter().flat_map(rows).collect()
}

/// Deletes all rows.
pub(super) fn delete(server: &Server, ignored: &[&str]) {
    let tables = tables(server, ignored);
    server.sql(&format!("TRUNCATE {} CASCADE", tables.join(", ")));
}

#[tokio::test(flavor = "multi_thread")]
async fn chinook_is_covered_by_its_generated_module() {
    let folder = tempfile::tempdir().expect("a directory");
    let server = Server::start();
    create_chinook(&server, folder.path());
    let provider = || Postgres::connect(server.address()).expect("an address");
    require_generated(&provider(), &GenerateOptions::default(), "chinook_postgres").await;
    let koan = covered(provider(), chinook_entities, &[]).await;
    require_round_trip(&koan, &|| dump(&server, &[]), &|| delete(&server, &[])).await;
}

fn chinook_entities(builder: koan_backup::KoanBuilder) -> koan_backup::KoanBuilder {
    use chinook_postgres as shop;
    builder
        .register::<shop::Album>()
        .register::<shop::Artist>()
        .register::<shop::Customer>()
        .register::<shop::Employee>()
        .register::<shop::Genre>()
        .register::<shop::Invoice>()
        .register::<shop::InvoiceLine>()
        .register::<shop::MediaType>()
        .register::<shop::Playlist>()
        .register::<shop::PlaylistTrack>()
        .register::<shop::Track>()
}

macro_rules! every_type_is_covered {
    ($name:ident, $module:ident, $time:ident) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let server = Server::start();
            server.sql(TYPES);
            let provider = || Postgres::connect(server.address()).expect("an address");
            let options = GenerateOptions::default().time(TimeCrate::$time);
            require_generated(&provider(), &options, stringify!($module)).await;
            let expected = [
                "table `log` of `main` belongs to no entity",
                "sequence `standalone`",
                "materialized view `note_counts`",
                "1 large objects",
            ];
            let koan = covered(
                provider(),
                |builder| {
                    builder
                        .register::<$module::Animal>()
                        .register::<$module::ByIndex>()
                        .register::<$module::Deferred>()
                        .register::<$module::Dog>()
                        .register::<$module::Lists>()
                        .register::<$module::Measured>()
                        .register::<$module::Note>()
                        .register::<$module::OddValues>()
                        .register::<$module::Reversed>()
                        .register::<$module::Typed>()
                        .register::<$module::SalesTyped>()
                },
                &expected,
            )
            .await;
            let uncovered = ["public.log"];
            require_round_trip(&koan, &|| dump(&server, &uncovered), &|| delete(&server, &uncovered)).await;
        }
    };
}

every_type_is_covered!(every_type_is_covered_with_chrono, types_postgres_chrono, Chrono);
every_type_is_covered!(every_type_is_covered_with_jiff, types_postgres_jiff, Jiff);
every_type_is_covered!(every_type_is_covered_with_time, types_postgres_time, Time);

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_a_role_may_not_read_have_a_struct_and_a_note() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE open (id int PRIMARY KEY); CREATE TABLE closed (id int PRIMARY KEY, day date);
         CREATE TABLE secured (id int PRIMARY KEY); ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
         CREATE TABLE jobs (id int PRIMARY KEY);
         CREATE ROLE reader LOGIN; GRANT SELECT ON open, secured TO reader;",
    );
    let address = server.address_of("reader", "test");
    let provider = Postgres::options(address).ignore_table("jobs", "a queue").connect().expect("an address");
    insta::assert_snapshot!(generate(&provider, &GenerateOptions::default()).await.expect("a module"));
}

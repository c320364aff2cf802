//! Different values with the same JSON form are restored as they were, or refused with entity, key and
//! column.

use std::collections::BTreeMap;

use koan_backup::prelude::*;
use koan_backup_tests::postgres::{Server, installed_versions};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::fixture::{koan, read_error};

/// Checks that the rows of a table are the same after a backup and two restores: into the table with one row
/// and into the empty table.
async fn assert_round_trip(server: &Server, koan: &Koan, table: &str) {
    let dump = || server.sql(&format!("SELECT x::text FROM {table} x ORDER BY id"));
    let before = dump();
    let backup = koan.backup("values").await.expect("a backup");
    assert_eq!(backup.warnings(), [] as [String; 0], "{table}");
    let dry_run = koan.restore("values").dry_run().await.expect("compared");
    assert_eq!(dry_run.entities[0].counts.unchanged, dry_run.entities[0].records, "{table}");
    server.sql(&format!("DELETE FROM {table} WHERE id > 1"));
    let _ = koan.restore("values").await.expect("restored");
    assert_eq!(dump(), before, "{table}: a merging restore must restore every value");
    server.sql(&format!("DELETE FROM {table}"));
    let _ = koan.restore("values").await.expect("restored");
    assert_eq!(dump(), before, "{table}: a restore into an empty table must restore every value");
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Lists {
    id: i64,
    documents: Vec<Option<Json>>,
    bytes: Json,
    huge: Vec<i128>,
    floats: Vec<f64>,
}

const LISTS: &str = "CREATE TABLE lists (id bigint PRIMARY KEY, documents jsonb[] NOT NULL DEFAULT '{}',
    bytes bytea[] NOT NULL DEFAULT '{}', huge numeric[] NOT NULL DEFAULT '{}', floats float8[] NOT NULL DEFAULT '{}')";

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_json_and_bytes_keep_dimensions_nulls_and_digits() {
    for version in installed_versions() {
        let server = Server::of_version(version);
        server.sql(LISTS);
        server.sql(
            r#"INSERT INTO lists VALUES
            (1, '{"[1, [2]]", NULL, "{\"a\": null}"}', '{{"\\x01","\\x"},{NULL,"\\x0203"}}', '{170141183460469231731687303715884105727}', '{0.1}'),
            (2, '{"[]"}', '{{{"\\xff"}}}', '{}', '{-0,1e300}'), (3, '{}', '{"\\x",NULL}', '{1,2}', '{NaN}'),
            (4, '{"1"}', '{{NULL}}', '{}', '{}')"#,
        );
        server.sql("UPDATE lists SET floats = '{}' WHERE id = 3");
        let koan = koan(&server, |builder| builder.register::<Lists>()).await;
        assert_round_trip(&server, &koan, "lists").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ambiguous_list_is_refused_with_entity_key_and_column() {
    let server = Server::start();
    server.sql(LISTS);
    let koan = koan(&server, |builder| builder.register::<Lists>()).await;
    for (column, value, reason) in [
        ("documents", r#"'{{"1","2"},{"3","4"}}'"#, "several dimensions"),
        ("documents", r#"'[0:0]={"1"}'"#, "lower bound is not 1"),
        ("bytes", r#"'[2:3]={"\\x01","\\x02"}'"#, "lower bound is not 1"),
        ("huge", "'[-1:0]={1,2}'", "lower bound is not 1"),
    ] {
        server.sql(&format!(
            "TRUNCATE lists; INSERT INTO lists (id, {column}) VALUES (1, DEFAULT), (42, {value})"
        ));
        let text = read_error::<Lists>(&koan).await;
        assert!(text.contains("Lists `id=42`") && text.contains(column) && text.contains(reason), "{text}");
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Nulls {
    id: i64,
    all_json: Option<Json>,
    all_sql: Option<BTreeMap<String, i64>>,
    never: Option<Vec<i64>>,
    text: Option<Json>,
    word: Option<String>,
}

const NULLS: &str = "CREATE TABLE nulls (id bigint PRIMARY KEY, all_json jsonb, all_sql jsonb, never json NOT NULL, text text,
    word jsonb)";

#[tokio::test(flavor = "multi_thread")]
async fn json_null_and_sql_null_are_restored_as_they_were() {
    for version in installed_versions() {
        let server = Server::of_version(version);
        server.sql(NULLS);
        server.sql(
            r#"INSERT INTO nulls VALUES (1, 'null', NULL, 'null', 'null', 'null'), (2, '{"a": 1}', '{"a": 1}', '[1]', '[]', NULL),
               (3, 'null', NULL, 'null', 'null', '"null"')"#,
        );
        let koan = koan(&server, |builder| builder.register::<Nulls>()).await;
        assert_round_trip(&server, &koan, "nulls").await;
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Document {
    id: i64,
    json: Option<Json>,
    jsonb: Option<Json>,
}

#[tokio::test(flavor = "multi_thread")]
async fn json_null_is_restored_in_the_binary_format() {
    let server = Server::start();
    server.sql(
        "CREATE TABLE document (id bigint PRIMARY KEY, json json, jsonb jsonb);
        INSERT INTO document VALUES (1, 'null', 'null'), (2, '1', '2'), (3, 'null', 'null')",
    );
    let koan = koan(&server, |builder| builder.register::<Document>()).await;
    assert_round_trip(&server, &koan, "document").await;
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Sum {
    free: Decimal,
    fixed: Decimal,
    ratio: f64,
    count: i64,
    parts: Vec<Decimal>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Account {
    id: i64,
    sum: Sum,
    other: Option<Json>,
}

const ACCOUNT: &str =
    "CREATE TYPE sum AS (free numeric, fixed numeric(30,4), ratio float8, count bigint, parts numeric[]);
    CREATE TYPE odd AS (list int[], document jsonb, ratio float8);
    CREATE TABLE account (id bigint PRIMARY KEY, sum sum NOT NULL, other odd)";

#[tokio::test(flavor = "multi_thread")]
async fn decimals_in_composite_types_keep_every_digit() {
    for version in installed_versions() {
        let server = Server::of_version(version);
        server.sql(ACCOUNT);
        server.sql(
            "INSERT INTO account VALUES
             (1, ROW(1.10, 1.10, 0.1, 9223372036854775807, '{1.50,2.00}'), ROW('{1,NULL}', '{\"a\": [null]}', 1.5)),
             (2, ROW(1234567890123456789.123456789, 12345678901234567890.1234, 1e300, -1, '{}'), NULL),
             (4, ROW(1.5, 0.5, 0.25, 7, '{1.5,-2}'), NULL), (5, ROW(7, 1e15, 3, 0, '{0.1}'), ROW('{}', '{\"a\": 1.5}', 2)),
             (3, ROW(0.000, -5, -0.5, 0, '{79228162514264337593543950335}'), NULL)",
        );
        let koan = koan(&server, |builder| builder.register::<Account>()).await;
        assert_round_trip(&server, &koan, "account").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_composite_value_that_json_cannot_represent_is_refused_with_entity_key_and_column() {
    let server = Server::start();
    server.sql(ACCOUNT);
    let koan = koan(&server, |builder| builder.register::<Account>()).await;
    for value in ["ROW('[0:1]={1,2}', NULL, 0)", "ROW(NULL, 'null', 0)", "ROW(NULL, NULL, '-0')"] {
        server.sql(&format!(
            "TRUNCATE account; INSERT INTO account VALUES (42, ROW(1, 1, 1, 1, '{{}}'), {value})"
        ));
        let text = read_error::<Account>(&koan).await;
        assert!(text.contains("Account `id=42`") && text.contains("other"), "{text}");
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Boxed {
    id: i64,
    part: Option<Json>,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_composite_value_that_contains_json_text_is_checked() {
    let server = Server::start();
    server.sql(
        "CREATE TYPE inner_part AS (list int[], document json); CREATE TYPE part AS (document json, list int[], nested inner_part);
        CREATE TABLE boxed (id bigint PRIMARY KEY, part part)",
    );
    let koan = koan(&server, |builder| builder.register::<Boxed>()).await;
    server.sql(r#"INSERT INTO boxed VALUES (1, ROW(' {"b": 1, "a": [null]} ', '{1,NULL}', ROW('{1}', '{"x":  1}'))), (2, NULL), (3, ROW(NULL, NULL, NULL))"#);
    let dump = || {
        server.sql("SELECT (part).document::jsonb, (part).list, (part).nested::text FROM boxed ORDER BY id")
    };
    let before = dump().replace("  ", " ");
    let _ = koan.backup("boxed").await.expect("a backup");
    server.sql("TRUNCATE boxed");
    let _ = koan.restore("boxed").await.expect("restored");
    assert_eq!(dump(), before);
    for value in ["ROW('null', NULL, NULL)", "ROW(' null ', NULL, NULL)", "ROW('1', '[0:1]={1,2}', NULL)"] {
        server.sql(&format!("TRUNCATE boxed; INSERT INTO boxed VALUES (42, {value})"));
        let text = read_error::<Boxed>(&koan).await;
        assert!(text.contains("Boxed `id=42`") && text.contains("part"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_composite_value_with_a_not_null_domain_over_json_is_restored() {
    let server = Server::start();
    let others: Vec<String> = (0..110).map(|number| format!("\"o'{number}\" int")).collect();
    server.sql(&format!(
        "CREATE DOMAIN needed AS json NOT NULL; CREATE DOMAIN word AS text NOT NULL;
         CREATE TYPE inner_part AS (document needed, words text[]);
         CREATE TYPE part AS (id int, document json, needed needed, word word, nested inner_part, {});
         CREATE DOMAIN parts AS part; CREATE TABLE boxed (id bigint PRIMARY KEY, part parts)",
        others.join(", ")
    ));
    let koan = koan(&server, |builder| builder.register::<Boxed>()).await;
    let rest = ", NULL".repeat(110);
    let insert = |row: &str| server.sql(&format!("INSERT INTO boxed VALUES ({row}{rest}))"));
    insert(r#"1, ROW(7, '{"a":1}', '[2]', 'x', ROW('{"b":[null]}', '{NULL,y}')"#);
    insert("2, ROW(NULL, NULL, '0', '', NULL");
    let dump = || server.sql("SELECT id, part::text FROM boxed ORDER BY id").replace([' ', '\n'], "");
    let before = dump();
    let _ = koan.backup("boxed").await.expect("a backup");
    server.sql("DELETE FROM boxed WHERE id = 1");
    let _ = koan.restore("boxed").await.expect("restored");
    assert_eq!(dump(), before, "a merging restore must restore every value");
    server.sql("TRUNCATE boxed");
    let _ = koan.restore("boxed").await.expect("restored");
    assert_eq!(dump(), before, "a restore into an empty table must restore every value");
    for row in ["42, ROW(7, NULL, 'null', 'x', NULL", "42, ROW(7, 'null', '1', 'x', NULL"] {
        server.sql("TRUNCATE boxed");
        insert(row);
        let text = read_error::<Boxed>(&koan).await;
        assert!(text.contains("Boxed `id=42`") && text.contains("part"), "{row}: {text}");
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Floats {
    free: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
#[entity(table = "account")]
struct Rounded {
    id: i64,
    sum: Floats,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_a_composite_type_that_the_field_lacks_is_reported() {
    let server = Server::start();
    server.sql("CREATE TYPE sum AS (free numeric, lost int); CREATE TABLE account (id bigint PRIMARY KEY, sum sum NOT NULL); INSERT INTO account VALUES (1, ROW(1.5, 3))");
    let koan = koan(&server, |builder| builder.register::<Rounded>()).await;
    let backup = koan.backup("rounded").await.expect("a backup");
    let warnings = backup.warnings().join("\n");
    assert!(warnings.contains("does not preserve all data in `sum`"), "{warnings}");
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Labelled {
    id: i64,
    part: Option<Json>,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_composite_type_that_contains_hstore_is_refused_at_boot() {
    let server = Server::start();
    server.sql("CREATE EXTENSION hstore; CREATE TYPE part AS (labels hstore); CREATE TABLE labelled (id bigint PRIMARY KEY, part part)");
    let koan = koan(&server, |builder| builder.register::<Labelled>()).await;
    let warnings = koan.inventory().warnings.join("\n");
    assert!(warnings.contains("column `part` of table `labelled` is of type `part`"), "{warnings}");
}

/// Types that can be read into a text field, with extreme values.
const TEXTS: &[(&str, &[&str])] = &[
    ("int4range", &["empty", "(,)", "[1,10)", "[-5,)"]),
    ("numrange", &["[1.10,2.50]", "(,1e10)", "(-Infinity,Infinity)"]),
    ("tstzrange", &["[\"2024-01-01 00:00:00+02\",infinity)", "[-infinity,infinity]"]),
    ("daterange", &["[0044-03-15 BC,2024-02-29]"]),
    ("int8multirange", &["{}", "{[1,3),[7,)}"]),
    ("tsmultirange", &["{[2024-01-01 00:00:00,2024-01-02 00:00:00.000001]}"]),
    ("positive_range", &["[1,2)"]),
    ("moods", &["{sad,NULL,happy}", "{}", "{{sad,happy}}"]),
    ("money", &["-92233720368547758.08", "92233720368547758.07", "0.01"]),
    (
        "interval",
        &["-1 year -2 mons +3 days -04:05:06.000007", "178000000 years", "-00:00:00.5", "1 mon -1 day", "0"],
    ),
    ("bit(3)", &["101", "000"]),
    ("bit varying", &["", "10110"]),
    (
        "xml",
        &["<a>1</a><b/>", "text only", "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a/>", "<!DOCTYPE a><a/>"],
    ),
    ("point", &["(1.1,-2e300)", "(NaN,Infinity)"]),
    ("line", &["{1,-2,0.30000000000000004}"]),
    ("lseg", &["[(1,2),(3,4)]"]),
    ("box", &["(3,4),(1,2)"]),
    ("path", &["((1,2),(3,4))", "[(1,2),(3,4)]"]),
    ("polygon", &["((1,2),(3,4),(5,6))"]),
    ("circle", &["<(1,2),0.1>"]),
    ("macaddr8", &["08:00:2b:01:02:03:04:05"]),
    ("timetz", &["23:59:59.999999-15:59", "24:00:00+00"]),
    ("time", &["24:00:00"]),
    ("date", &["infinity", "0044-03-15 BC", "5874897-12-31"]),
    ("timestamptz", &["-infinity", "294276-12-31 23:59:59.999999+00"]),
    ("numeric", &["NaN", "Infinity", "1e-100", "1.100"]),
    ("float8", &["NaN", "-Infinity", "-0", "5e-324"]),
    ("tsvector", &["'a':1A 'b c':2,3B", ""]),
    ("tsquery", &["'a' & !'b' <2> 'c':*A"]),
    ("jsonpath", &["$.\"a\"[*]?(@ > 1)"]),
    ("pg_lsn", &["16/B374D848"]),
    ("\"char\"", &["x", ""]),
    ("text[]", &["[0:1]={a,b}", "{{a,NULL},{\"\",\"NULL\"}}"]),
    ("jsonb[]", &["{{\"1\",\"null\"},{NULL,\"[2]\"}}"]),
    ("bytea[]", &["{{\"\\\\x01\",\"\\\\x\"}}"]),
    ("cidr", &["10.0.0.0/8", "::/0"]),
];

/// Creates an entity with the given text fields, and a list of their names.
macro_rules! texts {
    ($($field:ident)*) => {
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
        #[entity_backup]
        struct Texts {
            id: i64,
            $($field: Option<String>,)*
        }

        const FIELDS: &[&str] = &[$(stringify!($field)),*];
    };
}

texts! {
    t00 t01 t02 t03 t04 t05 t06 t07 t08 t09 t10 t11 t12 t13 t14 t15 t16 t17 t18 t19
    t20 t21 t22 t23 t24 t25 t26 t27 t28 t29 t30 t31 t32 t33 t34 t35
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_with_a_text_form_is_restored_from_a_text_field() {
    assert_eq!(FIELDS.len(), TEXTS.len());
    for version in installed_versions() {
        let server = Server::of_version(version);
        server.sql("CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN moods AS mood[]; CREATE DOMAIN positive_range AS int4range
            CHECK (lower(VALUE) > 0)");
        let has_xml = server.sql("SELECT to_regproc('pg_catalog.xml_is_well_formed') IS NOT NULL") == "t"
            && version == 15;
        // The table has a column for each type, which contains the values of that type.
        let fields = FIELDS.iter().zip(TEXTS).map(|(field, (column_type, values))| {
            match *column_type == "xml" && !has_xml {
                true => (field, "text", values),
                false => (field, *column_type, values),
            }
        });
        let columns: Vec<String> =
            fields.clone().map(|(field, column_type, _)| format!("{field} {column_type}")).collect();
        let mut sql = format!(
            "CREATE TABLE texts (id bigint PRIMARY KEY, {}); INSERT INTO texts SELECT generate_series(0, 99)",
            columns.join(", ")
        );
        for (field, _, values) in fields {
            for (index, value) in values.iter().enumerate() {
                let value = value.replace('\'', "''");
                sql.push_str(&format!("; UPDATE texts SET {field} = '{value}' WHERE id = {index}"));
            }
        }
        server.sql(&format!("{sql}; DELETE FROM texts WHERE id BETWEEN 10 AND 98"));
        let koan = koan(&server, |builder| builder.register::<Texts>()).await;
        assert_round_trip(&server, &koan, "texts").await;
    }
}

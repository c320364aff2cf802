//! Tests that tables and columns are found by name, and that ambiguous names are refused.

use koan_backup_core::ErrorKind;
use serde::{Deserialize, Serialize};

use super::fixture::Database;
use koan_backup::Entity;

#[derive(Serialize, Deserialize, Entity)]
#[entity(name = "InvoiceLine")]
struct InvoiceLine {
    id: i64,
    unit_price: Option<f64>,
}

async fn error_of<T: Entity>(sql: &str) -> String {
    Database::new(sql).backup::<T>().await.expect_err("the table does not fit the entity").to_string()
}

#[tokio::test]
async fn names_match_exactly_or_else_without_case_and_underscores() {
    for sql in [
        "CREATE TABLE InvoiceLine (Id INTEGER PRIMARY KEY, UnitPrice REAL)",
        "CREATE TABLE invoice_line (ID INTEGER PRIMARY KEY, unit_price REAL)",
        "CREATE TABLE \"INVOICE_LINE\" (i_d INTEGER PRIMARY KEY, UNITPRICE REAL)",
    ] {
        Database::new(sql).backup::<InvoiceLine>().await.expect(sql);
    }
    let both = Database::new(
        "CREATE TABLE InvoiceLine (id INTEGER PRIMARY KEY, unit_price REAL, UnitPrice REAL); CREATE TABLE invoice_line (x);
         INSERT INTO InvoiceLine VALUES (1, 2.5, 9.9)",
    );
    let backup = both.backup::<InvoiceLine>().await.expect("the exact name is preferred");
    assert!(backup.lines[0].contains("2.5"), "{}", backup.lines[0]);
}

#[tokio::test]
async fn ambiguous_tables_are_refused_with_all_candidates() {
    let error =
        error_of::<InvoiceLine>("CREATE TABLE invoice_line (id); CREATE TABLE invoiceline (id)").await;
    assert!(error.contains("`invoice_line`") && error.contains("`invoiceline`"), "{error}");
    assert!(error.contains("#[entity(table"), "{error}");
}

#[tokio::test]
async fn ambiguous_columns_are_refused_with_all_candidates() {
    let error =
        error_of::<InvoiceLine>("CREATE TABLE InvoiceLine (id, UnitPrice, Unit_Price, unitprice_)").await;
    assert!(
        error.contains("`UnitPrice`") && error.contains("`Unit_Price`") && error.contains("`unitprice_`"),
        "{error}"
    );
}

#[tokio::test]
async fn the_error_for_a_missing_table_contains_its_name_and_a_similar_name() {
    let database = Database::new("CREATE TABLE invoice_lines (id)");
    let error = database.backup::<InvoiceLine>().await.expect_err("the table does not exist");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("`InvoiceLine`"), "{error}");
    assert!(error.to_string().contains("#[entity(table = \"invoice_lines\")]"), "{error}");
}

#[tokio::test]
async fn views_and_virtual_tables_are_refused() {
    let error = error_of::<InvoiceLine>("CREATE VIEW InvoiceLine AS SELECT 1 AS id").await;
    assert!(error.contains("a view"), "{error}");
    let error = error_of::<InvoiceLine>("CREATE VIRTUAL TABLE InvoiceLine USING fts5(id)").await;
    assert!(error.contains("a virtual table"), "{error}");
}

#[tokio::test]
async fn a_column_that_the_entity_declares_must_exist() {
    #[derive(Serialize, Deserialize, Entity)]
    #[entity(name = "SqliteTestColumn", table = "t")]
    struct Named {
        id: i64,
        #[entity(column = "display_name")]
        name: Option<String>,
    }
    let database =
        Database::new("CREATE TABLE t (id, name, display_name); INSERT INTO t VALUES (1, 'a', 'b')");
    assert_eq!(
        database.backup::<Named>().await.expect("the entity is backed up").lines,
        [r#"{"id":1,"name":"b"}"#]
    );
    let error = error_of::<Named>("CREATE TABLE t (id, name)").await;
    assert!(error.contains("`display_name`") && error.contains("its columns are `id`, `name`"), "{error}");
}

#[tokio::test]
async fn a_required_field_without_a_column_is_refused() {
    #[derive(Serialize, Deserialize, Entity)]
    #[entity(name = "SqliteTestRequired", table = "t")]
    struct Required {
        id: i64,
        name: String,
    }
    let error = error_of::<Required>("CREATE TABLE t (id)").await;
    assert!(error.contains("`name`") && error.contains("serde(default)"), "{error}");
}

#[tokio::test]
async fn a_flattened_map_contains_the_other_columns() {
    #[derive(Serialize, Deserialize, Entity)]
    #[entity(name = "SqliteTestOpen", table = "t")]
    struct Open {
        id: i64,
        #[serde(flatten)]
        rest: std::collections::BTreeMap<String, serde_json::Value>,
    }
    let database = Database::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, b, a TEXT, twice AS (id * 2));
         INSERT INTO t (id, b, a) VALUES (1, 2, 'x'), (2, 1.0, NULL), (3, 'y', '5')",
    );
    let before = database.dump("t");
    let backup = database.backup::<Open>().await.expect("the entity is backed up");
    assert_eq!(backup.lines[0], r#"{"a":"x","b":2,"id":1}"#);
    database.restore::<Open>(&backup, &super::fixture::replace()).await.expect("restored");
    assert_eq!(database.dump("t"), before);
}

//! The orders of TPC-H in SQLite, in the schema that an application would use.

use std::path::Path;

use chrono::NaiveDate;
use koan_backup::prelude::*;
use koan_backup::{
    KoanBuilder,
    entity::{ScopeDeclaration, ScopeMode},
};
use rusqlite::Connection;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tpchgen::generators::OrderGenerator;

use crate::{Result, work};

/// The scope of unencrypted backups.
pub(crate) static SCOPE: ScopeDeclaration = ScopeDeclaration {
    module_path: module_path!(),
    file: file!(),
    line: line!(),
    mode: ScopeMode::All,
    encrypt_by_default: None,
    include_schema_by_default: None,
};

/// Creates a builder for a context that does not encrypt orders.
pub(crate) fn context(folder: &Path) -> Result<KoanBuilder> {
    Ok(provider(folder)?.register_scope(&SCOPE))
}

/// Creates a builder for a context on the orders of a folder, without a scope. The other entities of this
/// program are not registered in it.
pub(crate) fn provider(folder: &Path) -> Result<KoanBuilder> {
    let builder = Koan::builder().only_registered().register::<Order>();
    Ok(builder.provider(Sqlite::open(folder.join(work::DATABASE))?))
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(table = "orders", key = "o_orderkey")]
pub(crate) struct Order {
    o_orderkey: i64,
    o_custkey: i64,
    o_orderstatus: String,
    o_totalprice: Decimal,
    o_orderdate: NaiveDate,
    o_orderpriority: String,
    o_clerk: String,
    o_shippriority: i32,
    o_comment: String,
}

/// Creates an empty database with a rollback journal.
pub(crate) fn create(path: &Path) -> Result<Connection> {
    let database = Connection::open(path)?;
    database.execute_batch(
        "CREATE TABLE orders (
             o_orderkey INTEGER PRIMARY KEY, o_custkey INTEGER NOT NULL, o_orderstatus TEXT NOT NULL,
             o_totalprice DECIMAL(15, 2) NOT NULL, o_orderdate DATE NOT NULL, o_orderpriority TEXT NOT NULL,
             o_clerk TEXT NOT NULL, o_shippriority INTEGER NOT NULL, o_comment TEXT NOT NULL);
         CREATE INDEX orders_of_customer ON orders (o_custkey);",
    )?;
    Ok(database)
}

/// Creates a database with all orders of a scale factor, and returns their number.
pub(crate) fn load(path: &Path, scale: f64) -> Result<u64> {
    let mut database = create(path)?;
    let transaction = database.transaction()?;
    let mut records = 0;
    {
        let mut insert =
            transaction.prepare("INSERT INTO orders VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
        for order in OrderGenerator::new(scale, 1, 1).iter() {
            insert.execute((
                order.o_orderkey,
                order.o_custkey,
                order.o_orderstatus.to_string(),
                order.o_totalprice.to_string(),
                order.o_orderdate.to_string(),
                order.o_orderpriority,
                order.o_clerk.to_string(),
                order.o_shippriority,
                order.o_comment,
            ))?;
            records += 1;
        }
    }
    transaction.commit()?;
    Ok(records)
}

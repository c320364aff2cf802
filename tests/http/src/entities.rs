//! The entities of the shop.

use koan_backup::prelude::*;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

/// A customer.
#[derive(Debug, Serialize, Deserialize, Entity)]
#[entity(table = "users")]
pub struct User {
    /// The key.
    pub id: i64,
    /// The name.
    pub name: String,
}

/// An order of a customer.
#[derive(Debug, Serialize, Deserialize, Entity)]
#[entity(table = "orders")]
pub struct Order {
    /// The key.
    pub id: i64,
    /// The customer.
    pub user_id: i64,
    /// What the customer wrote.
    pub note: String,
}

/// How an order was paid.
#[derive(Debug, Serialize, Deserialize, Entity)]
#[entity(table = "payments")]
#[entity_backup(enabled = false, reason = "the payment service stores them")]
pub struct Payment {
    /// The key.
    pub id: i64,
}

/// Creates the tables with `count` users and orders.
pub fn create_tables(database: &Connection, count: i64) -> rusqlite::Result<()> {
    database.execute_batch(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, note TEXT NOT NULL);
         CREATE TABLE payments (id INTEGER PRIMARY KEY);",
    )?;
    let numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)";
    database.execute(&format!("{numbers} INSERT INTO users SELECT i, 'user ' || i FROM n"), [count])?;
    database.execute(&format!("{numbers} INSERT INTO orders SELECT i, i, 'by post' FROM n"), [count])?;
    Ok(())
}

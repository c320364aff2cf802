//! The entities of the shop.

use koan_backup::prelude::*;
use serde::{Deserialize, Serialize};

use crate::gate;

koan_backup::entity_backup_scope!(mode = All);

/// A customer.
#[derive(Debug, Serialize, Deserialize, Entity)]
#[entity(table = "users")]
struct User {
    id: i64,
    name: String,
}

/// An order of a customer.
#[derive(Debug, Serialize, Deserialize, Entity)]
#[entity(table = "orders")]
#[entity_backup(include_schema = false)]
struct Order {
    id: i64,
    user_id: i64,
    #[serde(deserialize_with = "gate::note")]
    note: String,
}

/// How an order was paid.
#[derive(Debug, Serialize, Deserialize, Entity)]
#[entity(table = "payments")]
#[entity_backup(encrypt)]
struct Payment {
    id: i64,
    card: String,
}

/// A derived view.
#[derive(Debug, Serialize, Deserialize, Entity)]
#[entity(table = "search_index")]
#[entity_backup(enabled = false, reason = "rebuilt from the users")]
struct SearchIndex {
    id: i64,
}

/// Returns the statements that create the tables, with `count` users and orders and one payment.
pub(crate) fn seed(count: i64) -> String {
    let mut statements = "
        CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
        CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL, note TEXT NOT NULL);
        CREATE TABLE payments (id INTEGER PRIMARY KEY, card TEXT NOT NULL);
        CREATE TABLE search_index (id INTEGER PRIMARY KEY);
        CREATE TABLE coupons (id INTEGER PRIMARY KEY);
        INSERT INTO payments VALUES (1, '4111 1111 1111 1111');
        BEGIN;"
        .to_owned();
    for id in 1..=count {
        let note = if id == count { gate::HELD } else { "by post" };
        statements.push_str(&format!("INSERT INTO users VALUES ({id}, 'user {id}');"));
        statements.push_str(&format!("INSERT INTO orders VALUES ({id}, {id}, '{note}');"));
    }
    statements.push_str("COMMIT;");
    statements
}

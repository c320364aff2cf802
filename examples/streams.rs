//! Event streams: an application whose source of truth is a log of events is backed up, damaged and restored.
//!
//! ```sh
//! cargo run --example streams
//! ```
#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::error::Error;
use std::path::{Path, PathBuf};

use koan_backup::prelude::*;
use koan_backup::{ConflictMode, CqrsEs};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

// 1. The type of the events declares how they are backed up. Each backup decodes every event as this type.
#[derive(Debug, Serialize, Deserialize, EventStream)]
#[event_stream(object = "order")]
#[entity_backup]
enum OrderEvent {
    Placed { customer: String },
    ItemAdded { product: String, cents: u64 },
    Paid { cents: u64 },
}

/// An order, as its events describe it.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Order {
    pub(crate) customer: String,
    pub(crate) items: Vec<String>,
    pub(crate) due_cents: u64,
}

impl Order {
    fn apply(&mut self, event: OrderEvent) {
        match event {
            OrderEvent::Placed { customer } => self.customer = customer,
            OrderEvent::ItemAdded { product, cents } => {
                self.items.push(product);
                self.due_cents += cents;
            }
            OrderEvent::Paid { cents } => self.due_cents = self.due_cents.saturating_sub(cents),
        }
    }
}

/// The event store of the application, in the layout of the crate `cqrs-es`.
pub(crate) struct Shop {
    database: PathBuf,
}

/// The results of the example, which its test checks.
#[allow(dead_code, reason = "only the test reads all fields")]
pub(crate) struct Outcome {
    pub(crate) archived_events: u64,
    pub(crate) refused: koan_backup::Error,
    pub(crate) before: Order,
    pub(crate) damaged: Order,
    pub(crate) restored: Order,
    pub(crate) cloned: Order,
    pub(crate) later_events: u64,
    pub(crate) removed_events: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::Builder::new().prefix("koan-backup-streams-").tempdir()?.keep();
    run(&folder).await.map(drop)
}

/// Runs the example in `folder`.
pub(crate) async fn run(folder: &Path) -> Result<Outcome, Box<dyn Error>> {
    let shop = Shop::create(folder.join("shop.db"))?;
    for number in 1..=20 {
        shop.append(
            &format!("order-{number}"),
            &OrderEvent::Placed { customer: format!("Customer {number}") },
        )?;
        shop.append(
            &format!("order-{number}"),
            &OrderEvent::ItemAdded { product: "tea".into(), cents: 450 },
        )?;
        shop.append(&format!("order-{number}"), &OrderEvent::Paid { cents: 450 })?;
    }
    shop.append("order-17", &OrderEvent::ItemAdded { product: "cup".into(), cents: 900 })?;
    let before = shop.order("order-17")?;

    // 2. The context knows the tables of the event store.
    let koan = Koan::builder()
        .provider(Sqlite::open(folder.join("shop.db"))?.event_store(CqrsEs::tables()))
        .storage(Storage::local(folder.join("backups"))?)
        .state_directory(folder.join("state"))
        .application("shop")
        .build()
        .await?;

    // 3. A backup of everything contains the streams, and a single stream can be backed up at any time.
    let nightly = koan.backup("nightly").await?;
    println!("Backed up {} events of 20 orders as {}.", nightly.item_count(), nightly.id());
    let orders = koan.streams("order")?;
    let handle = orders.backup("order-17").full().description("before the migration").await?;
    println!("Backed up order-17 alone: {} events, {} bytes.", handle.event_count, handle.size_bytes);

    // 4. A faulty migration rewrites an event and appends another.
    shop.sql(
        "UPDATE events SET payload = '{\"ItemAdded\":{\"product\":\"cup\",\"cents\":9}}'
              WHERE aggregate_id = 'order-17' AND sequence = 4",
    )?;
    shop.append("order-17", &OrderEvent::Paid { cents: 9 })?;
    let damaged = shop.order("order-17")?;
    println!("After the migration, {} cents are due in place of {}.", damaged.due_cents, before.due_cents);

    // 5. A restore does not overwrite an existing stream by accident.
    let Err(refused) = orders.restore(&handle).await else {
        return Err("the stream exists, so the restore must be refused".into());
    };
    println!("Refused: {refused}");
    orders.restore(&handle).on_conflict(ConflictMode::Overwrite).await?;
    let restored = shop.order("order-17")?;
    println!("Restored: {} cents are due.", restored.due_cents);

    // 6. A clone shows an earlier state beside the current one.
    orders.restore_as(&handle, "order-17-review").await?;
    let cloned = shop.order("order-17-review")?;

    // 7. Two backups can be compared, and a restore of everything is tried out first.
    shop.append("order-3", &OrderEvent::ItemAdded { product: "cake".into(), cents: 300 })?;
    let later = koan.backup("later").await?;
    let comparison = koan.diff(nightly.id(), later.id()).await?;
    let later_events =
        comparison.entities.iter().filter(|part| part.entity == "order").map(|part| part.added).sum();
    println!("Since the first backup, {later_events} events were added.");
    let trial = koan.restore(nightly.id()).replace_existing().dry_run().await?;
    println!("A restore would remove {} later events.", trial.counts().deleted);
    let report = koan.restore(nightly.id()).replace_existing().await?;

    Ok(Outcome {
        archived_events: nightly.item_count(),
        refused,
        before,
        damaged,
        restored,
        cloned,
        later_events,
        removed_events: report.counts().deleted,
    })
}

impl Shop {
    fn create(database: PathBuf) -> Result<Self, Box<dyn Error>> {
        let shop = Self { database };
        shop.sql(
            "CREATE TABLE events (
                 aggregate_type TEXT NOT NULL, aggregate_id TEXT NOT NULL, sequence INTEGER NOT NULL CHECK (sequence >= 0),
                 event_type TEXT NOT NULL, event_version TEXT NOT NULL, payload TEXT NOT NULL, metadata TEXT NOT NULL,
                 PRIMARY KEY (aggregate_type, aggregate_id, sequence));
             CREATE TABLE snapshots (
                 aggregate_type TEXT NOT NULL, aggregate_id TEXT NOT NULL, last_sequence INTEGER NOT NULL,
                 current_snapshot INTEGER NOT NULL, payload TEXT NOT NULL,
                 PRIMARY KEY (aggregate_type, aggregate_id));",
        )?;
        Ok(shop)
    }

    /// Appends an event to the stream of an order.
    fn append(&self, order: &str, event: &OrderEvent) -> Result<(), Box<dyn Error>> {
        let event_type = match event {
            OrderEvent::Placed { .. } => "Placed",
            OrderEvent::ItemAdded { .. } => "ItemAdded",
            OrderEvent::Paid { .. } => "Paid",
        };
        let payload = serde_json::to_string(event)?;
        Connection::open(&self.database)?.execute(
            "INSERT INTO events SELECT 'order', ?1, coalesce(max(sequence), 0) + 1, ?2, '1.0', ?3, '{}'
             FROM events WHERE aggregate_type = 'order' AND aggregate_id = ?1",
            params![order, event_type, payload],
        )?;
        Ok(())
    }

    /// Returns an order in the state after its last event.
    pub(crate) fn order(&self, order: &str) -> Result<Order, Box<dyn Error>> {
        let connection = Connection::open(&self.database)?;
        let mut events = connection.prepare(
            "SELECT payload FROM events WHERE aggregate_type = 'order' AND aggregate_id = ? ORDER BY sequence",
        )?;
        let mut state = Order::default();
        for payload in events.query_map([order], |row| row.get::<_, String>(0))? {
            state.apply(serde_json::from_str(&payload?)?);
        }
        Ok(state)
    }

    fn sql(&self, sql: &str) -> Result<(), Box<dyn Error>> {
        Ok(Connection::open(&self.database)?.execute_batch(sql)?)
    }
}

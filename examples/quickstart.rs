//! The main functions on generated data: a shop is backed up, verified, damaged and restored.
//!
//! ```sh
//! cargo run --example quickstart
//! ```
#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::error::Error;
use std::path::Path;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use koan_backup::prelude::*;
use koan_backup::report::{BackupReport, RestoreReport, VerifyReport};
use rusqlite::Connection;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

// 1. The structs declare how they are backed up. All entities of this crate are backed up, except those that
// declare something else.
entity_backup_scope!(mode = All);

#[derive(Serialize, Deserialize, Entity)]
#[entity(table = "customers")]
struct Customer {
    id: i64,
    name: String,
    email: String,
    member_since: NaiveDate,
    newsletter: bool,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(table = "orders")]
#[entity_backup(include_schema = false)]
struct Order {
    id: i64,
    customer_id: i64,
    placed_at: DateTime<Utc>,
    total: Decimal,
    note: Option<String>,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(table = "order_lines", key = "order_id, line")]
struct OrderLine {
    order_id: i64,
    line: u32,
    product: String,
    quantity: u32,
    unit_price: Decimal,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(table = "order_words")]
#[entity_backup(enabled = false, reason = "search index, rebuilt from the orders")]
struct OrderWord {
    id: i64,
    word: String,
}

/// The results of the example, which its test checks.
#[allow(dead_code, reason = "only the test reads all fields")]
pub(crate) struct Outcome {
    pub(crate) warnings: Vec<String>,
    pub(crate) backup: BackupReport,
    pub(crate) verified: VerifyReport,
    /// The number of rows that differ from the original shop after the damage.
    pub(crate) damaged: i64,
    /// The number of rows that differ from the original shop after the restore.
    pub(crate) damaged_after_restore: i64,
    pub(crate) dry_run: RestoreReport,
    pub(crate) damaged_after_dry_run: i64,
    pub(crate) restored: RestoreReport,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().without_time().with_ansi(false).init();
    let folder = tempfile::Builder::new().prefix("koan-backup-quickstart-").tempdir()?.keep();
    run(&folder).await.map(drop)
}

/// Runs the example in `folder`.
pub(crate) async fn run(folder: &Path) -> Result<Outcome, Box<dyn Error>> {
    let database = folder.join("shop.db");
    create_shop(&database)?;
    let before = folder.join("shop-before.db");
    std::fs::copy(&database, &before)?;
    println!(
        "\nCreated a shop with 300 customers, 2000 orders and 5000 order lines in {}.",
        database.display()
    );

    // 2. The application starts. The start compares the entities with the tables of the database.
    println!(
        "\nThe boot report lists the included entities, the excluded entities with their reasons, and uncovered tables."
    );
    let koan = Koan::builder()
        .application("quickstart")
        .provider(Sqlite::open(&database)?)
        .storage(Storage::local(folder.join("backups"))?)
        .build()
        .await?;
    let warnings = koan.inventory().warnings.clone();
    println!("The table `page_views` has no struct, so the report contains a warning.");

    // 3. One line backs up all entities.
    let backup = koan.backup("nightly").description("before the sale").tag("nightly").await?;
    let manifest = backup.manifest();
    let archive = manifest.archive.as_ref().ok_or("the backup has no archive")?;
    println!("\nBacked up {} records into one archive of {} bytes.", backup.item_count(), archive.size_bytes);
    for entity in &manifest.entities {
        let (records, json_bytes, compressed_bytes) =
            (entity.item_count, entity.size_bytes, entity.compressed_bytes);
        println!(
            "  {:<10} {records:>5} records, {json_bytes:>7} bytes of JSON, {compressed_bytes:>6} compressed",
            entity.entity
        );
    }

    // 4. The verification reads the whole archive. It checks every hash and every count, and decodes every
    // record as its struct.
    let verified = koan.verify(backup.id()).await?.require_valid()?;
    let checked: u64 = verified.entities.iter().map(|entity| entity.records_checked).sum();
    println!("\nVerified the backup: {checked} records were read back and decode as their structs.");

    // 5. The database is damaged.
    damage(&database)?;
    let damaged = differences(&database, &before)?;
    println!(
        "\nDamaged the shop: deleted customers, set prices to 0, and inserted an order that was never placed. {damaged} rows differ."
    );

    // 6. A dry run compares every record, reports what a restore would do, and writes nothing.
    let dry_run = koan.restore("nightly").replace_existing().dry_run().await?;
    let damaged_after_dry_run = differences(&database, &before)?;
    let counts = dry_run.counts();
    println!(
        "\nDry run: {} records would be inserted, {} updated and {} deleted; {} are unchanged.",
        counts.inserted, counts.updated, counts.deleted, counts.unchanged
    );
    println!("The dry run wrote nothing: {damaged_after_dry_run} rows still differ.");

    // 7. A restore verifies the whole archive before its first write. If it fails, it changes nothing.
    let restored = koan.restore("nightly").replace_existing().await?;
    let damaged_after_restore = differences(&database, &before)?;
    println!(
        "\nRestored {} records in {} ms: {damaged_after_restore} rows differ now.",
        restored.record_count(),
        restored.duration_ms
    );

    // 8. The archive is an ordinary ZIP file.
    let archive = folder.join("backups").join(&archive.file);
    println!("\nTo read the archive without koan-backup:");
    println!("  unzip -l {}", archive.display());
    println!("  unzip -p {} entities/Customer.jsonl | head -3 | jq .", archive.display());
    println!("  unzip -p {} manifest.json | jq '.entities[] | {{entity, itemCount}}'", archive.display());
    println!("All files are in {}; delete this folder when you no longer need it.", folder.display());
    Ok(Outcome {
        warnings,
        backup,
        verified,
        damaged,
        damaged_after_restore,
        dry_run,
        damaged_after_dry_run,
        restored,
    })
}

/// Creates the database of a shop, as an application would.
fn create_shop(path: &Path) -> Result<(), Box<dyn Error>> {
    let mut database = Connection::open(path)?;
    database.execute_batch(
        "CREATE TABLE customers (
             id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE,
             member_since DATE NOT NULL, newsletter BOOLEAN NOT NULL);
         CREATE TABLE orders (
             id INTEGER PRIMARY KEY AUTOINCREMENT, customer_id INTEGER NOT NULL REFERENCES customers (id),
             placed_at DATETIME NOT NULL, total NUMERIC NOT NULL, note TEXT);
         CREATE INDEX orders_of_customer ON orders (customer_id);
         CREATE TABLE order_lines (
             order_id INTEGER NOT NULL REFERENCES orders (id), line INTEGER NOT NULL, product TEXT NOT NULL,
             quantity INTEGER NOT NULL, unit_price NUMERIC NOT NULL, PRIMARY KEY (order_id, line)) WITHOUT ROWID;
         CREATE TABLE order_words (id INTEGER PRIMARY KEY, word TEXT NOT NULL);
         CREATE TABLE page_views (at DATETIME NOT NULL, page TEXT NOT NULL);",
    )?;
    let shop = database.transaction()?;
    {
        let mut customer = shop.prepare("INSERT INTO customers VALUES (?1, ?2, ?3, ?4, ?5)")?;
        let names = ["Ada", "Björk", "Chidi", "Đặng", "Eun-ji", "Фёдор", "غادة"];
        for id in 1..=300_i64 {
            let name = format!("{} {id}", names[usize::try_from(id)? % names.len()]);
            let since =
                NaiveDate::from_ymd_opt(2020, 1, 1).ok_or("the date is invalid")? + TimeDelta::days(id);
            customer.execute((
                id,
                name,
                format!("customer-{id}@example.com"),
                since.to_string(),
                id % 3 == 0,
            ))?;
        }
        let mut order = shop.prepare("INSERT INTO orders VALUES (?1, ?2, ?3, ?4, ?5)")?;
        let mut line = shop.prepare("INSERT INTO order_lines VALUES (?1, ?2, ?3, ?4, ?5)")?;
        let products = ["lamp", "kettle", "chair, \"oak\"", "thé vert", "notebook"];
        for id in 1..=2000_i64 {
            let placed =
                DateTime::from_timestamp(1_700_000_000 + id * 977, 0).ok_or("the time is invalid")?;
            let note = (id % 7 == 0).then_some("please ring\nthe bell twice");
            let placed = placed.format("%Y-%m-%d %H:%M:%S").to_string();
            let (lines, quantity, price) = (1 + id % 4, 1 + id % 3, Decimal::new(199 + id * 7 % 5000, 2));
            let total = price * Decimal::from(lines * quantity);
            order.execute((id, 1 + id % 300, placed, total.to_string(), note))?;
            for number in 1..=lines {
                let product = products[usize::try_from(id + number)? % products.len()];
                line.execute((id, number, product, quantity, price.to_string()))?;
            }
        }
    }
    shop.commit()?;
    Ok(())
}

/// Damages the database: deletes customers, changes prices, and inserts an order.
fn damage(path: &Path) -> Result<(), Box<dyn Error>> {
    Connection::open(path)?.execute_batch(
        "PRAGMA foreign_keys = OFF;
         DELETE FROM customers WHERE id % 10 = 0;
         UPDATE order_lines SET unit_price = 0 WHERE order_id < 100;
         INSERT INTO orders VALUES (9999, 1, '2030-01-01 00:00:00', 1000000, 'never placed');",
    )?;
    Ok(())
}

/// Returns the number of rows that are in only one of the two databases.
fn differences(current: &Path, before: &Path) -> Result<i64, Box<dyn Error>> {
    let database = Connection::open(current)?;
    database.execute("ATTACH ?1 AS before", [before.to_str().ok_or("the path is not UTF-8")?])?;
    let mut rows = 0;
    for table in ["customers", "orders", "order_lines"] {
        let count = format!(
            "SELECT (SELECT count(*) FROM (SELECT * FROM main.{table} EXCEPT SELECT * FROM before.{table}))
                  + (SELECT count(*) FROM (SELECT * FROM before.{table} EXCEPT SELECT * FROM main.{table}))"
        );
        rows += database.query_row(&count, [], |row| row.get::<_, i64>(0))?;
    }
    Ok(rows)
}

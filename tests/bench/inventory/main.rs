//! A program with a thousand entities that prints the duration of its start.
#![expect(clippy::print_stdout, reason = "the parent process reads the output")]

mod entities;

use std::error::Error;
use std::time::{Duration, Instant};

use koan_backup::prelude::*;
use rusqlite::Connection;
use serde::Serialize;

/// The durations of one start, in a process that has not started a context before.
#[derive(Serialize)]
struct Boot {
    /// The time to resolve every policy.
    inventory: Duration,
    /// The time to build a context, which compares every field with its column in the database.
    context: Duration,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("many.db");
    let database = Connection::open(&path)?;
    let tables = entities::NAMES
        .iter()
        .map(|name| format!("CREATE TABLE {name} (id INTEGER PRIMARY KEY, name TEXT, rank INTEGER);"));
    database.execute_batch(&format!("BEGIN; {} COMMIT;", tables.collect::<String>()))?;

    let started = Instant::now();
    let inventory = Inventory::linked()?;
    let inventory_time = started.elapsed();
    if inventory.included.len() != entities::NAMES.len() {
        return Err(format!(
            "the inventory includes {} entities, but this program declares {}",
            inventory.included.len(),
            entities::NAMES.len()
        )
        .into());
    }

    let started = Instant::now();
    let builder = Koan::builder().provider(Sqlite::open(&path)?).named_storage("memory", Storage::memory());
    let koan = builder.deny_uncovered().build().await?;
    let boot = Boot { inventory: inventory_time, context: started.elapsed() };
    println!("{}", serde_json::to_string(&boot)?);
    drop(koan);
    Ok(())
}

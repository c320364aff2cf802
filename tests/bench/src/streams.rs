//! Compares backups of event streams in the tables of `cqrs-es` in PostgreSQL with `pg_dump` and `COPY`.

use std::path::Path;

use koan_backup::prelude::*;
use koan_backup::{CqrsEs, KoanBuilder};
use koan_backup_tests::cqrs_es_tables;
use koan_backup_tests::postgres::Server;
use serde::Deserialize;

use crate::measured::{Measured, median, median_memory, run};
use crate::table::{Table, count, megabytes, rate, ratio, seconds};
use crate::work::Operation;
use crate::{Result, remove_storage};

/// The version of PostgreSQL that is measured.
const VERSION: u32 = 15;
/// The file in the folder of a run that contains the address of the database.
const ADDRESS: &str = "events";
const DATABASE: &str = "events";
/// The aggregate with the most events.
pub(crate) const LONGEST: &str = "order-1";

#[derive(Deserialize, EventStream)]
#[event_stream(object = "order")]
#[entity_backup]
#[expect(dead_code, reason = "events are only decoded")]
enum OrderEvent {
    ItemAdded { product: String, quantity: u32, cents: u64 },
}

/// The number of streams and their length.
#[derive(Clone, Copy)]
struct Shape {
    streams: u64,
    length: u64,
}

/// Creates a builder for a context on the event store.
pub(crate) fn context(folder: &Path) -> Result<KoanBuilder> {
    let address = std::fs::read_to_string(folder.join(ADDRESS))?;
    let builder = Koan::builder().only_registered().register_stream::<OrderEvent>();
    Ok(builder.provider(Postgres::connect(address)?.event_store(CqrsEs::tables())))
}

/// Measures one long stream and many short ones, each at a tenth of the size and at the full size.
pub(crate) fn measure(table: &mut Table, scale: f64, runs: usize) -> Result<()> {
    let server = Server::with_settings(VERSION, &["shared_buffers=512MB", "max_wal_size=8GB"]);
    let million = scaled(1_000_000, scale);
    for (name, small, large) in [
        ("one stream", Shape { streams: 1, length: million / 10 }, Shape { streams: 1, length: million }),
        (
            "streams of ten events",
            Shape { streams: million / 100, length: 10 },
            Shape { streams: million / 10, length: 10 },
        ),
    ] {
        let peaks: Vec<u64> = [small, large]
            .into_iter()
            .map(|shape| measure_shape(table, &server, shape, runs))
            .collect::<Result<_>>()?;
        let growth = format!("{:.2} ×", ratio(peaks[1], peaks[0]));
        table.row(
            &format!("peak memory of a backup, {name}, large against small"),
            &growth,
            "",
            "",
            "≤ 1.10 ×",
        );
    }
    Ok(())
}

/// Measures the operations at one size, and returns the peak memory of a backup.
fn measure_shape(table: &mut Table, server: &Server, shape: Shape, runs: usize) -> Result<u64> {
    let folder = tempfile::tempdir()?;
    let address = server.address_of("postgres", DATABASE);
    std::fs::write(folder.path().join(ADDRESS), &address)?;
    server.psql("postgres", &format!("DROP DATABASE IF EXISTS {DATABASE}"));
    server.psql("postgres", &format!("CREATE DATABASE {DATABASE}"));
    server.psql(DATABASE, cqrs_es_tables::POSTGRES);
    let Shape { streams, length } = shape;
    server.psql(
        DATABASE,
        &format!(
            "INSERT INTO events SELECT 'order', 'order-' || s, e, 'ItemAdded', '1.0',
                 json_build_object('ItemAdded', json_build_object('product', md5(s || '-' || e), 'quantity', e % 7, 'cents', e * 13 % 9973)),
                 '{{\"operator\":\"admin\"}}'
             FROM generate_series(1, {streams}) s, generate_series(1, {length}) e"
        ),
    );
    server.psql(DATABASE, "VACUUM (ANALYZE, FREEZE)");
    table.heading(&format!("PostgreSQL {VERSION}, {} streams of {} events", count(streams), count(length)));

    let dump = format!("pg_dump -Fc -t events -f dump.fc {address}");
    let copy = format!("psql -qXc 'COPY events TO STDOUT' {address} > events.copy");
    let (mut ours, mut dumped, mut copied, mut single, mut restored) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        remove_storage(folder.path())?;
        ours.push(Operation::StreamsBackup.run_in_new_process(folder.path())?);
        dumped.push(shell(folder.path(), &dump, "dump.fc")?);
        copied.push(shell(folder.path(), &copy, "events.copy")?);
        if streams == 1 {
            single.push(Operation::SingleStreamBackup.run_in_new_process(folder.path())?);
        }
        server.psql(DATABASE, "TRUNCATE events, snapshots");
        restored.push(Operation::StreamsRestore.run_in_new_process(folder.path())?);
    }
    let backup = median(&ours);
    for (name, peers) in [("pg_dump -Fc -t events", &dumped), ("COPY of the table", &copied)] {
        against(table, &format!("backup, against `{name}`"), &backup, &median(peers));
    }
    table.row("  size", &megabytes(backup.output_bytes), &megabytes(median(&dumped).output_bytes), "", "");
    table.row("  rate", &rate(&backup), "", "", "");
    let peak = median_memory(&ours);
    table.row("  peak memory", &megabytes(peak), "", "", "< 100 MB");
    for (name, measured) in
        [("single backup of the stream", &single), ("restore with verification", &restored)]
    {
        if measured.is_empty() {
            continue;
        }
        let measured_run = median(measured);
        table.row(name, &seconds(measured_run.wall), "", "", "");
        table.row("  peak memory", &megabytes(median_memory(measured)), "", "", "");
    }
    Ok(peak)
}

/// Adds a row that compares the wall-clock times, because neither processor time includes the work of the server.
fn against(table: &mut Table, operation: &str, ours: &Measured, peer: &Measured) {
    let share = format!("{:.2} ×", ratio(ours.wall, peer.wall));
    table.row(operation, &seconds(ours.wall), &seconds(peer.wall), &share, "");
}

/// Runs a shell command in a folder, and measures it and the file that it writes.
fn shell(folder: &Path, command: &str, output: &str) -> Result<Measured> {
    let (_, measured) = run(std::process::Command::new("sh").args(["-ec", command]).current_dir(folder))?;
    Ok(Measured { output_bytes: std::fs::metadata(folder.join(output))?.len(), ..measured })
}

/// Returns a number at a scale, at least 100.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::as_conversions,
    reason = "a number of events"
)]
fn scaled(number: u32, scale: f64) -> u64 {
    ((f64::from(number) * scale) as u64).max(100)
}

//! Compares backups of PostgreSQL with the tools of PostgreSQL, on customers, orders and line items of TPC-H
//! with three indexes and two foreign keys.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use chrono::NaiveDate;
use koan_backup::KoanBuilder;
use koan_backup::prelude::*;
use koan_backup_tests::postgres::Server;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tpchgen::generators::{CustomerGenerator, LineItemGenerator, OrderGenerator};

use crate::measured::{Measured, median, median_memory, run};
use crate::orders::{self, Order};
use crate::table::{Table, count, megabytes, rate, ratio, seconds};
use crate::work::Operation;
use crate::{Result, Settings, parts, remove_storage};

/// The version of PostgreSQL that is measured.
const VERSION: u32 = 15;
/// The file in the folder of a run that contains the address of the server.
const ADDRESS: &str = "postgres";
/// The name of the full database.
const FULL: &str = "tpch";
/// The name of the database into which backups are restored.
const RESTORED: &str = "restored";
/// The number of rows that are inserted with one statement per row. More rows would take minutes.
const SINGLE_ROWS: usize = 20_000;

#[derive(Serialize, Deserialize, Entity)]
#[entity(table = "customer", key = "c_custkey")]
pub(crate) struct Customer {
    c_custkey: i64,
    c_name: String,
    c_address: String,
    c_nationkey: i64,
    c_phone: String,
    c_acctbal: Decimal,
    c_mktsegment: String,
    c_comment: String,
}

#[derive(Serialize, Deserialize, Entity)]
#[entity(table = "lineitem", key = "l_orderkey, l_linenumber")]
pub(crate) struct LineItem {
    l_orderkey: i64,
    l_partkey: i64,
    l_suppkey: i64,
    l_linenumber: i32,
    l_quantity: Decimal,
    l_extendedprice: Decimal,
    l_discount: Decimal,
    l_tax: Decimal,
    l_returnflag: String,
    l_linestatus: String,
    l_shipdate: NaiveDate,
    l_commitdate: NaiveDate,
    l_receiptdate: NaiveDate,
    l_shipinstruct: String,
    l_shipmode: String,
    l_comment: String,
}

const TABLES: &str = "
    CREATE TABLE customer (c_custkey BIGINT PRIMARY KEY, c_name TEXT NOT NULL, c_address TEXT NOT NULL,
        c_nationkey BIGINT NOT NULL, c_phone TEXT NOT NULL, c_acctbal NUMERIC(15, 2) NOT NULL,
        c_mktsegment TEXT NOT NULL, c_comment TEXT NOT NULL);
    CREATE TABLE orders (o_orderkey BIGINT PRIMARY KEY, o_custkey BIGINT NOT NULL, o_orderstatus TEXT NOT NULL,
        o_totalprice NUMERIC(15, 2) NOT NULL, o_orderdate DATE NOT NULL, o_orderpriority TEXT NOT NULL,
        o_clerk TEXT NOT NULL, o_shippriority INTEGER NOT NULL, o_comment TEXT NOT NULL);
    CREATE TABLE lineitem (l_orderkey BIGINT NOT NULL, l_partkey BIGINT NOT NULL, l_suppkey BIGINT NOT NULL,
        l_linenumber INTEGER NOT NULL, l_quantity NUMERIC(15, 2) NOT NULL, l_extendedprice NUMERIC(15, 2) NOT NULL,
        l_discount NUMERIC(15, 2) NOT NULL, l_tax NUMERIC(15, 2) NOT NULL, l_returnflag TEXT NOT NULL,
        l_linestatus TEXT NOT NULL, l_shipdate DATE NOT NULL, l_commitdate DATE NOT NULL, l_receiptdate DATE NOT NULL,
        l_shipinstruct TEXT NOT NULL, l_shipmode TEXT NOT NULL, l_comment TEXT NOT NULL,
        PRIMARY KEY (l_orderkey, l_linenumber));";
const INDEXES: &str = "
    CREATE INDEX ON orders (o_custkey);
    CREATE INDEX ON lineitem (l_partkey);
    CREATE INDEX ON lineitem (l_shipdate);
    ALTER TABLE orders ADD FOREIGN KEY (o_custkey) REFERENCES customer;
    ALTER TABLE lineitem ADD FOREIGN KEY (l_orderkey) REFERENCES orders;";

/// Creates a builder for a context on the database with this name.
pub(crate) fn context(folder: &Path, database: &str) -> Result<KoanBuilder> {
    let address = std::fs::read_to_string(folder.join(ADDRESS))?;
    let builder = Koan::builder().only_registered().register_scope(&orders::SCOPE);
    let builder = builder.register::<Customer>().register::<Order>().register::<LineItem>();
    Ok(builder.provider(Postgres::connect(format!("{address}/{database}"))?))
}

/// Returns the name of the database that an operation uses.
pub(crate) fn database_of(operation: Operation) -> &'static str {
    if matches!(operation, Operation::PostgresBackup) { FULL } else { RESTORED }
}

/// Measures all operations at one scale, and returns the peak memory of a backup.
pub(crate) fn measure(table: &mut Table, scale: f64, settings: &Settings) -> Result<u64> {
    let runs = settings.runs;
    let server = Server::with_settings(VERSION, &["shared_buffers=512MB", "max_wal_size=8GB"]);
    let address = server.address_of("postgres", "");
    let address = address.trim_end_matches('/');
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join(ADDRESS), address)?;
    let records = load(&server, address, scale)?;
    table.heading(&format!(
        "PostgreSQL {VERSION}, {} TPC-H rows in three tables (scale {scale})",
        count(records)
    ));

    let dump = |options: &str| {
        let command = format!("pg_dump -Fc {options} -f dump.fc {address}/{FULL}");
        let measured = shell(folder.path(), &command)?;
        Ok::<_, Box<dyn std::error::Error>>(Measured {
            output_bytes: std::fs::metadata(folder.path().join("dump.fc"))?.len(),
            ..measured
        })
    };
    let copy = ["customer", "orders", "lineitem"]
        .map(|name| format!("psql -qXc 'COPY {name} TO STDOUT' {address}/{FULL} > /dev/null"))
        .join(" && ");
    let (mut ours, mut dumped_z1, mut copied, mut dumped) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        remove_storage(folder.path())?;
        ours.push(Operation::PostgresBackup.run_in_new_process(folder.path())?);
        dumped_z1.push(dump("-Z1")?);
        copied.push(shell(folder.path(), &copy)?);
        dumped.push(dump("")?);
    }
    let backup = median(&ours);
    for (name, peers, goal) in [
        ("pg_dump -Fc", &dumped, "≤ 0.35 ×"),
        ("pg_dump -Fc -Z1", &dumped_z1, ""),
        ("COPY of the tables to /dev/null", &copied, ""),
    ] {
        against(table, &format!("backup, against `{name}`"), &backup, &median(peers), goal);
    }
    table.row("  size", &megabytes(backup.output_bytes), &megabytes(median(&dumped).output_bytes), "", "");
    table.row("  rate", &rate(&backup), "", "", "");
    let peak_memory = median_memory(&ours);
    table.row("  peak memory", &megabytes(peak_memory), "", "", "< 100 MB");
    if settings.parts {
        parts::measure(table, folder.path(), &format!("{address}/{FULL}"), median(&dumped).wall)?;
    }
    restore(table, &server, folder.path(), address, runs)?;
    Ok(peak_memory)
}

/// Measures restores, `pg_restore`, and the insertion of single rows.
fn restore(table: &mut Table, server: &Server, folder: &Path, address: &str, runs: usize) -> Result<()> {
    let recreate_database = |schema: &str| {
        server.psql("postgres", &format!("DROP DATABASE IF EXISTS {RESTORED}"));
        server.psql("postgres", &format!("CREATE DATABASE {RESTORED}"));
        if !schema.is_empty() {
            server.psql(RESTORED, schema);
        }
    };
    let (mut ours, mut loaded) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        recreate_database(&format!("{TABLES}{INDEXES}"));
        ours.push(Operation::PostgresRestore.run_in_new_process(folder)?);
        recreate_database("");
        loaded.push(shell(folder, &format!("pg_restore -j2 -d {address}/{RESTORED} dump.fc"))?);
    }
    let (restored, peer) = (median(&ours), median(&loaded));
    against(table, "restore with verification, against `pg_restore -j2`", &restored, &peer, "≤ 1.50 ×");
    table.row("  rate", &rate(&restored), "", "", "");
    table.row("  peak memory", &megabytes(median_memory(&ours)), "", "", "");

    recreate_database(&format!("{TABLES}{INDEXES}"));
    let statement = format!(
        "SELECT format('INSERT INTO customer VALUES (%L,%L,%L,%L,%L,%L,%L,%L) ON CONFLICT (c_custkey) DO UPDATE SET c_name = \
         excluded.c_name;', c_custkey, c_name, c_address, c_nationkey, c_phone, c_acctbal, c_mktsegment, c_comment) \
         FROM customer LIMIT {SINGLE_ROWS}"
    );
    let statements = server.psql(FULL, &statement);
    let rows = statements.lines().count();
    std::fs::write(folder.join("rows.sql"), format!("BEGIN;\n{statements}\nCOMMIT;\n"))?;
    let single = shell(folder, &format!("psql -qX -f rows.sql {address}/{RESTORED}"))?;
    let single = Measured { records: u64::try_from(rows)?, ..single };
    let faster = ratio(restored.records, 1)
        / restored.wall.as_secs_f64()
        / (ratio(single.records, 1) / single.wall.as_secs_f64());
    table.row(
        "  rows per second, against one `INSERT … ON CONFLICT` per row",
        "",
        &rate(&single),
        &format!("{faster:.0} ×"),
        "≥ 10 ×",
    );
    Ok(())
}

/// Adds a row that compares the wall-clock times, because neither processor time includes the work of the
/// server.
fn against(table: &mut Table, operation: &str, ours: &Measured, peer: &Measured, goal: &str) {
    let share = format!("{:.2} ×", ratio(ours.wall, peer.wall));
    table.row(operation, &seconds(ours.wall), &seconds(peer.wall), &share, goal);
}

/// Runs a shell command in a folder, and measures it.
fn shell(folder: &Path, command: &str) -> Result<Measured> {
    let (_, measured) = run(Command::new("sh").args(["-ec", command]).current_dir(folder))?;
    Ok(measured)
}

/// Creates the full database, and returns the number of its rows.
fn load(server: &Server, address: &str, scale: f64) -> Result<u64> {
    server.psql("postgres", &format!("CREATE DATABASE {FULL}"));
    server.psql(FULL, TABLES);
    let customers = copy(address, "customer", CustomerGenerator::new(scale, 1, 1).iter())?;
    let orders = copy(address, "orders", OrderGenerator::new(scale, 1, 1).iter())?;
    let items = copy(address, "lineitem", LineItemGenerator::new(scale, 1, 1).iter())?;
    server.psql(FULL, INDEXES);
    server.psql(FULL, "VACUUM (ANALYZE, FREEZE)");
    Ok(customers + orders + items)
}

/// Writes rows into a table, and returns their number. The display of a row has a `|` after each field.
fn copy(address: &str, table: &str, rows: impl Iterator<Item = impl std::fmt::Display>) -> Result<u64> {
    let statement = format!("COPY {table} FROM STDIN (DELIMITER '|')");
    let mut psql = Command::new("psql");
    let mut psql =
        psql.args(["-qX", "-c", &statement, &format!("{address}/{FULL}")]).stdin(Stdio::piped()).spawn()?;
    let mut input = BufWriter::new(psql.stdin.take().ok_or("the input of psql is not piped")?);
    let mut count = 0;
    for row in rows {
        let line = row.to_string();
        writeln!(input, "{}", line.strip_suffix('|').unwrap_or(&line))?;
        count += 1;
    }
    input.flush()?;
    drop(input);
    if psql.wait()?.success() {
        Ok(count)
    } else {
        Err(format!("psql could not write the rows of {table}").into())
    }
}

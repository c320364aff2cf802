//! Compares koan-backup with widely used tools in one run, and prints a table.
//!
//! ```sh
//! cargo run --release -p koan-backup-bench -- [--scale 1.0] [--runs 3] [--levels] [--compile] [--postgres [--parts] | --streams | --catalog | --http | --declarations]
//! ```
//!
//! Each operation of koan-backup is measured in a separate process, from its start to its end. The times are
//! therefore comparable with those of the other tools, and the peak memory is that of one operation.
#![expect(clippy::print_stdout, reason = "the program prints a table")]

mod catalog;
mod declarations;
mod encrypted;
mod http;
mod inventory;
mod measured;
mod orders;
mod parts;
mod peer;
mod postgres;
mod streams;
mod table;
mod work;

use std::error::Error;
use std::path::Path;

use inventory::Compiling;
use koan_backup::Compression;
use measured::{median, median_memory};
use table::{Table, count, megabytes, rate, ratio, seconds};
use work::Operation;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((operation, folder)) = Operation::from_arguments(&arguments)? {
        return operation.perform(&folder);
    }
    let settings = Settings::parse(&arguments)?;
    let mut table = Table::default();
    // The work is that of cargo, so the profile of this program does not matter.
    if settings.declarations {
        declarations::measure(&mut table, settings.runs)?;
        println!("{table}");
        return Ok(());
    }
    if cfg!(debug_assertions) {
        return Err(
            "the figures of a build without optimisation are meaningless; run the benchmark with `--release`"
                .into(),
        );
    }
    if settings.catalog {
        catalog::measure(&mut table, settings.runs)?;
        println!("{table}");
        return Ok(());
    }
    if settings.http {
        http::measure(&mut table)?;
        println!("{table}");
        return Ok(());
    }
    if settings.streams {
        streams::measure(&mut table, settings.scale, settings.runs)?;
        println!("{table}");
        return Ok(());
    }
    if settings.postgres {
        let small_peak = postgres::measure(&mut table, settings.scale / 10.0, &settings)?;
        let large_peak = postgres::measure(&mut table, settings.scale, &settings)?;
        add_memory_growth(&mut table, large_peak, small_peak);
        println!("{table}");
        return Ok(());
    }
    let small_peak = orders(&mut table, settings.scale / 10.0, &settings, Extent::BackupOnly)?;
    let large_peak = orders(&mut table, settings.scale, &settings, Extent::Everything)?;
    add_memory_growth(&mut table, large_peak, small_peak);
    inventory::measure(&mut table, settings.runs, settings.compiling)?;
    println!("{table}");
    Ok(())
}

/// Adds a row that compares the peak memory of a backup at both sizes.
fn add_memory_growth(table: &mut Table, large_peak: u64, small_peak: u64) {
    let growth = ratio(large_peak, small_peak);
    table.row("peak memory of a backup, large against small", &format!("{growth:.2} ×"), "", "", "≤ 1.10 ×");
}

/// The options of the command line.
struct Settings {
    /// The scale factor of TPC-H.
    scale: f64,
    runs: usize,
    levels: bool,
    postgres: bool,
    parts: bool,
    streams: bool,
    catalog: bool,
    http: bool,
    declarations: bool,
    compiling: Compiling,
}

impl Settings {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut settings = Self {
            scale: 1.0,
            runs: 3,
            levels: false,
            postgres: false,
            parts: false,
            streams: false,
            catalog: false,
            http: false,
            declarations: false,
            compiling: Compiling::IfNeeded,
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("`{argument}` needs a value"));
            match argument.as_str() {
                "--scale" => settings.scale = value()?.parse()?,
                "--runs" => settings.runs = value()?.parse()?,
                "--levels" => settings.levels = true,
                "--postgres" => settings.postgres = true,
                "--parts" => settings.parts = true,
                "--streams" => settings.streams = true,
                "--catalog" => settings.catalog = true,
                "--http" => settings.http = true,
                "--declarations" => settings.declarations = true,
                "--compile" => settings.compiling = Compiling::Measured,
                unknown => {
                    return Err(format!(
                        "option `{unknown}` is unknown; the options are --scale, --runs, --levels, --compile, --postgres, --parts, --streams, --catalog, --http and --declarations"
                    )
                    .into());
                }
            }
        }
        if settings.scale <= 0.0 || settings.runs == 0 {
            return Err("`--scale` and `--runs` must be greater than zero".into());
        }
        if settings.parts && !settings.postgres {
            return Err("`--parts` requires `--postgres`".into());
        }
        Ok(settings)
    }
}

/// The operations that are measured at one size.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    BackupOnly,
    Everything,
}

/// Measures the operations at one size, and returns the peak memory of a backup.
fn orders(table: &mut Table, scale: f64, settings: &Settings, extent: Extent) -> Result<u64> {
    let runs = settings.runs;
    let folder = tempfile::tempdir()?;
    let database = folder.path().join(work::DATABASE);
    let records = orders::load(&database, scale)?;
    table.heading(&format!("SQLite, {} TPC-H orders (scale {scale})", count(records)));

    let (mut ours, mut gzip, mut gzip_1) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        remove_storage(folder.path())?;
        ours.push(Operation::Backup(Compression::default()).run_in_new_process(folder.path())?);
        gzip.push(peer::dump(folder.path(), "gzip")?);
        gzip_1.push(peer::dump(folder.path(), "gzip -1")?);
    }
    let backup = median(&ours);
    for (name, peers) in [("gzip", &gzip), ("gzip -1", &gzip_1)] {
        let peer = median(peers);
        let goal = if name == "gzip" { "≤ 0.50 ×" } else { "" };
        table.against(&format!("backup, against `sqlite3 .dump \\| {name}`"), &backup, &peer, goal);
        table.row("  size", &megabytes(backup.output_bytes), &megabytes(peer.output_bytes), "", "");
    }
    table.row("  rate", &rate(&backup), "", "", "");
    let peak_memory = median_memory(&ours);
    table.row("  peak memory", &megabytes(peak_memory), "", "", "< 100 MB");
    if extent == Extent::Everything {
        if settings.levels {
            levels(table, folder.path(), runs)?;
        }
        encrypted::measure(table, folder.path(), runs)?;
        Operation::Backup(Compression::default()).run_in_new_process(folder.path())?;
        peer::dump(folder.path(), "gzip -1")?;
        verify_and_restore(table, folder.path(), runs)?;
    }
    Ok(peak_memory)
}

/// Measures backups at several compression levels, in alternation.
fn levels(table: &mut Table, folder: &Path, runs: usize) -> Result<()> {
    let deflate = [1, 2, 3, 4, 6, 9].map(Compression::deflate);
    let zstd = [1, 3].map(Compression::zstd);
    let settings: Vec<_> = deflate.into_iter().chain(zstd).collect::<Result<_, _>>()?;
    let mut measured = vec![Vec::new(); settings.len()];
    for _ in 0..runs {
        for (compression, measured) in settings.iter().zip(&mut measured) {
            remove_storage(folder)?;
            measured.push(Operation::Backup(*compression).run_in_new_process(folder)?);
        }
    }
    for (compression, measured) in settings.iter().zip(&measured) {
        let name = format!("backup, {:?} at level {}", compression.method(), compression.level());
        let backup = median(measured);
        table.row(&name, &seconds(backup.wall), "", "", "");
        table.row("  processor time", &seconds(backup.processor), "", "", "");
        table.row("  size", &megabytes(backup.output_bytes), "", "", "");
    }
    remove_storage(folder)
}

/// Measures verifications and restores, in alternation with a load of the dump by `sqlite3`.
fn verify_and_restore(table: &mut Table, folder: &Path, runs: usize) -> Result<()> {
    let database = folder.join(work::DATABASE);
    let full = folder.join("full.db");
    std::fs::rename(&database, &full)?;
    let (mut verified, mut restored, mut unverified, mut loaded) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        orders::create(&database)?;
        verified.push(Operation::Verify.run_in_new_process(folder)?);
        restored.push(Operation::Restore.run_in_new_process(folder)?);
        remove(&database)?;
        orders::create(&database)?;
        unverified.push(Operation::RestoreUnverified.run_in_new_process(folder)?);
        remove(&database)?;
        loaded.push(peer::load(folder)?);
    }
    let peer = median(&loaded);
    for (name, measured) in [
        ("verify", &verified),
        ("restore with verification", &restored),
        ("restore without verification", &unverified),
    ] {
        let ours = median(measured);
        if name == "verify" {
            table.row(name, &seconds(ours.wall), "", "", "");
        } else {
            table.against(&format!("{name}, against `gunzip \\| sqlite3`"), &ours, &peer, "");
        }
        table.row("  rate", &rate(&ours), "", "", "");
        table.row("  peak memory", &megabytes(ours.peak_memory_bytes), "", "", "");
    }
    Ok(())
}

/// Removes the storage, and the record of it, because a storage that was used before and has disappeared is refused.
fn remove_storage(folder: &Path) -> Result<()> {
    remove(&folder.join(work::STORAGE))?;
    remove(&folder.join(work::STATE))
}

/// Removes a file or directory if it exists.
fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

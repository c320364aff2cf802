//! Measures the steps that no backup of PostgreSQL can avoid, one after the other, each on one core.
//!
//! The steps run in programs and libraries that are independent of koan-backup, on the lines of an archive
//! that koan-backup wrote. The measurements do not include the other work of a backup: reading rows, writing
//! lines, and moving bytes between threads.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use flate2::{Compress, Compression, FlushCompress};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::Result;
use crate::measured::run;
use crate::orders::Order;
use crate::postgres::{Customer, LineItem};
use crate::table::{Table, ratio, seconds};
use crate::work::STORAGE;

/// The uncompressed size of a block.
const BLOCK_BYTES: usize = 1 << 20;
/// The compression level of deflate, which is the default of a backup.
const LEVEL: u32 = 2;

/// The time that each step took.
#[derive(Default)]
struct StepTimes {
    deflate: Duration,
    hashes: Duration,
    round_trips: Duration,
}

/// Measures the steps for the backup in a folder. The share of a step is relative to twice `baseline_time`
/// (two cores), the wall-clock time of the tool that is compared with.
pub(crate) fn measure(
    table: &mut Table,
    folder: &Path,
    address: &str,
    baseline_time: Duration,
) -> Result<()> {
    let server = server_time(folder, address)?;
    let archives = std::fs::read_dir(folder.join(STORAGE).join("archives"))?;
    let archive = archives.last().ok_or("the storage contains no archive")??.path();
    let mut times = StepTimes::default();
    times.add::<Customer>(&archive, "Customer")?;
    times.add::<Order>(&archive, "Order")?;
    times.add::<LineItem>(&archive, "LineItem")?;
    let StepTimes { deflate, hashes, round_trips } = times;
    for (name, time) in [
        ("the server: `COPY … TO STDOUT (FORMAT binary)` in the order of keys", server),
        ("deflate of the lines", deflate),
        ("SHA-256 of all lines, and of each line", hashes),
        ("decoding and encoding each line with `serde_json`", round_trips),
        ("all steps", server + deflate + hashes + round_trips),
    ] {
        let share = ratio(time, baseline_time * 2);
        table.row(
            &format!("  processor time of {name}"),
            &seconds(time),
            "",
            &format!("{share:.2} × on two cores"),
            "",
        );
    }
    Ok(())
}

impl StepTimes {
    /// Adds the times for the lines of one entity.
    fn add<T: Serialize + DeserializeOwned>(&mut self, archive: &Path, entity: &str) -> Result<()> {
        let mut unzip = Command::new("unzip");
        let unzip = unzip.arg("-p").arg(archive).arg(format!("entities/{entity}.jsonl"));
        let mut unzip = unzip.stdout(Stdio::piped()).spawn()?;
        let mut output = BufReader::new(unzip.stdout.take().ok_or("the output of unzip is not piped")?);
        let (mut compress, mut hasher) = (Compress::new(Compression::new(LEVEL), false), Sha256::new());
        loop {
            let mut block = Vec::with_capacity(BLOCK_BYTES * 2);
            while block.len() < BLOCK_BYTES && output.read_until(b'\n', &mut block)? > 0 {}
            if block.is_empty() {
                break;
            }
            let measured = self.block::<T>(&block, &mut compress, &mut hasher);
            if measured.is_err() {
                unzip.kill()?;
                unzip.wait()?;
                return measured;
            }
        }
        if unzip.wait()?.success() {
            Ok(())
        } else {
            Err(format!("unzip could not read the lines of {entity}").into())
        }
    }

    /// Adds the times for one block of lines.
    fn block<T: Serialize + DeserializeOwned>(
        &mut self,
        block: &[u8],
        compress: &mut Compress,
        hasher: &mut Sha256,
    ) -> Result<()> {
        let started = Instant::now();
        let mut compressed = Vec::with_capacity(block.len());
        compress.reset();
        compress.compress_vec(block, &mut compressed, FlushCompress::Sync)?;
        self.deflate += started.elapsed();

        let lines = || block.split_inclusive(|&byte| byte == b'\n');
        let started = Instant::now();
        hasher.update(block);
        for line in lines() {
            std::hint::black_box(Sha256::digest(line));
        }
        self.hashes += started.elapsed();

        let started = Instant::now();
        let mut rewritten = Vec::with_capacity(1024);
        for line in lines() {
            let record: T = serde_json::from_slice(line)?;
            rewritten.clear();
            serde_json::to_writer(&mut rewritten, &record)?;
            if rewritten != line[..line.len() - 1] {
                return Err("a line of the archive does not round-trip through its type".into());
            }
        }
        self.round_trips += started.elapsed();
        Ok(())
    }
}

/// Returns the processor time that the server uses to send the tables. Linux reports it in hundredths of a
/// second.
fn server_time(folder: &Path, address: &str) -> Result<Duration> {
    let copy_of = |table: &str, key: &str| {
        format!("COPY (SELECT * FROM {table} ORDER BY {key}) TO STDOUT (FORMAT binary);\n")
    };
    let copies = [
        copy_of("customer", "c_custkey"),
        copy_of("orders", "o_orderkey"),
        copy_of("lineitem", "l_orderkey, l_linenumber"),
    ]
    .concat();
    let stat = "string_to_array(pg_read_file('/proc/' || pg_backend_pid() || '/stat'), ' ')";
    let script = format!("\\o /dev/null\n{copies}\\o\nSELECT ({stat})[14]::int + ({stat})[15]::int;\n");
    std::fs::write(folder.join("copies.sql"), script)?;
    let mut psql = Command::new("psql");
    let (output, _) =
        run(psql.args(["-qXAt", "-v", "ON_ERROR_STOP=1", "-f", "copies.sql", address]).current_dir(folder))?;
    let ticks: u64 = String::from_utf8(output.stdout)?.trim().parse()?;
    Ok(Duration::from_millis(ticks * 10))
}

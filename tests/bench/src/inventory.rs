//! Measures a program with a thousand entities: the compile time of their derives, and the time that their
//! inventory takes at boot.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use serde::Deserialize;

use crate::Result;
use crate::table::{Table, seconds};

/// The name of the program with a thousand entities.
const PROGRAM: &str = "koan-backup-bench-inventory";

/// The times that the program with a thousand entities reports for one start.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Boot {
    inventory: Duration,
    context: Duration,
}

/// Whether the compile time of the program is measured, which recompiles the program and takes minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compiling {
    IfNeeded,
    Measured,
}

/// Compiles and runs the program with a thousand entities.
pub(crate) fn measure(table: &mut Table, runs: usize, compiling: Compiling) -> Result<()> {
    table.heading("1,000 entities of three fields");
    compile()?;
    let program = std::env::current_exe()?.with_file_name(PROGRAM);
    let mut boots = Vec::new();
    for _ in 0..runs {
        let output = Command::new(&program).output()?;
        if !output.status.success() {
            return Err(format!("{PROGRAM} failed: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        boots.push(serde_json::from_slice::<Boot>(&output.stdout)?);
    }
    let median = |time: fn(&Boot) -> Duration| {
        let mut times: Vec<_> = boots.iter().map(time).collect();
        times.sort();
        times[times.len() / 2]
    };
    table.row("inventory at boot", &milliseconds(median(|boot| boot.inventory)), "", "", "< 10 ms");
    let context = milliseconds(median(|boot| boot.context));
    table.row("complete start, which compares the entities with 1,000 tables", &context, "", "", "");
    if compiling == Compiling::Measured {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("inventory/main.rs");
        std::fs::File::options().append(true).open(source)?.set_modified(SystemTime::now())?;
        table.row("compile time, optimised", &seconds(compile()?), "", "", "");
    }
    Ok(())
}

/// Compiles the program and returns the time that this takes. The dependencies are already compiled.
fn compile() -> Result<Duration> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let started = Instant::now();
    let arguments = ["build", "--release", "--quiet", "--package", "koan-backup-bench", "--bin", PROGRAM];
    let status = Command::new(cargo).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).status()?;
    if status.success() {
        Ok(started.elapsed())
    } else {
        Err(format!("{PROGRAM} could not be compiled; the output of Cargo states the reason").into())
    }
}

/// Formats a duration in milliseconds.
fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}

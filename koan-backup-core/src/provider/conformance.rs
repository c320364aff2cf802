//! The conformance suite: cases that every provider must pass, built-in or third-party.
//!
//! The tests of a provider supply an empty database for each case:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use koan_backup_core::{Result, provider::{Provider, conformance}};
//! # async fn conforms(open_empty_database: impl AsyncFn() -> Result<Arc<dyn Provider>>) -> Result<()> {
//! let conformance = conformance::run(async || open_empty_database().await).await?;
//! println!("{conformance}");
//! conformance.require_passed()?;
//! # Ok(())
//! # }
//! ```
//!
//! The cases use their own entities, [`entities`]. A provider that creates missing tables needs nothing more;
//! for other providers, the empty database must contain their tables.
//!
//! The suite tests the [capabilities](crate::provider::Capabilities) that a provider declares. If the
//! provider does not declare sets or deletion, it must refuse them; cases about other capabilities that are
//! not declared are skipped and reported.
//!
//! Capabilities that concern speed are tested by [`run_speed`] only, because they need a clock, and other
//! programs on the machine can distort the result. It compares many records in one session with one session
//! per record, and level `fast` with level `safe`. A restore level makes a difference only if there are
//! indexes: for a provider that declares this capability, create indexes on the table of [`Pair`] in advance,
//! for example on `content`.

mod case;
mod database;
mod model;
mod reading;
mod report;
mod speed;
mod writing;

use std::sync::Arc;

use crate::foundation::error::{Error, ErrorKind, Result};
use crate::provider::Provider;

use case::Case;
use database::Database;
pub use model::{Line, Pair, Rarity, ShelfPosition, Specimen, entities};
pub use report::{CaseOutcome, CaseResult, Conformance};

/// Runs every case, each in a database that `open_empty` returns.
///
/// # Errors
/// A database could not be opened. The results of the cases are in the report.
pub async fn run<F>(open_empty: F) -> Result<Conformance>
where
    F: AsyncFnMut() -> Result<Arc<dyn Provider>>,
{
    run_where(|_| true, open_empty).await
}

/// Runs the cases whose name satisfies `is_selected`, as [`run`] does. Use this function during the
/// development of a provider.
///
/// # Errors
/// A database could not be opened, or `is_selected` returns `false` for all names.
pub async fn run_where<F>(is_selected: impl Fn(&str) -> bool, open_empty: F) -> Result<Conformance>
where
    F: AsyncFnMut() -> Result<Arc<dyn Provider>>,
{
    run_cases(reading::CASES.iter().chain(writing::CASES).filter(|case| is_selected(case.name)), open_empty)
        .await
}

/// Tests the declared capabilities of a provider that concern speed, measured with the clock of the Tokio
/// runtime.
///
/// Each case compares two methods of writing within a short time. Call this function on an idle machine, like
/// a benchmark; its cases are not part of [`run`], so that a test of conformance never depends on the load of
/// the machine. With a paused clock, only the time that the provider waits on that clock is measured.
///
/// # Errors
/// A database could not be opened. The results of the cases are in the report.
pub async fn run_speed<F>(open_empty: F) -> Result<Conformance>
where
    F: AsyncFnMut() -> Result<Arc<dyn Provider>>,
{
    run_cases(speed::CASES.iter(), open_empty).await
}

async fn run_cases<F>(cases: impl Iterator<Item = &'static Case>, mut open_empty: F) -> Result<Conformance>
where
    F: AsyncFnMut() -> Result<Arc<dyn Provider>>,
{
    let provider = open_empty().await?;
    let mut conformance = Conformance::new(provider.kind(), provider.capabilities());
    for case in cases {
        let outcome = if (case.needs)(&conformance.capabilities) {
            let database = Database::new(open_empty().await?).await?;
            CaseOutcome::of((case.check)(&database)).await
        } else {
            CaseOutcome::NotClaimed
        };
        conformance.cases.push(CaseResult { name: case.name, outcome });
    }
    if conformance.cases.is_empty() {
        return Err(Error::new(
            ErrorKind::Configuration,
            "the filter selects no case of the conformance suite; check the names",
        ));
    }
    Ok(conformance)
}

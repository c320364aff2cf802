//! What every provider is held to: one suite of cases for ours and for those of others.
//!
//! A provider's tests give it an empty database as often as it asks:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use koan_backup_core::{Provider, Result, conformance};
//! # async fn conforms(open_an_empty_one: impl AsyncFn() -> Result<Arc<dyn Provider>>) -> Result<()> {
//! let conformance = conformance::run(async || open_an_empty_one().await).await?;
//! println!("{conformance}");
//! conformance.require_passed()?;
//! # Ok(())
//! # }
//! ```
//!
//! The cases use entities of their own, [`entities`]. A provider that makes missing tables needs nothing more; for another,
//! the empty database must have their tables.
//!
//! What a provider [claims](crate::Capabilities) is tried. Sets and removal that are not claimed must be refused; cases about the
//! rest are left out and told.
//!
//! Claims of speed are a matter of [`run_speed`], because only a clock can try them and other programs on the machine can make any of
//! them seem wrong: many records in one session against a session for each, and level `fast` against level `safe`. A level shows what
//! it gains where there are indexes: for a provider that claims it, the table of [`Pair`] has some from the beginning, on `content`
//! for one.

mod database;
mod model;
mod reading;
mod report;
mod speed;
mod writing;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::entity::{Entity as _, EntityCodec};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::{Capabilities, Provider};

use database::Database;
pub use model::{Line, Pair, Place, Sort, Specimen};
pub use report::{CaseResult, Conformance, Outcome};

/// The longest that a case may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a case does with an empty database.
type Check = for<'a> fn(&'a Database) -> BoxFuture<'a, Result<()>>;

/// One case of the suite.
struct Case {
    name: &'static str,
    /// What must be claimed for it to be tried.
    needs: fn(&Capabilities) -> bool,
    check: Check,
}

impl Case {
    const fn new(name: &'static str, check: Check) -> Self {
        Self { name, needs: |_| true, check }
    }

    const fn needing(self, needs: fn(&Capabilities) -> bool) -> Self {
        Self { needs, ..self }
    }
}

/// The entities that live in the databases of the suite.
pub fn entities() -> Vec<EntityCodec> {
    [Specimen::descriptor(), Pair::descriptor(), Line::descriptor()].map(EntityCodec::new).to_vec()
}

/// Runs every case, each in a database that `empty` gives.
///
/// # Errors
/// There is no database. What a case finds is in the report.
pub async fn run<F>(empty: F) -> Result<Conformance>
where
    F: AsyncFnMut() -> Result<Arc<dyn Provider>>,
{
    run_where(|_| true, empty).await
}

/// [`run`] for the cases whose name `is_meant`, while a provider is being made to pass them.
///
/// # Errors
/// There is no database, or no case of such a name.
pub async fn run_where<F>(is_meant: impl Fn(&str) -> bool, empty: F) -> Result<Conformance>
where
    F: AsyncFnMut() -> Result<Arc<dyn Provider>>,
{
    run_cases(reading::CASES.iter().chain(writing::CASES).filter(|case| is_meant(case.name)), empty).await
}

/// Tries what a provider claims of speed, by the clock of the Tokio runtime.
///
/// One way of writing is compared with another in the same minute. Run it where nothing else is running, as a benchmark is; it is no
/// part of [`run`], so that a test of conformance never depends on how busy a machine is. With a paused clock only what the provider
/// waits for by that clock counts.
///
/// # Errors
/// There is no database. What a case finds is in the report.
pub async fn run_speed<F>(empty: F) -> Result<Conformance>
where
    F: AsyncFnMut() -> Result<Arc<dyn Provider>>,
{
    run_cases(speed::CASES.iter(), empty).await
}

async fn run_cases<F>(cases: impl Iterator<Item = &'static Case>, mut empty: F) -> Result<Conformance>
where
    F: AsyncFnMut() -> Result<Arc<dyn Provider>>,
{
    let provider = empty().await?;
    let mut conformance = Conformance::new(provider.kind(), provider.capabilities());
    for case in cases {
        let outcome = if (case.needs)(&conformance.capabilities) {
            let database = Database::new(empty().await?).await?;
            match tokio::time::timeout(PATIENCE, (case.check)(&database)).await {
                Ok(Ok(())) => Outcome::Passed,
                Ok(Err(error)) => Outcome::Failed(error.chain()),
                Err(_) => Outcome::Failed(format!("it did not end within {} s", PATIENCE.as_secs())),
            }
        } else {
            Outcome::NotClaimed
        };
        conformance.cases.push(CaseResult { name: case.name, outcome });
    }
    if conformance.cases.is_empty() {
        return Err(Error::new(
            ErrorKind::Configuration,
            "the suite of conformance has no case of such a name",
        ));
    }
    Ok(conformance)
}

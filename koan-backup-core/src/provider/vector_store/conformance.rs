//! The conformance suite of vector stores: cases that every vector store must pass.
//!
//! The tests of a store supply an empty store for each case.
//!
//! ```
//! # #[cfg(feature = "conformance")]
//! # koan_backup_shop::run(async |_| {
//! use std::sync::Arc;
//!
//! use koan_backup::MemoryVectors;
//! use koan_backup::vector_store::conformance;
//!
//! let conformance = conformance::run(async || Ok(Arc::new(MemoryVectors::new()) as _)).await?;
//! println!("{conformance}");
//! conformance.require_passed()?;
//! # Ok(())
//! # });
//! ```
//!
//! The cases write collections whose names begin with `Koan`. A value that the
//! [capabilities](crate::vector_store::VectorStoreCapabilities) of a store do not declare must be preserved or refused.

mod case;
mod places;
mod reading;
mod sample;
mod sessions;
mod subject;
mod writing;

use std::sync::Arc;

use self::subject::Subject;
use super::VectorStore;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::provider::Capabilities;
use crate::provider::conformance::{CaseOutcome, CaseResult, Conformance};

/// Runs every case, each with an empty vector store that `open_empty` returns.
///
/// # Errors
/// A store could not be opened. The results of the cases are in the report.
pub async fn run<F>(open_empty: F) -> Result<Conformance>
where
    F: AsyncFnMut() -> Result<Arc<dyn VectorStore>>,
{
    run_where(|_| true, open_empty).await
}

/// Runs the cases whose name satisfies `is_selected`, as [`run`] does. Use this function during the development of a
/// store.
///
/// # Errors
/// As for [`run`], or `is_selected` returns `false` for all names.
pub async fn run_where<F>(is_selected: impl Fn(&str) -> bool, mut open_empty: F) -> Result<Conformance>
where
    F: AsyncFnMut() -> Result<Arc<dyn VectorStore>>,
{
    let cases = places::CASES.iter().chain(reading::CASES).chain(writing::CASES).chain(sessions::CASES);
    let store = open_empty().await?;
    let mut conformance = Conformance::new(store.kind(), Capabilities::default());
    let capabilities = store.capabilities();
    for case in cases.filter(|case| is_selected(case.name)) {
        let outcome = if (case.needs)(&capabilities) {
            let subject = Subject::new(open_empty().await?);
            CaseOutcome::of((case.check)(&subject)).await
        } else {
            CaseOutcome::NotClaimed
        };
        conformance.cases.push(CaseResult { name: case.name, outcome });
    }
    if conformance.cases.is_empty() {
        return Err(Error::new(
            ErrorKind::Configuration,
            "the filter selects no case of the conformance suite for vector stores; check the names",
        ));
    }
    Ok(conformance)
}

//! The conformance suite of event stores: cases that every provider with an event store must pass.
//!
//! The tests of a provider supply an empty event store for each case. [`provider_of`] returns the provider of a store
//! that contains nothing but events.
//!
//! ```
//! # #[cfg(feature = "conformance")]
//! # koan_backup_shop::run(async |_| {
//! use koan_backup::MemoryEvents;
//! use koan_backup::event_store::conformance;
//!
//! let empty = async || Ok(conformance::provider_of(MemoryEvents::new()));
//! let conformance = conformance::run(empty).await?;
//! println!("{conformance}");
//! conformance.require_passed()?;
//! # Ok(())
//! # });
//! ```
//!
//! The cases write object names that begin with `koan-`. Their events have a type, a version of the type, a payload and
//! metadata, which every store must preserve. Each other value, and each of the
//! [contents](crate::event_store::EventStoreCapabilities) that a store does not declare, must be preserved or refused.

mod aggregates;
mod case;
mod contents;
mod reading;
mod sample;
mod sessions;
mod subject;
mod writing;

use std::sync::Arc;

use self::subject::Subject;
use super::{EventStore, EventStoreProvider};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::provider::Provider;
use crate::provider::conformance::{CaseOutcome, CaseResult, Conformance};

/// Returns the provider of a store that contains only event streams, as a context uses it.
pub fn provider_of(store: impl EventStore) -> Arc<dyn Provider> {
    Arc::new(EventStoreProvider::new(store))
}

/// Runs every case, each with an empty event store of a provider that `open_empty` returns.
///
/// # Errors
/// A provider could not be opened, or has no event store. The results of the cases are in the report.
pub async fn run<F>(open_empty: F) -> Result<Conformance>
where
    F: AsyncFnMut() -> Result<Arc<dyn Provider>>,
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
    F: AsyncFnMut() -> Result<Arc<dyn Provider>>,
{
    let cases = aggregates::CASES.iter().chain(reading::CASES).chain(contents::CASES);
    let cases = cases.chain(writing::CASES).chain(sessions::CASES).filter(|case| is_selected(case.name));
    let provider = open_empty().await?;
    let Some(capabilities) = provider.event_store() else {
        let text = format!("the provider of kind `{}` has no event store", provider.kind());
        return Err(Error::new(ErrorKind::Unsupported, text).with_help(
            "implement `Provider::event_store`, `Snapshot::events` and `RestoreSession::events`",
        ));
    };
    let mut conformance = Conformance::new(provider.kind(), provider.capabilities());
    for case in cases {
        let outcome = if (case.needs)(&capabilities) {
            let subject = Subject::new(open_empty().await?, capabilities);
            CaseOutcome::of((case.check)(&subject)).await
        } else {
            CaseOutcome::NotClaimed
        };
        conformance.cases.push(CaseResult { name: case.name, outcome });
    }
    if conformance.cases.is_empty() {
        return Err(Error::new(
            ErrorKind::Configuration,
            "the filter selects no case of the conformance suite for event stores; check the names",
        ));
    }
    Ok(conformance)
}

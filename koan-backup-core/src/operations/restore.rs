//! Restores an archive: plan → viability → verify → one session per provider → report.

mod balance;
mod drift;
mod end;
mod options;
mod plan;
mod provider_leases;
mod records;
mod report;
mod run;
mod streams;
mod viability;

pub(crate) use balance::require_balance;
pub(crate) use end::announce_refusal;
pub use options::{RestoreOptions, Verification};
pub(crate) use provider_leases::ProviderLeases;
pub use report::{EntityRestore, RestoreReport, ViabilityReport};
pub(crate) use run::{roll_back, run};
pub(crate) use viability::assess;

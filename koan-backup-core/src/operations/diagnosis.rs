//! The diagnosis of an application: whether its configuration, databases, storage profiles, keys and backups
//! are as they should be. It changes nothing, except that each storage gets a probe, which is removed.

mod ages;
mod amounts;
mod check;
mod coverage;
mod keys;
mod options;
mod probe;
mod providers;
mod report;
mod run;
mod storages;
mod stream_backups;
mod time_limit;

pub use check::{Check, CheckCode, CheckState, CheckSubject};
pub(crate) use options::DiagnosisOptions;
pub(crate) use providers::not_created_database;
pub use report::Diagnosis;
pub(crate) use run::{Examined, run};

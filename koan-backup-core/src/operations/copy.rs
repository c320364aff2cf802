//! Copies a backup into another storage profile.
//!
//! The archive is streamed from store to store, and its hash is compared with the manifest during the
//! transfer. The copy gets its own path, is read back and verified, and only then the manifest is created,
//! which makes the copy exist.

mod options;
mod report;
mod run;

pub(crate) use options::CopyOptions;
pub use report::CopyReport;
pub(crate) use run::run;

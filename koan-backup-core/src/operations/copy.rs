//! Copying a finished backup into another storage profile.
//!
//! The archive goes from store to store as a stream, and its hash is compared with the manifest's on the way. It gets a path of
//! its own there, is read back and verified, and only then is the manifest created: until that moment the copy does not exist.

mod options;
mod report;
mod run;

pub(crate) use options::CopyOptions;
pub use report::CopyReport;
pub(crate) use run::run;

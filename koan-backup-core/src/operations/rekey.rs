//! Sealing a backup for other recipients.
//!
//! The crate `age` has no way to wrap a file's key for other recipients, so encrypted content is decrypted and encrypted again as a stream, block by
//! block in memory: nothing touches a disk in clear. The new archive is written beside the old one and verified; then the
//! manifest is replaced, which is the moment from which the new one counts; then the old one is removed.

mod archive_rewriter;
mod options;
mod publish;
mod report;
mod run;

pub(crate) use options::RekeyOptions;
pub use report::{RekeyReport, RekeySummary};
pub(crate) use run::{is_encrypted, run};

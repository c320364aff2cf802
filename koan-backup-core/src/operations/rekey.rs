//! Rekey: rewrites the archive of a backup for other recipients.
//!
//! The crate `age` cannot wrap the key of a file for other recipients. Therefore encrypted content is
//! decrypted and encrypted again, block by block in memory; no plain text is written to a disk. The new
//! archive is written and verified while the old one still exists. The replacement of the manifest then makes
//! the new archive the archive of the backup. Finally, the old archive is removed.

mod archive_rewriter;
mod options;
mod publish;
mod report;
mod run;

pub(crate) use options::RekeyOptions;
pub use report::{RekeyReport, RekeySummary};
pub(crate) use run::{is_encrypted, run};

//! Makes backups: options → plan → run → report.

mod attempt;
mod encode;
mod end;
mod header;
mod loss_warnings;
mod options;
mod plan;
mod publish;
mod reads;
mod report;
mod run;
mod verification;

pub(crate) use end::{BackupEnd, announce_refusal};
pub use options::BackupOptions;
pub use report::BackupReport;
pub(crate) use run::run;

//! Single backups of event streams: the streams of one aggregate, outside of an archive.

mod backup;
mod bulk;
mod cleanup;
mod copy;
mod delete;
mod end;
mod new_content;
mod options;
mod path_key;
mod plan;
mod progress;
mod publish;
mod read;
mod rekey;
mod removal;
mod restore;
mod snapshots;
mod stream_type;
mod verify;
mod verify_all;

pub(crate) use backup::run as backup;
pub(crate) use bulk::{AfterFailure, BulkOptions, backup_all, backup_many, restore_many};
pub use bulk::{BulkBackupReport, BulkFailure, BulkRestoreReport};
pub(crate) use cleanup::{CleanupOptions, LastBackups, run as cleanup};
pub use cleanup::{
    KeptStreamBackup, StreamCleanupReport, StreamKeepReason, UnfinishedStreamRemoval, UnremovedStreamBackup,
};
pub use copy::StreamCopyReport;
pub(crate) use copy::run as copy;
pub(crate) use delete::run as delete;
pub(crate) use options::{Inclusion, StreamBackupOptions};
pub(crate) use progress::Callback;
pub use progress::{BulkProgress, StreamProgress};
pub(crate) use read::find_handle;
pub use rekey::{StreamRekeyReport, StreamRekeySummary};
pub(crate) use rekey::{run as rekey, run_all as rekey_all};
pub use removal::RemovedStreamBackup;
pub(crate) use removal::finish_record;
pub(crate) use restore::{RestoredPart, StreamRestoreOptions, run as restore};
pub use restore::{StreamRestoreOutcome, StreamRestoreReport};
pub(crate) use snapshots::exists;
pub(crate) use stream_type::StreamType;
pub use verify::StreamVerification;
pub(crate) use verify::run as verify;
pub use verify_all::{StreamVerificationSummary, UnverifiedStreamBackup};
pub(crate) use verify_all::{VerifyAllOptions, run as verify_all, verify_and_record};

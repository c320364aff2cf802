//! The existing single backups of event streams. A single backup exists once its `.meta` exists; the `.meta` files are
//! all that a listing reads.

mod handle;
mod problems;
mod query;
mod reference;
mod stored;
mod survey;
mod verifications;

pub use handle::StreamBackupHandle;
pub(crate) use problems::{ExpiredStreams, problems};
pub use query::{StreamBackupPage, UnreadableStreamBackup};
pub(crate) use query::{StreamFilter, query};
pub use reference::StreamBackupRef;
pub(crate) use stored::{StoredStreamBackup, find, find_listed, list, not_found, read};
pub use survey::{DamagedStreamBackup, StreamBackupHealth, UnlistedStreamContent};
pub(crate) use survey::{StreamSurvey, survey};
pub(crate) use verifications::{StreamVerifications, damaged};

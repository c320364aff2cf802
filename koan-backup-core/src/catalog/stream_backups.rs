//! The existing single backups of event streams. A single backup exists once its `.meta` exists; the `.meta` files are
//! all that a listing reads.

mod handle;
mod query;
mod reference;
mod stored;

pub use handle::StreamBackupHandle;
pub use query::{StreamBackupPage, UnreadableStreamBackup};
pub(crate) use query::{StreamFilter, query};
pub use reference::StreamBackupRef;
pub(crate) use stored::{StoredStreamBackup, find, list, not_found, read};

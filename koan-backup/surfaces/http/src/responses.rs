//! What responses contain.

mod backup;
mod duration;
mod list;
mod manifest;
mod operation;
mod statistics;
mod streams;

pub(crate) use backup::BackupResult;
pub(crate) use duration::duration_text;
pub(crate) use list::BackupPage;
pub(crate) use manifest::manifest_document;
pub(crate) use operation::OperationDocument;
pub(crate) use statistics::StatisticsDocument;
pub(crate) use streams::{StreamBackupItem, StreamBackupList, StreamTypes};

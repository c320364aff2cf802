//! Backups in a directory tree. A tree is a conversion of an archive: a backup into a tree makes a normal backup in
//! a private staging storage and converts it, and a restore converts the tree into such an archive and restores it.

mod acknowledgements;
mod backup;
mod created;
mod described;
mod entity_writer;
mod files;
mod leftovers;
mod links;
mod metadata;
mod prune;
mod removal;
mod report;
mod restore;
mod root;
mod select;
mod stage;
mod stage_entity;
mod staging;
mod writer;

pub(crate) use acknowledgements::acknowledge;
pub(crate) use backup::run as back_up;
pub(crate) use created::CreatedPaths;
pub(crate) use files::write_error;
pub(crate) use prune::{apply as apply_plan, apply_retention, plan as plan_retention};
pub use report::{DirectoryBackupReport, DirectoryFile};
pub(crate) use restore::{assess, run as restore};
pub(crate) use root::LockedRoot;
pub(crate) use writer::{ReadBack, TreeSource, write};

//! Backups in a directory tree. A tree is a conversion of an archive: a backup into a tree makes a normal backup in
//! a private staging storage and converts it, and a restore converts the tree into such an archive and restores it.

mod backup;
mod created;
mod entity_writer;
mod files;
mod leftovers;
mod links;
mod metadata;
mod report;
mod restore;
mod root;
mod select;
mod stage;
mod stage_entity;
mod staging;
mod writer;

pub(crate) use backup::run as back_up;
pub(crate) use created::CreatedPaths;
pub(crate) use files::write_error;
pub use report::{DirectoryBackupReport, DirectoryFile};
pub(crate) use restore::{assess, run as restore};
pub(crate) use root::LockedRoot;
pub(crate) use writer::{ReadBack, TreeSource, write};

//! The directory layout: the files of a backup in a plain directory tree, which people and other programs can
//! read.

mod array_text;
mod data_file;
mod data_reader;
mod names;
mod registry;
mod set_metadata;

pub(crate) use data_file::{DataFileWriter, WrittenDataFile};
pub(crate) use data_reader::{DataFileReader, ReadDataFile};
pub(crate) use names::{
    EncryptedFile, LATEST_LINK, METADATA_FILE, REGISTRY_FILE, SEALED_METADATA_FILE, TreePath, data_file,
    is_tree_time, time_directory, type_directory,
};
pub(crate) use registry::{
    TREE_FORMAT, TREE_FORMAT_VERSION, TreeBackup, TreeEntity, TreeFailure, TreeRegistry,
};
pub(crate) use set_metadata::{FileRecord, SealedSet, SealedSets, TreeMetadata, TreeProvider, TreeSet};

//! A provider for directories of JSON files.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod coverage;
mod directory;
mod document;
mod documents;
mod durability;
mod failure;
mod fingerprint;
mod journal;
mod journal_recovery;
mod keys;
mod line_reader;
mod line_writer;
mod lock;
mod name;
mod open_file;
mod presence;
mod presence_check;
mod provider;
mod row_reader;
mod session;
mod snapshot;
mod staging;
mod value;
mod viability;

pub use provider::JsonFiles;

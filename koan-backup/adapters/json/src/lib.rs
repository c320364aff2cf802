//! Directories of JSON files as a provider.

mod coverage;
mod directory;
mod document;
mod documents;
mod failure;
mod held;
mod journal;
mod keys;
mod line;
mod lines;
mod lock;
mod name;
mod presence;
mod provider;
mod rows;
mod session;
mod settled;
mod snapshot;
mod staging;
mod stamp;
mod value;
mod viability;

pub use provider::JsonFiles;

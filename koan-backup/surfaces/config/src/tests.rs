//! The tests of the configuration.

mod documentation;
mod effects;
mod fixture;
mod layers;
mod operations;
mod original;
mod refusals;
mod schema_file;
mod secrets;
mod stores;

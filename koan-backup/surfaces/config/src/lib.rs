//! The configuration of koan-backup: a file, environment variables and flags, with the origin of every value.
//!
//! ```no_run
//! use koan_backup::config::KoanConfig as _;
//! use koan_backup::Koan;
//!
//! # async fn run() -> koan_backup::Result<()> {
//! let koan = Koan::from_config("koan.toml").await?;
//! koan.backup("nightly").await?;
//! # Ok(())
//! # }
//! ```
//!
//! From lowest to highest, the layers are the defaults of the builder, a file in TOML, YAML or JSON, environment
//! variables such as `KOAN__BACKUP__BATCH_SIZE`, and flags. [`Configuration::effective`] returns every value with its
//! place. An unknown key, a value of a wrong type and a malformed file are refused with file, line and column.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod build;
mod compression_text;
mod configuration;
mod diagnosis;
mod document;
mod effective;
mod http_server;
mod key_path;
mod koan;
mod layers;
mod loaded;
mod node;
mod notification;
mod origin;
mod original;
mod problem;
mod schema;
mod secret;
mod settings;
mod sources;
mod starter;
mod time_span;
mod validation;

#[cfg(test)]
mod tests;

pub use build::open_storage;
pub use configuration::Configuration;
pub use effective::{EffectiveValue, ReplacedValue};
pub use http_server::HttpServer;
pub use koan::{BuilderConfig, KoanConfig};
pub use notification::{NotificationTarget, NotificationTargetKind};
pub use origin::Origin;
pub use problem::Problem;
pub use schema::schema;
pub use sources::ConfigurationSources;
pub use starter::{starter, starter_for};

//! Metrics of backups in the OpenMetrics format, for Prometheus.
//!
//! [`Metrics`] listens to the events of a context and reads its catalog. The guide `guides::metrics` of the crate
//! `koan-backup` lists the metrics and example alert rules.
//!
//! ```
//! use koan_backup::metrics::Metrics;
//! use koan_backup::{Koan, Memory, Storage};
//! # use koan_backup_shop::key_pair;
//! # koan_backup_shop::run(async |_| {
//! # let recipients = koan_backup::Recipients::key(key_pair().0)?;
//!
//! let metrics = Metrics::new();
//! let koan = Koan::builder()
//!     .provider(Memory::new())
//!     .storage(Storage::memory())
//!     # .encrypt_to(recipients)
//!     .observe(metrics.listener())
//!     .build()
//!     .await?;
//! metrics.attach(&koan).await;
//! koan.backup("nightly").await?;
//!
//! // In the handler of `GET /metrics`:
//! metrics.refresh(&koan).await;
//! let text = metrics.encode();
//! assert!(text.contains("koan_backup_runs_total{name=\"nightly\",outcome=\"completed\"} 1\n"));
//! # Ok(())
//! # });
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

mod collector;
mod listener;
mod metrics;
mod options;
mod outcome;
mod readings;
mod series;
mod state;
mod streams;

#[cfg(test)]
mod tests;

pub use metrics::{CONTENT_TYPE, Metrics};
pub use options::MetricsOptions;

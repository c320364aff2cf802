//! The HTTP API of koan-backup.
//!
//! An application mounts [`router`] into its own `axum` router. Applications depend on the crate `koan-backup`, which
//! re-exports this crate as `http` with the feature `http`.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod problem;

//! Notifications about backups: signed webhooks, pings of a monitoring service, and e-mail.
//!
//! A [`Notifier`] listens to the events of a context and delivers to its targets: [`Webhook`], [`HealthCheck`] and
//! [`Email`]. Each target selects which kinds of notifications it receives. The guide `guides::notifications` of the
//! crate `koan-backup` describes them.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
#[cfg(feature = "config")]
mod configured;
mod delivery;
mod email;
mod health_check;
mod history;
mod notification;
mod notifier;
mod observation;
mod queue;
mod report;
mod signature;
mod target;
mod webhook;

pub use email::Email;
pub use health_check::HealthCheck;
pub use notification::{NotificationKind, NotifiedOperation};
pub use notifier::{Notifier, NotifierBuilder};
pub use report::{NotifyReport, TargetReport};
pub use target::Target;
pub use webhook::Webhook;

//! Notifications about backups reach real servers, and never fail a backup.

mod delivery;
mod fixture;
mod mail;
mod pings;
mod secrets;
mod webhooks;

//! The generated modules. The suite overwrites them if `KOAN_UPDATE_GENERATED=1` is set.

#![expect(unreachable_pub, reason = "the modules are those that an application would use")]

#[rustfmt::skip]
pub(super) mod chinook_postgres;
#[rustfmt::skip]
pub(super) mod chinook_sqlite;
#[rustfmt::skip]
pub(super) mod hostile_postgres;
#[rustfmt::skip]
pub(super) mod hostile_sqlite;
#[rustfmt::skip]
pub(super) mod types_postgres_chrono;
#[rustfmt::skip]
pub(super) mod types_postgres_jiff;
#[rustfmt::skip]
pub(super) mod types_postgres_time;
#[rustfmt::skip]
pub(super) mod types_sqlite_chrono;
#[rustfmt::skip]
pub(super) mod types_sqlite_jiff;
#[rustfmt::skip]
pub(super) mod types_sqlite_time;

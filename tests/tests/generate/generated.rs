//! The generated modules. To write them anew, run the suite with `KOAN_UPDATE_GENERATED=1`.

#![expect(unreachable_pub, reason = "the modules are those that an application would use")]

pub(super) mod chinook_postgres;
pub(super) mod chinook_sqlite;
pub(super) mod hostile_postgres;
pub(super) mod hostile_sqlite;
pub(super) mod types_postgres_chrono;
pub(super) mod types_postgres_jiff;
pub(super) mod types_postgres_time;
pub(super) mod types_sqlite_chrono;
pub(super) mod types_sqlite_jiff;
pub(super) mod types_sqlite_time;

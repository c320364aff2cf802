//! Unusual but legal databases, files, names and addresses, as users may have them.

mod catalogs;
mod dates;
mod keys;
mod limits;
mod privileges;
mod publications;
mod runtimes;
mod secrets;
mod sqlite;
mod triggers;

//! Cases that outside users bring: unusual but legal databases, files, names and addresses.

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

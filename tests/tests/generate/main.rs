//! Modules that are generated from real databases. Each module in the folder `generated` is compared with what is
//! generated now, is compiled as a part of this suite, and backs up, verifies and restores its database.
#![cfg(unix)]

mod check;
mod fixture;
mod generated;
mod hostile;
mod postgres;
mod sqlite;

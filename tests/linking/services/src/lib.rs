//! Code that uses the entities of another crate. A program that names this crate links that crate as well.

pub use koan_backup_test_models::Invoice;

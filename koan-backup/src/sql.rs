//! What adapters of SQL databases share. It knows no database.

pub(crate) mod identifier;

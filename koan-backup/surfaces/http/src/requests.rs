//! What requests contain: bodies, query parameters and paths, and their validation.

pub(crate) mod backup;
mod body;
mod fields;
pub(crate) mod list;
mod path;
pub(crate) mod profile;
mod query;
pub(crate) mod range;
pub(crate) mod restore;
pub(crate) mod streams;
pub(crate) mod wait;

pub(crate) use body::JsonBody;
pub(crate) use fields::check_reason;
pub(crate) use path::{At, BackupPath, EntityPath, PathParameters};
pub(crate) use query::QueryParameters;

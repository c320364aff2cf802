//! The server of `serve`: its settings, its connections and its end.

mod connection;
mod defaults;
mod flags;
mod listening;
mod settings;
mod stall_limit;

pub(crate) use defaults::ServerDefaults;
pub(crate) use flags::ServerFlags;
pub(crate) use listening::Server;
pub(crate) use settings::{ServerAccess, ServerSettings};

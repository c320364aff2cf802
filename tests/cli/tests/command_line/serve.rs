//! The server of the command line: `serve` and `token`.

mod access;
mod client;
mod configuration;
mod interruption;
mod limits;
mod tokens;

//! Reads `inet` and `cidr` in their usual notation: `10.0.0.1`, `10.0.0.0/8`.
//!
//! The server sends the address family, the prefix length, a flag for `cidr`, the number of bytes, and the
//! bytes (PostgreSQL's `inet_send`).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::bytes::{fixed, malformed};
use koan_backup_sql::conversion_error::ConversionError;

/// Returns the address as text.
pub(super) fn text(bytes: &[u8]) -> Result<String, ConversionError> {
    let [_, bits, is_cidr, _, address @ ..] = bytes else { return Err(malformed()) };
    let (text, address_bits) = match address.len() {
        4 => (Ipv4Addr::from(fixed::<4>(address)?).to_string(), 32),
        _ => (Ipv6Addr::from(fixed::<16>(address)?).to_string(), 128),
    };
    Ok(if *bits == address_bits && *is_cidr == 0 { text } else { format!("{text}/{bits}") })
}

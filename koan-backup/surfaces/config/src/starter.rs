//! The commented starter file of `koan-backup init`.

/// Returns the text of a commented `koan.toml` to start from.
///
/// ```
/// assert!(koan_backup::config::starter().contains("[providers]"));
/// ```
pub fn starter() -> &'static str {
    include_str!("starter/koan.toml")
}

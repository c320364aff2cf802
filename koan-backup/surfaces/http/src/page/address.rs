//! The addresses of the screens, below the root of the page.

use koan_backup_core::BackupId;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::operations::OperationId;

/// The path of the page below the public path.
pub(crate) const ROOT: &str = "/ui";

/// Returns the address of a backup in a storage profile.
pub(super) fn backup(id: BackupId, profile: &str) -> String {
    format!("/backups/{id}?profile={}", encoded(profile))
}

/// Returns the address of a single backup of event streams in a storage profile.
pub(super) fn stream_backup(id: BackupId, profile: &str) -> String {
    format!("/streams/{id}?profile={}", encoded(profile))
}

/// Returns the address of the restore of a backup.
pub(super) fn restore(id: BackupId, profile: &str) -> String {
    format!("/restore?backup={id}&profile={}", encoded(profile))
}

/// Returns a backup and its storage profile as one value of a form.
pub(super) fn located(id: BackupId, profile: &str) -> String {
    format!("{id}@{profile}")
}

/// Splits a value of [`located`]. Other texts, such as a name, have no storage profile.
pub(super) fn locate(text: &str) -> (&str, Option<&str>) {
    match text.split_once('@') {
        Some((id, profile)) if id.parse::<BackupId>().is_ok() => (id, Some(profile)),
        _ => (text, None),
    }
}

/// Returns the address of the list of the backups with a name.
pub(super) fn backups_named(name: &str) -> String {
    format!("/backups?name={}", encoded(name))
}

/// Returns the address of an operation.
pub(super) fn operation(id: OperationId) -> String {
    format!("/operations/{id}")
}

/// Returns the last eight digits of an id, by which people name a backup or an operation.
pub(super) fn short(id: impl ToString) -> String {
    let id = id.to_string();
    id.get(id.len().saturating_sub(8)..).unwrap_or_default().to_owned()
}

/// Encodes a text as a part of an address.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Returns whether a text is the route of a screen, so that nobody is sent to another site or to the sign-in again.
pub(super) fn is_screen(to: &str) -> bool {
    let rest = to.strip_prefix(ROOT);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        && !rest.is_some_and(|rest| rest.starts_with("/sign-"))
        && to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        && !to.contains("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_in_leads_only_to_screens_of_the_page() {
        for to in ["/ui", "/ui/backups", "/ui?x=1", "/ui/restore?backup=a&entity=b"] {
            assert!(is_screen(to), "{to}");
        }
        for to in [
            "",
            "/",
            "/uix",
            "//evil.example",
            "/ui//evil.example",
            "/ui/\\evil",
            "/ui/sign-in?to=%2Fui",
            "https://evil.example",
            "/ui/ x",
            "/ui/\r\nx",
        ] {
            assert!(!is_screen(to), "{to}");
        }
    }
}

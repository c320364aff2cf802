//! The role that each operation needs, for the documentation. A test compares it with the answers of the routes.

use crate::access::Role;

/// The operations that need the role `admin`.
const ADMIN: [&str; 13] = [
    "acknowledge",
    "applyRetention",
    "cleanUpStreamBackups",
    "cloneStream",
    "deleteBackup",
    "deleteEntityBackup",
    "deleteStreamBackup",
    "download",
    "downloadOfEntity",
    "recover",
    "rekey",
    "restoreStream",
    "unpinBackup",
];

/// The operations that need the role `operator`. Some need the role `admin` for a part of what they do: a restore that
/// writes, maintenance with retention, and the cancellation of the operation of another caller.
const OPERATOR: [&str; 19] = [
    "backupAll",
    "backupEntity",
    "backupSelective",
    "backupStream",
    "backupStreams",
    "cancelOperation",
    "copy",
    "createBackup",
    "createBackupByLink",
    "createEntityBackupByLink",
    "maintain",
    "pinBackup",
    "refreshInventory",
    "restore",
    "restoreEntity",
    "restoreOneEntity",
    "testRestore",
    "verify",
    "verifyStreamBackup",
];

/// Returns the lowest role that may call an operation for which a caller is needed.
pub(super) fn of(operation_id: &str) -> Role {
    if ADMIN.contains(&operation_id) {
        Role::Admin
    } else if OPERATOR.contains(&operation_id) {
        Role::Operator
    } else {
        Role::Viewer
    }
}

//! The role that each operation needs, for the documentation. A test compares it with the answers of the routes.

use crate::access::Role;

/// The operations that need the role `admin`.
const ADMIN: [&str; 9] = [
    "acknowledge",
    "applyRetention",
    "deleteBackup",
    "deleteEntityBackup",
    "download",
    "downloadOfEntity",
    "recover",
    "rekey",
    "unpinBackup",
];

/// The operations that need the role `operator`. Some need the role `admin` for a part of what they do: a restore that
/// writes, maintenance with retention, and the cancellation of the operation of another caller.
const OPERATOR: [&str; 16] = [
    "backupAll",
    "backupEntity",
    "backupSelective",
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

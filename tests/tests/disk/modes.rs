//! Verifies that files and directories are accessible only to their owner, under any umask.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use koan_backup::JsonFiles;
use koan_backup::prelude::*;

use super::fixture::{FOLDER, child_folder};

/// Returns the permission bits of a file or directory.
fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("exists").permissions().mode() & 0o7777
}

/// Collects the files with another mode than 0600 and the directories with another mode than 0700 below a
/// directory.
fn collect_wrong_modes(directory: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).expect("listed") {
        let path = entry.expect("listed").path();
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        if mode(&path) != expected {
            found.push(format!("{} {:o}", path.display(), mode(&path)));
        }
        if path.is_dir() {
            collect_wrong_modes(&path, found);
        }
    }
}

#[tokio::test]
async fn files_are_private_under_any_umask_and_restored_files_keep_their_mode() {
    const TEST: &str = "modes::files_are_private_under_any_umask_and_restored_files_keep_their_mode";
    let Some(folder) = child_folder() else {
        for umask in ["000", "022", "077", "277"] {
            let folder = tempfile::tempdir().expect("a folder");
            std::fs::create_dir_all(folder.path().join("data/Customer")).expect("created");
            for (name, mode) in [("1", 0o644), ("2", 0o600), ("3", 0o660)] {
                let path = folder.path().join(format!("data/Customer/{name}.json"));
                std::fs::write(&path, format!("{{\"id\":{name},\"name\":\"Ada\"}}")).expect("written");
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))
                    .expect("the permissions are set");
            }
            let program = std::env::current_exe().expect("this program");
            let output = Command::new("sh")
                .arg("-c")
                .arg(format!("umask {umask}; exec \"$0\" --exact {TEST} --nocapture"))
                .arg(program)
                .env(FOLDER, folder.path())
                .output()
                .expect("the test program starts");
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(
                output.status.success(),
                "umask {umask}: {text}{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        return;
    };
    let koan = Koan::builder()
        .state_directory(folder.join("new/state"))
        .catalog_cache(folder.join("new/cache"))
        .provider(JsonFiles::documents(folder.join("data")).expect("a directory"))
        .storage(Storage::local(folder.join("new/backups")).expect("a directory"))
        .build()
        .await
        .expect("a context");
    let backup = koan.backup("nightly").await.expect("a backup");
    koan.catalog().all().await.expect("listed");
    assert!(koan.warm_up().await.is_clean());
    let data = folder.join("data/Customer");
    for name in ["1", "2", "3"] {
        let path = data.join(format!("{name}.json"));
        std::fs::write(&path, format!("{{\"id\":{name},\"name\":\"Changed\"}}")).expect("written");
    }
    std::fs::write(data.join("4.json"), "{\"id\":4,\"name\":\"Ada\"}").expect("written");
    let later = koan.backup("later").await.expect("a backup");
    std::fs::remove_file(data.join("4.json")).expect("removed");
    let _ = koan.restore(backup.id()).await.expect("restored");
    let modes = ["1", "2", "3"].map(|name| mode(&data.join(format!("{name}.json"))));
    assert_eq!(modes, [0o644, 0o600, 0o660]);
    let _ = koan.restore(later.id()).await.expect("restored");
    assert_eq!(mode(&data.join("4.json")), 0o600, "the mode of a new file");
    let mut found = Vec::new();
    collect_wrong_modes(&folder.join("new"), &mut found);
    collect_wrong_modes(&folder.join("data/.koan"), &mut found);
    assert_eq!(found, [""; 0]);
    assert_eq!(mode(&folder.join("new")), 0o700);
}

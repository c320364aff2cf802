//! A disk that is full in the middle of a backup.

use assert_cmd::assert::OutputAssertExt as _;
use koan_backup_tests::small_disk::SmallDisk;

use crate::shop::Shop;

#[test]
fn a_backup_on_a_full_disk_fails_names_the_disk_and_leaves_nothing() {
    let Some(disk) = SmallDisk::mount() else { return };
    let shop = Shop::new(3);
    // Random names of 4 MiB do not fit on a disk of 2 MiB, whatever their compression.
    shop.sql(
        "WITH RECURSIVE n(id) AS (SELECT 1000 UNION ALL SELECT id + 1 FROM n WHERE id < 9000)
         INSERT INTO users SELECT id, hex(randomblob(512)) FROM n",
    );
    let run = |arguments: &[&str]| {
        let mut command = shop.command(arguments);
        command.env("SHOP_STORAGE", disk.path()).assert()
    };
    run(&["backup", "orders", "--entity", "Order"]).code(0);
    for arguments in [&["backup", "nightly"] as &[&str], &["backup", "nightly", "--continue-on-error"]] {
        let assert = run(arguments).code(1);
        let text = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(text.contains("No space left on device"), "{arguments:?}: {text}");
        assert!(text.contains("help: "), "{arguments:?}: {text}");
        let output = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
        assert!(!output.contains("completed"), "{arguments:?}: {output}");
    }
    let archives = std::fs::read_dir(disk.path().join("local/archives")).expect("the directory exists");
    assert_eq!(archives.count(), 1, "no part of the failed backups remains");
    run(&["verify", "orders"]).code(0);
    run(&["backup", "orders", "--entity", "Order"]).code(0);
}

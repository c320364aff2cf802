//! Storage profiles that cannot be used.

use std::net::TcpListener;
use std::process::Command;

use koan_backup_tests::small_disk::SmallDisk;
use koan_backup_tests::stores::S3s;

use super::setup::{Findings, Setup, contents};

#[test]
fn a_directory_that_is_not_mounted_is_found() {
    let setup = Setup::with_backup();
    std::fs::rename(setup.path("backups"), setup.path("elsewhere")).expect("the disk is unmounted");
    let found = setup.doctor();
    found.require_problem(
        "storage local",
        "does not exist, and this machine has used it before",
        "mount its disk",
    );
    std::fs::create_dir(setup.path("backups")).expect("the mount point remains");
    let found = setup.doctor();
    found.require_problem("storage local", "has lost its mark", "mount its disk");
    found.require_count(1);
    found.require_ok("provider main");
    assert_eq!(contents(&setup.path("backups")).len(), 0, "nothing is written to the mount point");
}

#[test]
fn one_unusable_profile_does_not_hide_the_other_one() {
    let mut setup = Setup::with_backup();
    std::fs::write(setup.path("dr"), "").expect("a file in place of the directory");
    setup.storage.push_str("dr = \"{folder}/dr\"\n");
    let found = setup.doctor();
    found.require_problem("storage dr", "cannot be used", "specify a writable directory");
    found.require_count(1);
    found.require_ok("storage local");
    assert!(
        found.text.contains("verified") && found.text.contains("; 1 profile could not be read"),
        "{}",
        found.text
    );
}

#[test]
fn a_misspelt_directory_is_found() {
    let mut setup = Setup::with_backup();
    setup.storage = "[storage]\nlocal = \"{folder}/bakcups\"\n".to_owned();
    setup.doctor().require_problem(
        "storage local",
        "does not exist",
        "did you mean the existing storage profile",
    );
    assert!(!setup.path("bakcups").exists(), "the directory is not created");
}

#[test]
fn a_file_in_place_of_the_directory_is_found() {
    let setup = Setup::new();
    std::fs::write(setup.path("backups"), "").expect("a file");
    setup.doctor().require_problem("storage local", "cannot be used", "specify a writable directory");
}

#[test]
fn a_directory_that_cannot_be_written_is_found() {
    let Some(disk) = SmallDisk::mount() else { return };
    let mut setup = Setup::new();
    setup.storage = format!("[storage]\nlocal = \"{}/backups\"\n", disk.path().display());
    setup.backup();
    let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(disk.path()).status();
    assert!(remounted.is_ok_and(|status| status.success()), "the disk is mounted read-only");
    let found = setup.doctor();
    found.require_problem("storage local", "Read-only file system", "mount its disk with write permission");
    found.require_count(1);
    // A directory that does not exist yet cannot be created there either.
    setup.storage = format!("[storage]\nnew = \"{}/other\"\n", disk.path().display());
    setup.doctor().require_problem("storage new", "cannot be created", "write permission");
}

#[test]
fn a_disk_that_is_nearly_full_is_found() {
    let Some(disk) = SmallDisk::mount() else { return };
    let mut setup = Setup::new();
    setup.storage = format!("[storage]\nlocal = \"{}/backups\"\n", disk.path().display());
    let insert = "WITH RECURSIVE n(id) AS (SELECT 1000 UNION ALL SELECT id + 1 FROM n WHERE id < 4000)
                  INSERT INTO users SELECT id, hex(randomblob(16)) FROM n";
    setup.shop.sql(insert);
    setup.backup();
    assert_eq!(setup.doctor().code, Some(0), "{}", setup.doctor().text);
    // An archive of these records has more than 50 KiB, and 32 KiB remain free.
    fill(&disk, 32 << 10);
    setup.doctor().require_problem("storage local", "less than twice the newest archive", "free space");
}

/// Fills a disk except for this number of bytes.
fn fill(disk: &SmallDisk, free_bytes: u64) {
    use std::io::Write as _;
    let path = disk.path().join("filler");
    let mut file = std::fs::File::create(&path).expect("a file");
    while file.write_all(&[0; 4096]).is_ok() {}
    let length = file.metadata().expect("the length").len();
    file.set_len(length - free_bytes).expect("space is freed");
}

#[test]
fn a_bucket_that_does_not_exist_and_a_wrong_secret_are_found() {
    let server = S3s::start();
    let mut setup = Setup::new();
    let profile = |bucket: &str, secret: &str| {
        format!(
            "[storage.local]\nurl = \"s3://{bucket}/shop\"\nendpoint = \"http://127.0.0.1:{}\"\nregion = \"us-east-1\"\n\
             access_key_id = \"koan\"\nsecret_access_key = {{ env = \"{secret}\" }}\nretries = 0\n",
            server.port()
        )
    };
    let doctor = |setup: &Setup| {
        let mut command = setup.command(&["doctor"]);
        Findings::of(command.env("RIGHT", "koan-secret").env("WRONG", "not-the-secret"))
    };
    setup.more = String::new();
    setup.storage = profile("backups", "RIGHT");
    let found = doctor(&setup);
    assert_eq!(found.code, Some(0), "{}", found.text);
    assert!(found.text.contains("wrote, read and deleted a probe"), "{}", found.text);
    let remaining = contents(&server.bucket());
    assert!(remaining.iter().all(|path| path.is_dir()), "no file remains: {remaining:?}");
    setup.storage = profile("bakcups", "RIGHT");
    doctor(&setup).require_problem("storage local", "bakcups", "the bucket does not exist");
    setup.storage = profile("backups", "WRONG");
    doctor(&setup).require_problem("storage local", "backups", "secret");
}

#[test]
fn a_store_that_does_not_respond_is_found_within_the_time_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let mut setup = Setup::new();
    setup.storage = format!(
        "[storage.local]\nurl = \"s3://backups/shop\"\nendpoint = \"http://127.0.0.1:{port}\"\nregion = \"us-east-1\"\n\
         access_key_id = \"koan\"\nsecret_access_key = {{ env = \"SHOP_KEY\" }}\n"
    );
    let found = Findings::of(&mut setup.command(&["doctor", "--timeout", "3s"]));
    found.require_problem("storage local", "did not respond within 3 seconds", "check the address");
    found.require_ok("configuration");
}

#[test]
fn a_clock_that_differs_from_that_of_the_store_is_found() {
    let setup = Setup::with_backup();
    for (shift, text) in
        [("-870", "14 minutes behind the store's"), ("870", "14 minutes ahead of the store's")]
    {
        let found = Findings::of(setup.command(&["doctor"]).env("SHOP_CLOCK_SHIFT", shift));
        found.require_problem("storage local", text, "timedatectl set-ntp true");
    }
    let found = Findings::of(setup.command(&["doctor"]).env("SHOP_CLOCK_SHIFT", "-10"));
    assert!(!found.text.contains("the store's"), "leases tolerate a few seconds: {}", found.text);
}

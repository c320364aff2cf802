//! Tests archives and manifests that are crafted to harm their reader. Each is refused, and the memory of the
//! reader stays bounded.
//!
//! Every case is read in a separate process, whose address space is limited.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use koan_backup::prelude::*;
use koan_backup::{BackupId, SetName};
use koan_backup_tests::archive_surgery::{
    Forgery, Recompute, RecordedOffset, Stored, Vault, ZipEntry, deflate_block, document, with_forged_archive,
};
use koan_backup_tests::scripted::Scripted;
use serde::{Deserialize, Serialize};
use serde_json::json;

koan_backup::entity_backup_scope!(mode = All);

const USERS: &str = "entities/User.jsonl";
/// The decompressed size of a decompression bomb, which is more than the process may allocate.
const BOMB: u64 = 640 << 20;

/// The limit of the address space of a process that reads a hostile archive, in KiB. All mapped memory
/// counts, not only the heap.
const MAX_ADDRESS_SPACE_KIB: u64 = 512 << 10;
/// The limit of the peak memory of a process that reads a hostile archive, in KiB.
const MAX_PEAK_KIB: u64 = 200 << 10;
/// The environment variable with the directory of a hostile archive.
const CASE: &str = "KOAN_BACKUP_HOSTILE_CASE";
/// The environment variable with the id of a hostile backup.
const ID: &str = "KOAN_BACKUP_HOSTILE_ID";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
struct User {
    id: i64,
    name: String,
    #[serde(default)]
    notes: serde_json::Value,
}

fn user(id: i64, name: &str) -> User {
    User { id, name: name.to_owned(), notes: serde_json::Value::Null }
}

/// Builds a context whose database contains one row.
async fn context(storage: Storage, row: &User) -> Koan {
    let database = Scripted::default();
    database.put(&SetName::root(), row);
    Koan::builder().provider(database).named_storage("main", storage).build().await.expect("a context")
}

/// Creates a valid backup of one user.
async fn archived() -> (BackupId, Stored) {
    let vault = Vault::default();
    let koan = context(vault.storage(), &user(1, "archived")).await;
    let id = koan.backup("nightly").await.expect("a backup").id();
    (id, vault.stored(id).await)
}

/// Reads a hostile archive in a process with little memory, and returns the message of the refusal that the
/// process prints.
fn read_with_little_memory(id: BackupId, case: &Stored) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |path: &str, content: &[u8]| {
        let path = directory.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent folder")).expect("writable");
        std::fs::write(path, content).expect("writable");
    };
    write(&case.manifest_path, &case.manifest);
    write(&case.archive_path, &case.archive);
    let child = Command::new("sh")
        .args(["-c", &format!("ulimit -v {MAX_ADDRESS_SPACE_KIB} && exec \"$@\""), "sh"])
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", "read_hostile_archive_in_child_process", "--nocapture", "--test-threads", "1"])
        .env(CASE, directory.path())
        .env(ID, id.to_string())
        // The address space that malloc reserves for each thread would count as well, although it is never
        // used.
        .env("MALLOC_ARENA_MAX", "1")
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("the test program starts");
    let output = String::from_utf8_lossy(&child.stdout).into_owned();
    let errors = String::from_utf8_lossy(&child.stderr).into_owned();
    assert!(child.status.success(), "{}: {output}{errors}", child.status);
    let message =
        output.lines().find_map(|line| line.split_once("refused: ").map(|(_, message)| message.to_owned()));
    message.unwrap_or_else(|| panic!("the process printed no refusal: {output}{errors}"))
}

/// Reads a hostile archive in the child process that another test starts. Does nothing without the
/// environment variables that this other test sets.
#[tokio::test]
async fn read_hostile_archive_in_child_process() {
    let (Some(directory), Some(id)) = (std::env::var_os(CASE), std::env::var(ID).ok()) else { return };
    let id: BackupId = id.parse().expect("an id");
    let storage = Storage::local(Path::new(&directory)).expect("a directory");
    let koan = context(storage, &user(1, "sentinel")).await;
    let verified = koan.verify(id).await;
    let refusal = match &verified {
        Ok(report) => {
            assert!(!report.is_valid(), "the verification reports that the backup is valid");
            report.issues().iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        }
        Err(error) => error.chain(),
    };
    // The result may be anything, but the call must return.
    drop(koan.restore(id).viability().await);
    koan.restore(id).replace_existing().await.expect_err("the archive is hostile");
    koan.restore(id).replace_existing().without_verification().await.expect_err("the archive is hostile");
    let users = koan.data::<User>();
    let row = users.get(&1).await.expect("readable").expect("the existing row was not deleted");
    assert_eq!((row.name.as_str(), users.count().await.expect("readable")), ("sentinel", 1));
    print_line(&format!("refused: {} (peak {})", refusal.replace('\n', " "), peak()));
}

/// Returns the peak memory of this process.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or("unknown".to_owned(), |line| line.trim().to_owned())
}

/// Prints a line to the output of the test run.
#[expect(clippy::print_stdout, reason = "the tests read the output of the child processes")]
fn print_line(text: &str) {
    println!("{text}");
}

/// Checks that a hostile archive is refused with a message that contains these texts, and within the limit of
/// memory.
fn expect_refusal(id: BackupId, description: &str, case: &Stored, expected: &[&str]) {
    let refusal = read_with_little_memory(id, case);
    print_line(&format!("{description}: {refusal}"));
    let peak = refusal.rsplit_once("(peak ").and_then(|(_, peak)| peak.split_once(' '));
    let peak = peak.and_then(|(kib, _)| kib.parse::<u64>().ok()).expect("the peak memory was printed");
    assert!(peak < MAX_PEAK_KIB, "{description}: the process used {peak} KiB of memory: {refusal}");
    for text in expected {
        assert!(refusal.contains(text), "{description}: {text:?} is not in {refusal:?}");
    }
}

#[tokio::test]
async fn a_small_fault_is_reported_precisely_with_little_memory() {
    let (id, stored) = archived().await;
    let mut broken = Forgery::parse(&stored);
    broken.set_blocks(USERS, &["{}\n"]);
    // This shows that the other refusals are not caused by the limit of memory itself.
    expect_refusal(id, "a small fault", &broken.rebuild(Recompute::Records), &["User", "block 0, record 0"]);
}

#[tokio::test]
async fn records_that_decompress_to_more_than_the_declared_size_are_refused() {
    let (id, stored) = archived().await;
    let bomb = ZipEntry::bomb(USERS, 0, BOMB);
    for (declared, parts) in [
        (100, &["User", USERS, "block 0"][..]),
        (100 << 20, &["User", USERS, "block 0"]),
        (BOMB, &["User", USERS, "block"]),
        (u64::MAX, &["User", USERS, "archives/"]),
    ] {
        let mut forgery = Forgery::parse(&stored);
        // The block is the whole compressed stream without the two bytes at its end.
        let mut data = deflate_block(b"");
        data.splice(0..0, bomb.data.iter().copied());
        let length = data.len();
        data.extend([3, 0]);
        let size = declared.min(u64::from(u32::MAX));
        *forgery.zip.entry_mut(USERS) = ZipEntry { data, size, ..bomb.clone() };
        forgery.set_document(
            document::BLOCKS,
            &json!({ USERS: [
                { "offset": 0, "length": length, "rawLength": declared, "records": 1, "crc32": 0 },
            ] }),
        );
        expect_refusal(id, &format!("a block of {declared}"), &forgery.rebuild(Recompute::Documents), parts);
    }
}

#[tokio::test]
async fn a_document_that_is_a_decompression_bomb_is_refused() {
    let (id, stored) = archived().await;
    let bomb = ZipEntry::bomb("", 0, BOMB);
    for name in [document::MANIFEST, document::CHECKSUMS, document::BLOCKS, document::DISCOVERY] {
        for declared in [100, BOMB] {
            let mut forgery = Forgery::parse(&stored);
            *forgery.zip.entry_mut(name) = ZipEntry { name: name.into(), size: declared, ..bomb.clone() };
            let case = forgery.rebuild(Recompute::Archive);
            let expected = if declared == BOMB {
                "larger than the maximum size of a document"
            } else {
                "does not match its checksum"
            };
            expect_refusal(
                id,
                &format!("{name} that inflates and declares {declared} bytes"),
                &case,
                &[name, expected],
            );
        }
    }
}

#[tokio::test]
async fn a_document_of_very_many_small_values_is_refused() {
    let (id, stored) = archived().await;
    // Each value is two bytes long as text, and needs much more memory after parsing.
    let zeros = format!("{{\"physical\":[{}0]}}", "0,".repeat(12 << 20));
    let mut entries = String::from("{");
    for number in 0..3_000_000u32 {
        write!(entries, "\"{number:x}\":\"\",").expect("a string is writable");
    }
    entries.push_str("\"last\":\"\"}");
    for (name, content) in
        [(document::MANIFEST, &zeros), (document::PROVIDERS, &zeros), (document::CHECKSUMS, &entries)]
    {
        let mut forgery = Forgery::parse(&stored);
        *forgery.zip.entry_mut(name) = ZipEntry::deflated(name, content.as_bytes());
        if name == document::PROVIDERS {
            // The hash of the document is recomputed, so that the document is parsed.
            forgery = Forgery::parse(&forgery.rebuild(Recompute::Documents));
        }
        expect_refusal(id, &format!("{name} of many values"), &forgery.rebuild(Recompute::Archive), &[]);
    }
}

#[tokio::test]
async fn wrong_declared_counts_and_lengths_are_refused() {
    let (id, stored) = archived().await;
    for field in ["offset", "length", "rawLength", "records"] {
        for value in [u64::MAX, 1 << 40, u64::from(u32::MAX)] {
            let mut forgery = Forgery::parse(&stored);
            forgery.alter_document(document::BLOCKS, |blocks| blocks[USERS][0][field] = json!(value));
            let case = forgery.rebuild(Recompute::Documents);
            expect_refusal(id, &format!("{field} of {value}"), &case, &["User", USERS]);
        }
    }
    let mut forgery = Forgery::parse(&stored);
    forgery.alter_document(document::BLOCKS, |blocks| {
        let block = blocks[USERS][0].clone();
        blocks[USERS] = vec![block; 100_000].into();
    });
    expect_refusal(id, "100 000 blocks", &forgery.rebuild(Recompute::Documents), &["User", USERS]);
    for declared in [0, 1, 7, u16::MAX] {
        let mut forgery = Forgery::parse(&stored);
        forgery.zip.declared_entries = Some(declared);
        expect_refusal(
            id,
            &format!("{declared} entries"),
            &forgery.rebuild(Recompute::Archive),
            &["damaged"],
        );
    }
}

#[tokio::test]
async fn entry_names_with_path_traversal_are_refused() {
    let (id, stored) = archived().await;
    for name in [
        "../outside.json",
        "entities/../../outside.jsonl",
        "/etc/passwd",
        "..\\outside.json",
        "C:\\outside.json",
        "entities/./User.jsonl",
        "entities//User.jsonl",
        "metadata/",
        "",
        "a\0b",
    ] {
        let mut forgery = Forgery::parse(&stored);
        forgery.zip.entries.push(ZipEntry::deflated(name, b"{}\n"));
        expect_refusal(id, &format!("{name:?}"), &forgery.rebuild(Recompute::Records), &["unsafe path"]);
    }
}

#[tokio::test]
async fn a_manifest_with_the_path_of_an_archive_outside_the_profile_is_refused() {
    let (id, stored) = archived().await;
    for path in ["../secret.zip", "/etc/passwd", "archives/../../secret.zip", "archives//a.zip", ""] {
        let mut forgery = Forgery::parse(&stored);
        forgery.manifest["archive"]["file"] = json!(path);
        expect_refusal(id, &format!("{path:?}"), &forgery.rebuild(Recompute::Archive), &[]);
    }
}

#[tokio::test]
async fn entries_that_are_duplicated_or_overlap_are_refused() {
    let (id, stored) = archived().await;
    let unaltered = Forgery::parse(&stored);
    let users = unaltered.zip.entries.iter().position(|entry| entry.name == USERS);
    let users = users.expect("the archive contains users");
    let duplicated = ZipEntry { ..unaltered.zip.entry(USERS).clone() };
    let same_offset = ZipEntry {
        name: "entities/Other.jsonl".into(),
        offset: RecordedOffset::Within(users, 0),
        ..duplicated.clone()
    };
    // A complete entry lies within the data of another entry, as in decompression bombs that contain
    // themselves.
    let inner = ZipEntry { name: "entities/Inside.jsonl".into(), ..ZipEntry::deflated("", b"{}\n") };
    let mut outer_data = inner.local_header();
    outer_data.extend_from_slice(&inner.data);
    let header = ZipEntry::deflated("entities/Around.jsonl", b"").local_header().len();
    let outer = ZipEntry {
        method: 0,
        crc32: 0,
        size: u64::try_from(outer_data.len()).expect("a length fits into u64"),
        data: outer_data,
        ..ZipEntry::deflated("entities/Around.jsonl", b"")
    };
    let mut cases = Vec::new();
    let mut forgery = unaltered.clone();
    forgery.zip.entries.push(duplicated);
    cases.push(("a duplicated entry", forgery, "two entries"));
    let mut forgery = unaltered.clone();
    forgery.zip.entries.push(same_offset);
    cases.push(("two entries at the same offset", forgery, "overlap"));
    let mut forgery = unaltered;
    let index = forgery.zip.entries.len();
    forgery.zip.entries.push(outer);
    forgery.zip.entries.push(ZipEntry { offset: RecordedOffset::Within(index, header), ..inner });
    cases.push(("an entry within another entry", forgery, "overlap"));
    for (description, forgery, expected) in cases {
        expect_refusal(id, description, &forgery.rebuild(Recompute::Records), &[expected]);
    }
}

#[tokio::test]
async fn very_many_entries_are_refused() {
    let (id, stored) = archived().await;
    let header = ZipEntry { data: vec![3, 0], ..ZipEntry::deflated("x", b"") };
    let local = [header.local_header(), header.data.clone()].concat();
    let mut archive = Vec::new();
    archive.extend_from_slice(&local);
    let start = archive.len();
    let record: Vec<u8> = {
        let mut zip = koan_backup_tests::archive_surgery::Zip::default();
        zip.entries.push(header);
        let file = zip.write();
        file[start..file.len() - 22].to_vec()
    };
    let count = 1_000_001u64;
    for _ in 0..count {
        archive.extend_from_slice(&record);
    }
    // The ZIP64 end record of the central directory follows, then its locator, and then the end record of the
    // original format, whose maximum values refer to the ZIP64 record.
    let end = archive.len();
    let length = u64::try_from(end - start).expect("a length fits into u64");
    archive.extend(b"PK\x06\x06");
    archive.extend(44u64.to_le_bytes());
    archive.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for number in [count, count, length, u64::try_from(start).expect("an offset fits into u64")] {
        archive.extend(number.to_le_bytes());
    }
    archive.extend(b"PK\x06\x07\0\0\0\0");
    archive.extend(u64::try_from(end).expect("an offset fits into u64").to_le_bytes());
    archive.extend(1u32.to_le_bytes());
    archive.extend(b"PK\x05\x06\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0");
    expect_refusal(id, "a million entries", &with_forged_archive(&stored, archive), &["more entries"]);
}

#[tokio::test]
async fn json_that_is_nested_too_deeply_is_refused() {
    let (id, stored) = archived().await;
    for depth in [128, 1_000_000] {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for name in [document::MANIFEST, document::CHECKSUMS, document::BLOCKS, document::PROVIDERS] {
            let mut forgery = Forgery::parse(&stored);
            *forgery.zip.entry_mut(name) = ZipEntry::deflated(name, nested.as_bytes());
            let case = forgery.rebuild(Recompute::Archive);
            expect_refusal(id, &format!("{name}, {depth} deep"), &case, &[name]);
        }
        let mut forgery = Forgery::parse(&stored);
        let record = format!("{{\"id\":1,\"name\":\"x\",\"notes\":{nested}}}\n");
        forgery.set_blocks(USERS, &[record]);
        let case = forgery.rebuild(Recompute::Records);
        expect_refusal(id, &format!("a record, {depth} deep"), &case, &["User", "block 0, record 0"]);
        let published = Stored { manifest: nested.into(), ..stored.clone() };
        expect_refusal(id, &format!("a manifest, {depth} deep"), &published, &["manifests/"]);
    }
}

#[tokio::test]
async fn an_oversized_manifest_is_refused_with_little_memory() {
    let (id, stored) = archived().await;
    let manifest = String::from_utf8(stored.manifest.clone()).expect("text");
    let with = |added: String| Stored {
        manifest: manifest.replacen('{', &format!("{{\"more\":{added},"), 1).into(),
        ..stored.clone()
    };
    let long = with(format!("\"{}\"", "x".repeat(100 << 20)));
    expect_refusal(id, "a manifest of 100 MiB", &long, &["manifests/", "larger"]);
    let many = with(format!("[{}0]", "0,".repeat(50 << 20)));
    expect_refusal(id, "a manifest of 100 MiB of values", &many, &["manifests/", "larger"]);
    for bytes in [24 << 20, 5 << 20] {
        let many = with(format!("[{}0]", "0,".repeat(bytes / 2)));
        expect_refusal(id, &format!("a manifest of {bytes} bytes of values"), &many, &[]);
        let maps = with(format!("[{}{{}}]", "{\"\":0},".repeat(bytes / 7)));
        expect_refusal(id, &format!("a manifest of {bytes} bytes of maps"), &maps, &[]);
    }
}

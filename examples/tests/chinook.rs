//! Chinook is backed up and restored without a change, and its archive can be read with standard tools.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output};

#[path = "../chinook.rs"]
#[expect(dead_code, reason = "the test does not call `main` of the example")]
mod chinook;

/// The number of rows of each table.
const ROWS: [(&str, u64); 11] = [
    ("Album", 347),
    ("Artist", 275),
    ("Customer", 59),
    ("Employee", 8),
    ("Genre", 25),
    ("Invoice", 412),
    ("InvoiceLine", 2240),
    ("MediaType", 5),
    ("Playlist", 18),
    ("PlaylistTrack", 8715),
    ("Track", 3503),
];

#[tokio::test]
async fn every_row_of_every_table_is_restored() {
    let folder = tempfile::tempdir().expect("a temporary folder is created");
    let pristine = chinook::pristine().expect("the test data exists");
    let outcome = chinook::run(&pristine, folder.path()).await.expect("the example runs");

    assert!(outcome.inventory.is_covered());
    let names: Vec<_> = outcome.inventory.included.iter().map(|included| included.entity.as_str()).collect();
    assert_eq!(names, ROWS.map(|(name, _)| name));

    let counts: BTreeMap<_, _> = outcome
        .backup
        .manifest()
        .entities
        .iter()
        .map(|entity| (entity.entity.as_str(), entity.item_count))
        .collect();
    assert_eq!(counts, BTreeMap::from(ROWS));
    assert!(outcome.verified.is_valid());

    let tables: Vec<_> = outcome.tables.iter().map(|compared| compared.table.as_str()).collect();
    assert_eq!(tables, ROWS.map(|(name, _)| name));
    for compared in &outcome.tables {
        assert!(
            compared.destroyed > 0,
            "the table {} was not damaged, so its restore is not tested",
            compared.table
        );
        assert_eq!(
            compared.differing, 0,
            "the table {} has other rows than before the damage",
            compared.table
        );
    }

    assert_unzip_finds_no_error(&outcome.archive);
    assert_sha256sum_confirms_the_checksums(&outcome.archive, &folder.path().join("extracted"));
    assert_the_zip_crate_reads_every_record(&outcome.archive);
}

fn assert_unzip_finds_no_error(archive: &Path) {
    let text = run(Command::new("unzip").arg("-t").arg(archive));
    assert!(text.contains("No errors detected"), "{text}");
}

fn assert_sha256sum_confirms_the_checksums(archive: &Path, folder: &Path) {
    run(Command::new("unzip").arg("-q").arg(archive).arg("-d").arg(folder));
    let checksums =
        std::fs::read(folder.join("verification/checksums.json")).expect("the archive contains checksums");
    let checksums: BTreeMap<String, String> =
        serde_json::from_slice(&checksums).expect("the checksums are a JSON map");
    let sums: String = checksums
        .iter()
        .map(|(name, hash)| {
            format!("{}  {name}\n", hash.strip_prefix("sha256:").expect("each checksum is a SHA-256 hash"))
        })
        .collect();
    std::fs::write(folder.join("sums"), sums).expect("the file is written");
    let checked = run(Command::new("sha256sum").args(["--strict", "--check", "sums"]).current_dir(folder));
    assert_eq!(checked.lines().filter(|line| line.ends_with(": OK")).count(), checksums.len(), "{checked}");
    for (name, _) in ROWS {
        assert!(checksums.contains_key(&format!("entities/{name}.jsonl")), "{name} has no checksum");
    }
}

fn assert_the_zip_crate_reads_every_record(archive: &Path) {
    let file = std::fs::File::open(archive).expect("the archive exists");
    let mut archive = zip::ZipArchive::new(file).expect("the archive is a ZIP file");
    let mut records = BTreeMap::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).expect("the entry is readable");
        let name = entry.name().expect("the name of the entry is valid").into_owned();
        let mut content = String::new();
        entry.read_to_string(&mut content).expect("the CRC is correct and the content is UTF-8");
        if let Some(entity) = name.strip_prefix("entities/").and_then(|name| name.strip_suffix(".jsonl")) {
            for line in content.lines() {
                let record: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
                assert!(record.is_object(), "{record}");
            }
            records.insert(
                entity.to_owned(),
                u64::try_from(content.lines().count()).expect("the number of lines fits into u64"),
            );
        } else {
            serde_json::from_str::<serde_json::Value>(&content).expect("a document is JSON");
        }
    }
    assert_eq!(records, ROWS.map(|(name, rows)| (name.to_owned(), rows)).into());
}

/// Runs a command, and returns its output.
fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("the tool is installed; run tests/setup");
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?} failed: {stdout}{stderr}");
    stdout.into_owned()
}

//! Damaged single backups: every kind of damage is found before the first write.

use std::path::PathBuf;

use koan_backup::prelude::*;
use koan_backup::streams::StreamBackupHandle;
use koan_backup::{ConflictMode, MemoryEvents};
use serde_json::Value;

use crate::shop::{FULL, PLAIN, Shop, content};

/// An alteration of a `.meta`.
type Alteration = fn(&mut Value);

/// A single backup whose files can be altered.
struct Stored {
    shop: Shop,
    koan: Koan,
    handle: StreamBackupHandle,
}

impl Stored {
    async fn new(id: &str) -> Self {
        let shop = Shop::new();
        let koan = shop.koan().await;
        let backup = koan.streams("order").expect("declared").backup(id).full().without_compression();
        let handle = backup.await.expect("made");
        Self { shop, koan, handle }
    }

    fn content_path(&self) -> PathBuf {
        self.shop.root().join(&self.handle.location)
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.content_path()).expect("the content is text")
    }

    /// Replaces the content, and the size and hash in the `.meta`.
    fn forge(&self, content: &[u8]) {
        self.shop.forge(&self.handle, content);
    }

    fn alter_meta(&self, alter: impl FnOnce(&mut Value)) {
        self.shop.alter_meta(alter);
    }

    /// Checks that the damage is reported, and that a restore writes nothing. Returns the problem.
    async fn damage(&self, case: &str) -> String {
        let verified = self.koan.verify_stream_backup(self.handle.id).await.expect(case);
        let problem = verified.problem.unwrap_or_else(|| panic!("{case}: the damage was not found"));
        let id = self.handle.object_id.as_deref().expect("the id is known");
        let before = content(&self.shop.events, "order", id).await;
        let orders = self.koan.streams("order").expect("declared");
        let restore = orders.restore(self.handle.id).on_conflict(ConflictMode::Overwrite);
        restore.await.expect_err(case);
        let restore =
            orders.restore(self.handle.id).on_conflict(ConflictMode::Overwrite).without_verification();
        let error = restore.await.expect_err(case);
        assert!(
            matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Record | ErrorKind::Incompatible),
            "{case}: {error:?}"
        );
        assert_eq!(content(&self.shop.events, "order", id).await, before, "{case}: nothing was written");
        problem
    }
}

#[tokio::test]
async fn every_alteration_of_the_text_is_damage_even_with_the_right_hash() {
    let stored = Stored::new(FULL).await;
    let text = stored.text();
    let lines: Vec<&str> = text.lines().collect();
    let event = |version: u64| {
        let found = lines
            .iter()
            .position(|line| line.contains(&format!("{{\"version\":{version},\"type\":\"Shipped\"")));
        found.expect("the event is in the content")
    };
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        change(&mut lines);
        lines.join("\n") + "\n"
    };
    let header = |from: &str, to: &str| with(&|lines| lines[0] = lines[0].replace(from, to));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let cases = [
        ("a gap", with(&|lines| drop(lines.remove(event(2)))), "a gap"),
        ("a duplicate", with(&|lines| lines.insert(event(2), lines[event(2)].clone())), "a duplicate"),
        ("a wrong order", with(&|lines| lines.swap(event(1), event(3))), "a gap"),
        (
            "a missing last event",
            with(&|lines| {
                lines.remove(event(4));
                let last = lines[event(3)].trim_end_matches(',').to_owned();
                lines[event(3)] = last;
            }),
            "states 5 events",
        ),
        ("a wrong count", header("\"eventCount\":5", "\"eventCount\":6"), "together with"),
        (
            "a wrong version",
            header("\"streamVersion\":4,\"eventCount\":5", "\"streamVersion\":3,\"eventCount\":4"),
            "states 4 events",
        ),
        (
            "a huge number",
            header("\"eventCount\":5", "\"eventCount\":99999999999999999999999"),
            "cannot be read",
        ),
        (
            "the maximum",
            header(
                "\"streamVersion\":4,\"eventCount\":5",
                "\"streamVersion\":18446744073709551615,\"eventCount\":0",
            ),
            "together with",
        ),
        ("an unknown field of the header", header("\"objectId\"", "\"x\":1,\"objectId\""), "cannot be read"),
        (
            "an unknown field of an event",
            with(&|lines| lines[event(0)] = lines[event(0)].replacen('{', "{\"x\":1,", 1)),
            "cannot be read",
        ),
        (
            "the ids of another stream",
            with(&|lines| lines[event(0)] = lines[event(0)].replacen('{', "{\"streamId\":\"x\",", 1)),
            "cannot be read",
        ),
        ("a newer format", header("\"formatVersion\":1", "\"formatVersion\":2"), "format version 2"),
        ("another object", header(FULL, "order-1"), ""),
        (
            "deep nesting",
            with(&|lines| {
                lines[event(0)] = format!("{{\"version\":0,\"type\":\"Shipped\",\"payload\":{deep}}},")
            }),
            "",
        ),
        (
            "another payload type",
            with(&|lines| lines[event(0)] = lines[event(0)].replace("{\"Shipped\":", "{\"Lost\":")),
            "does not fit its event type",
        ),
        (
            "a missing comma",
            with(&|lines| lines[event(0)] = lines[event(0)].trim_end_matches(',').to_owned()),
            "comma",
        ),
        ("a comma at the end", with(&|lines| lines[event(4)].push(',')), "comma"),
        ("more content", format!("{text}{{}}\n"), "continues after its end"),
        ("an early end", text[..text.len() - 4].to_owned(), "ends early"),
        ("an empty file", String::new(), "ends early"),
        ("no line feed", "x".repeat(5 << 20), "more than"),
        (
            "another document",
            with(&|lines| {
                for line in lines.iter_mut() {
                    if line.starts_with("],\"document\"") {
                        *line = line.replace(&format!("\"objectId\":\"{FULL}\""), "\"objectId\":\"x\"");
                    }
                }
            }),
            "document",
        ),
        (
            "fewer snapshots",
            with(&|lines| {
                let snapshot =
                    lines.iter().position(|line| line.contains("\"name\":\"state\"")).expect("a snapshot");
                lines.remove(snapshot);
            }),
            "not the content that its `.meta` describes",
        ),
    ];
    for (case, forged, expected) in cases {
        assert_ne!(forged, text, "{case}: the content is altered");
        stored.forge(forged.as_bytes());
        let problem = stored.damage(case).await;
        assert!(problem.contains(expected), "{case}: {problem}");
        assert!(problem.contains(&stored.handle.id.to_string()), "{case}: {problem}");
    }
    stored.forge(text.as_bytes());
    let verified = stored.koan.verify_stream_backup(stored.handle.id).await.expect("read");
    assert_eq!(verified.require_valid().expect("the original content is valid").events, Some(7));
}

#[tokio::test]
async fn every_flipped_bit_and_every_truncation_is_found_by_size_or_hash() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let handle = koan.streams("order").expect("declared").backup(PLAIN).await.expect("made");
    let (path, empty) = (shop.root().join(&handle.location), MemoryEvents::new());
    let bytes = std::fs::read(&path).expect("read");
    let restored = shop.koan_for(&empty).await.streams("order").expect("declared");
    for position in (0..bytes.len()).step_by(7) {
        let mut altered = bytes.clone();
        altered[position] ^= 1 << (position % 8);
        std::fs::write(&path, altered).expect("written");
        assert!(!koan.verify_stream_backup(handle.id).await.expect("read").is_valid(), "byte {position}");
        restored.restore(&handle).without_verification().await.expect_err("damaged");
        assert!(
            content(&empty, "order", PLAIN).await.opened.is_none(),
            "byte {position}: something was written"
        );
    }
    for length in [0, 1, 10, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..length]).expect("written");
        let verified = koan.verify_stream_backup(handle.id).await.expect("read");
        assert!(verified.problem.expect("damage").contains("bytes"), "{length} bytes");
    }
    std::fs::remove_file(&path).expect("removed");
    let verified = koan.verify_stream_backup(handle.id).await.expect("read");
    assert!(verified.problem.expect("damage").contains("is missing"));
}

#[tokio::test]
async fn a_truncated_gzip_file_with_a_matching_meta_is_damage() {
    let shop = Shop::new();
    let koan = shop.koan().await;
    let handle = koan.streams("order").expect("declared").backup(PLAIN).full().await.expect("made");
    let stored = Stored { shop, koan, handle };
    let bytes = std::fs::read(stored.content_path()).expect("read");
    for cut in [1, 8, 9, bytes.len() / 2, bytes.len()] {
        stored.forge(&bytes[..bytes.len() - cut]);
        stored.damage(&format!("{cut} bytes are missing")).await;
    }
    stored.forge(&[bytes.as_slice(), b"more"].concat());
    assert!(stored.damage("more bytes").await.contains("continues after its end"));
}

#[tokio::test]
async fn a_meta_that_contradicts_its_content_or_itself_is_refused() {
    let stored = Stored::new(PLAIN).await;
    let alterations: [(&str, Alteration); 6] = [
        ("a wrong hash", |meta| meta["sha256"] = "sha256:00".into()),
        ("a wrong version", |meta| meta["streamVersion"] = 0.into()),
        ("a wrong count", |meta| meta["eventCount"] = 1.into()),
        ("another id", |meta| meta["objectId"] = "order-1".into()),
        ("a wrong size", |meta| meta["sizeBytes"] = 1.into()),
        ("another inclusion", |meta| meta["includes"]["terminated"] = false.into()),
    ];
    let path = stored.shop.files(".meta")[0].clone();
    let original = std::fs::read(&path).expect("read");
    for (case, alter) in alterations {
        stored.alter_meta(alter);
        stored.damage(case).await;
        std::fs::write(&path, &original).expect("written");
    }
    let refused: [(&str, Alteration); 4] = [
        ("a path outside", |meta| meta["path"] = "manifests/x.json".into()),
        ("recipients without a sealed description", |meta| {
            meta["encryption"] = serde_json::json!({"recipients": [], "keyIds": []})
        }),
        ("another backup", |meta| meta["backupId"] = "01a20039-2e20-73ff-b80d-43944b669d73".into()),
        ("another object name", |meta| meta["objectName"] = "patient".into()),
    ];
    for (case, alter) in refused {
        stored.alter_meta(alter);
        let error = stored.koan.stream_backup(stored.handle.id).await.expect_err(case);
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{case}");
        assert_eq!(stored.koan.stream_backups().await.expect("listed").unreadable.len(), 1, "{case}");
        std::fs::write(&path, &original).expect("written");
    }
}

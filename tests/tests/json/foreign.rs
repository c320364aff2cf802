//! Tests files that were written by other programs.

use futures::TryStreamExt;

use koan_backup::prelude::*;
use serde::{Deserialize, Serialize};

use super::fixture::{Book, JsonFixture};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity(key = "from, to")]
struct Edge {
    from: i64,
    to: i64,
}

#[tokio::test]
async fn lines_of_other_programs_are_read_with_warnings_about_lost_values() {
    let fixture = JsonFixture::lines().await;
    fixture.put(
        "Book/root.jsonl",
        "\u{feff}{\"title\": \"one\", \"id\": 1, \"pages\": 3}\r\n\r\n  \
         { \"id\" : 2,\t\"title\":\"t\\u0077o\", \"price\": 1.50}\n{\"id\":3,\"title\":\"three\"}",
    );
    let report = fixture.backup().await.expect("a backup");
    assert_eq!(report.item_count(), 3);
    let warnings = report.warnings();
    let book_warnings: Vec<_> = warnings.iter().filter(|warning| warning.starts_with("Book:")).collect();
    assert_eq!(book_warnings.len(), 1, "{warnings:?}");
    assert!(book_warnings[0].contains("`price`") && book_warnings[0].contains("id=2"), "{warnings:?}");
    let read: Vec<Book> = fixture.koan.data::<Book>().all_stream().try_collect().await.expect("read");
    let book = |id, title: &str, pages| Book { id, title: title.into(), pages, tags: Vec::new() };
    assert_eq!(read, [book(1, "one", 3), book(2, "two", 0), book(3, "three", 0)]);
}

#[tokio::test]
async fn documents_of_other_programs_are_found_under_any_file_name() {
    let fixture = JsonFixture::documents().await;
    fixture.put("Book/first.json", "\u{feff}{\r\n  \"title\": \"one\",\r\n  \"id\": 1\r\n}\r\n");
    fixture.put("Book/ü ber.json", "{\"id\": 2, \"title\": \"two\", \"pages\": 9}");
    fixture.put("Book/.hidden.json", "not a document");
    fixture.put("Book/#old/x.json", "{\"id\": 1, \"title\": \"old\"}");
    let before = fixture.files();
    let report = fixture.backup().await.expect("a backup");
    assert_eq!(report.item_count(), 3);
    fixture.remove("Book/#old/x.json");
    fixture.put("Book/first.json", "{\"id\": 1, \"title\": \"changed\"}");
    fixture.put("Book/third.json", "{\"id\": 3, \"title\": \"new\"}");
    let _ = fixture.restore().await;
    let after = fixture.files();
    assert_eq!(
        after.keys().collect::<Vec<_>>(),
        ["Book/#old/1.json", "Book/.hidden.json", "Book/first.json", "Book/ü ber.json"]
    );
    assert_eq!(fixture.text("Book/first.json"), "{\"id\":1,\"title\":\"one\",\"pages\":0}\n");
    assert_ne!(after, before, "a restore writes documents in the form of their type");
    let second = fixture.backup().await.expect("a backup");
    for (first, second) in report.manifest().entities.iter().zip(&second.manifest().entities) {
        assert_eq!(first.record_set_hash, second.record_set_hash, "{}", first.entity);
    }
}

#[tokio::test]
async fn an_invalid_line_is_reported_with_file_and_line_but_without_its_content() {
    let fixture = JsonFixture::lines().await;
    for (broken, expected) in [
        ("{\"id\":2,\"title\":\"secret\"", "ends in the middle of a value"),
        ("{\"id\":2,\"title\":\"secret\"}{}", "not valid JSON"),
        ("{\"id\":NaN,\"title\":\"secret\"}", "not valid JSON"),
        ("{\"id\":2,\"title\":\"secret\",\"title\":\"secret\"}", "duplicate name"),
        ("[2,\"secret\"]", "is a list"),
        ("\"secret\"", "not a JSON object"),
        ("{\"id\":2,\"title\":\"x\",\"pages\":\"secret\"}", "field `pages`"),
        ("{\"id\":2.0,\"title\":\"secret\"}", "field `id`"),
        ("{\"id\":2}", "`title`"),
        ("{\"id\":1,\"title\":\"secret\"}", "has a duplicate key"),
        ("\0\0\0\0", "not a JSON object"),
    ] {
        fixture.put("Book/root.jsonl", format!("{{\"id\":1,\"title\":\"a\"}}\n\n{broken}\n"));
        let error = fixture.refusal().await;
        assert!(error.contains("Book/root.jsonl`, line 3") && error.contains(expected), "{broken}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
    fixture.put("Book/root.jsonl", b"{\"id\":1,\"title\":\"\xFF\"}\n");
    assert!(fixture.refusal().await.contains("line 1"));
}

#[tokio::test]
async fn an_invalid_document_is_reported_with_file_and_position() {
    let fixture = JsonFixture::documents().await;
    for (broken, expected) in [
        ("{\n \"id\": 1,\n \"title\": \"secret\n}", "at line 3"),
        ("{\n \"id\": 1,\n \"title\": \"sec", "ends in the middle of a value"),
        ("", "is empty"),
        ("{\"id\": 1}", "`title`"),
    ] {
        fixture.put("Book/a.json", broken);
        let error = fixture.refusal().await;
        assert!(error.contains("Book/a.json`") && error.contains(expected), "{broken}: {error}");
        assert!(!error.contains("sec"), "{error}");
    }
    // The two files with the same key are not adjacent.
    fixture.put("Book/a.json", "{\"id\": 1, \"title\": \"a\"}");
    fixture.put("Book/b.json", "{\"id\": 2, \"title\": \"b\"}");
    fixture.put("Book/c.json", "{\"id\": 1, \"title\": \"c\"}");
    let error = fixture.refusal().await;
    assert!(error.contains("Book/c.json`") && error.contains("`id=1` has a duplicate key"), "{error}");
}

#[tokio::test]
async fn a_truncated_file_fails_the_backup() {
    let fixture = JsonFixture::lines().await;
    let complete = "{\"id\":1,\"title\":\"a\"}\n{\"id\":2,\"title\":\"b\"}\n";
    for length in complete.len() / 2 + 1..complete.len() - 1 {
        fixture.put("Book/root.jsonl", &complete[..length]);
        let error = fixture.backup().await.expect_err("a truncated file");
        assert_eq!(error.kind(), ErrorKind::Record, "{error:?}");
    }
}

#[tokio::test]
async fn the_boot_report_lists_files_that_are_not_data() {
    let fixture = JsonFixture::documents().await;
    fixture.put("Book/1.json", "{\"id\":1,\"title\":\"a\"}");
    fixture.put("Book/notes.txt", "x");
    fixture.put("Book/more/2.json", "{}");
    fixture.put("Book/#old/3.yaml", "x");
    fixture.put("Book/#root/4.json", "{}");
    fixture.put("Unknown/1.json", "{}");
    fixture.put("readme.md", "x");
    fixture.put(".git/config", "x");
    let koan = super::fixture::context(
        koan_backup::JsonFiles::documents(fixture.path("")).expect("opened"),
        fixture.path("").parent().expect("a folder"),
    )
    .await;
    let inventory = koan.inventory();
    let warnings: Vec<_> =
        inventory.warnings.iter().filter(|warning| warning.starts_with("table `")).collect();
    let paths = ["Book/#old/3.yaml", "Book/#root", "Book/more", "Book/notes.txt", "Unknown", "readme.md"];
    assert_eq!(warnings.len(), paths.len(), "{warnings:?}");
    for (warning, path) in warnings.iter().zip(paths) {
        assert!(warning.contains(&format!("`{path}`")), "{warning}");
    }
}

#[tokio::test]
async fn fields_of_composite_keys_are_matched_by_name_in_any_order() {
    let fixture = JsonFixture::lines().await;
    fixture.put("Edge/root.jsonl", "{\"from\":1,\"to\":2}\n{\"to\":1,\"from\":2}\n");
    assert_eq!(fixture.backup().await.expect("a backup").item_count(), 2);
    fixture.put("Edge/root.jsonl", "{\"from\":1,\"to\":2}\n{\"from\":3,\"to\":2}\n{\"to\":2,\"from\":1}\n");
    assert!(fixture.refusal().await.contains("`from=1, to=2` has a duplicate key"));
}

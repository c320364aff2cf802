//! Tests what a restore into JSON files preserves, and which changes of other programs a read detects.

use std::fs;
use std::sync::Arc;

use koan_backup::prelude::*;
use koan_backup::{
    Result, SetName,
    entity::EntityCodec,
    provider::{Chunk, Consistency, Provider, ReadRequest, RecordSink, Snapshot},
};

use super::fixture::{Book, JsonFixture, NAME, Person, context, files_of};

/// The name of a change, and a function that makes the change in the way of another program.
type Change = (&'static str, fn(&JsonFixture));

fn codec() -> EntityCodec {
    EntityCodec::new(Book::descriptor())
}

/// Reads all books of a snapshot, and returns their number.
async fn read(snapshot: &dyn Snapshot) -> Result<usize> {
    let (sink, mut chunks) = RecordSink::channel(codec(), 100);
    let reading = snapshot.read(ReadRequest::all(codec(), SetName::root()), sink);
    let counting = async {
        let mut records = 0;
        while let Some(chunk) = chunks.recv().await {
            records += Chunk::records(&chunk).count();
        }
        records
    };
    let (result, records) = tokio::join!(reading, counting);
    result.map(|_| records)
}

/// Returns the lines of this number of books.
fn lines(count: i64) -> String {
    (1..=count).map(|id| format!("{{\"id\":{id},\"title\":\"title\",\"pages\":0}}\n")).collect()
}

#[tokio::test]
async fn a_read_fails_if_a_file_is_changed_in_place_but_not_if_it_is_replaced() {
    let fixture = JsonFixture::lines().await;
    let provider = JsonFiles::lines(fixture.path("")).expect("opened");
    let changes: [Change; 4] = [
        ("appended to", |fixture| fixture.put("Book/root.jsonl", lines(3))),
        ("shortened", |fixture| fixture.put("Book/root.jsonl", lines(1))),
        ("overwritten with as many bytes", |fixture| {
            fixture.put("Book/root.jsonl", lines(2).replace("title\"}", "other\"}"));
        }),
        ("emptied", |fixture| fixture.put("Book/root.jsonl", "")),
    ];
    for (description, change) in changes {
        fixture.put("Book/root.jsonl", lines(2));
        let snapshot = provider.snapshot().await.expect("a snapshot");
        assert_eq!(snapshot.consistency(), Consistency::Snapshot);
        assert_eq!(read(snapshot.as_ref()).await.expect("read"), 2);
        change(&fixture);
        let error = read(snapshot.as_ref()).await.expect_err(description).chain();
        assert!(error.contains("Book/root.jsonl`") && error.contains("rename"), "{description}: {error}");
        let count = snapshot.count(&codec(), &SetName::root()).await;
        assert!(count.is_err(), "{description}: the changed file was counted");
    }
    fixture.put("Book/root.jsonl", lines(2));
    let snapshot = provider.snapshot().await.expect("a snapshot");
    fixture.put("Book/.new", lines(3));
    fs::rename(fixture.path("Book/.new"), fixture.path("Book/root.jsonl")).expect("renamed");
    assert_eq!(read(snapshot.as_ref()).await.expect("read"), 2, "the snapshot still reads the old file");
    fixture.remove("Book/root.jsonl");
    assert_eq!(read(snapshot.as_ref()).await.expect("read"), 2, "the snapshot still reads the old file");
}

#[tokio::test]
async fn a_read_fails_if_documents_are_added_removed_or_changed_during_the_read() {
    let fixture = JsonFixture::documents().await;
    let provider = JsonFiles::documents(fixture.path("")).expect("opened");
    let changes: [Change; 3] = [
        ("added", |fixture| fixture.put("Book/9999.json", "{\"id\":9999,\"title\":\"a\"}")),
        ("removed", |fixture| fixture.remove("Book/0001.json")),
        ("changed", |fixture| fixture.put("Book/0001.json", "{\"id\":1,\"title\":\"b\"}")),
    ];
    for (description, change) in changes {
        // Two documents fill a chunk, and the sink buffers few chunks. The provider therefore reads most
        // documents only after the test has received a chunk.
        let title = "a".repeat(600 << 10);
        for id in 0..16 {
            fixture.put(&format!("Book/{id:04}.json"), format!("{{\"id\":{id},\"title\":\"{title}\"}}"));
        }
        let snapshot = provider.snapshot().await.expect("a snapshot");
        assert_eq!(snapshot.consistency(), Consistency::None);
        let (sink, mut chunks) = RecordSink::channel(codec(), 1);
        let read = snapshot.read(ReadRequest::all(codec(), SetName::root()), sink);
        let changing = async {
            // At this point, the provider has listed the directory and read the document that changes.
            chunks.recv().await.expect("the read sends a chunk of documents");
            change(&fixture);
            while chunks.recv().await.is_some() {}
        };
        let (result, ()) = tokio::join!(read, changing);
        let error = result
            .err()
            .map(|error| error.chain())
            .unwrap_or_else(|| panic!("the read succeeded although a document was {description}"));
        assert!(error.contains("was changed while it was read"), "{description}: {error}");
        let _ = fs::remove_file(fixture.path("Book/9999.json"));
    }
}

#[tokio::test]
async fn unchanged_lines_stay_in_order_and_restored_lines_are_appended() {
    let fixture = JsonFixture::lines().await;
    fixture.put(
        "Book/root.jsonl",
        "{\"id\":4,\"title\":\"d\",\"pages\":0}\n{\"id\":2,\"title\":\"b\",\"pages\":0}\n",
    );
    let _ = fixture.backup().await.expect("a backup");
    let foreign_line = "{\"title\": \"mine\",  \"id\": 9, \"extra\": [1]}";
    fixture.put("Book/root.jsonl", format!("\u{feff}{foreign_line}\r\n\n{{\"id\":2,\"title\":\"changed\"}}"));
    let _ = fixture.koan.restore(NAME).await.expect("restored");
    assert_eq!(
        fixture.text("Book/root.jsonl"),
        format!(
            "{foreign_line}\n{{\"id\":2,\"title\":\"b\",\"pages\":0}}\n{{\"id\":4,\"title\":\"d\",\"pages\":0}}\n"
        )
    );
    // A restore without changes writes nothing.
    let before = fs::metadata(fixture.path("Book/root.jsonl")).expect("exists").modified().expect("a time");
    let _ = fixture.koan.restore(NAME).on_conflict(ConflictMode::Keep).await.expect("restored");
    let after = fs::metadata(fixture.path("Book/root.jsonl")).expect("exists").modified().expect("a time");
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_damaged_directory_is_refused_unless_existing_records_are_replaced() {
    for fixture in [JsonFixture::lines().await, JsonFixture::documents().await] {
        let files = ["Book/root.jsonl", "Book/1.json"];
        files.iter().for_each(|file| fixture.put(file, lines(1)));
        // Each layout ignores one of the two files, so the backup succeeds.
        let _ = fixture.backup().await.expect("a backup");
        for file in files {
            fixture.put(file, "{\"id\":1,\"ti");
        }
        let error = fixture.koan.restore(NAME).await.expect_err("the existing file is damaged").chain();
        assert!(error.contains("replace_existing") && error.contains("Book/"), "{error}");
        let _ = fixture.restore().await;
        let found: Vec<Book> = all(&fixture.koan).await;
        assert_eq!(found.len(), 1);
    }
}

/// Returns all books of the database.
async fn all(koan: &Koan) -> Vec<Book> {
    use futures::TryStreamExt;
    koan.data::<Book>().all_stream().try_collect().await.expect("read")
}

#[tokio::test]
async fn each_set_has_its_own_file_or_directory() {
    for (fixture, files) in [
        (JsonFixture::lines().await, ["people/%4Fld.jsonl", "people/root.jsonl"]),
        (JsonFixture::documents().await, ["people/#%4Fld/%41da,1815.json", "people/%41da,1815.json"]),
    ] {
        let ada = |note: &str| Person { name: "Ada".into(), born: 1815, note: Some(note.into()) };
        let people = fixture.koan.data::<Person>();
        people.upsert_many([ada("now")]).await.expect("written");
        let old = SetName::new("Old").expect("a set");
        fixture.koan.data::<Person>().set(old.clone()).upsert_many([ada("then")]).await.expect("written");
        assert_eq!(fixture.files().keys().collect::<Vec<_>>(), files);
        let key = ("Ada".to_owned(), 1815);
        let found = fixture.koan.data::<Person>().set(old).get(&key).await.expect("read");
        assert_eq!(found, Some(ada("then")));
        assert_eq!(fixture.koan.data::<Person>().get(&key).await.expect("read"), Some(ada("now")));
        let before = fixture.files();
        let report = fixture.backup().await.expect("a backup");
        assert_eq!((report.item_count(), report.warnings()), (2, &[][..]));
        fixture.koan.data::<Person>().clear().await.expect("cleared");
        let _ = fixture.restore().await;
        assert_eq!(fixture.files(), before);
    }
}

#[tokio::test]
async fn each_key_of_any_type_has_its_own_file() {
    let fixture = JsonFixture::documents().await;
    let names = [
        "a", "A", "", ".", "..", "../x", "a/b", "con", "é", "e\u{301}", "%", "a,b", "#x", "x\0\n", "~",
        "\u{202e}",
    ];
    let long = ["k".repeat(5_000), format!("{}x", "k".repeat(5_000))];
    let all = names.map(str::to_owned).into_iter().chain(long);
    let people: Vec<_> = all.map(|name| Person { name, born: -1, note: None }).collect();
    fixture.koan.data::<Person>().upsert_many(people.clone()).await.expect("written");
    let files = fixture.files();
    let lower: std::collections::BTreeSet<_> = files.keys().map(|name| name.to_lowercase()).collect();
    assert_eq!(lower.len(), people.len(), "{:?}", files.keys());
    assert_eq!(fixture.koan.data::<Person>().count().await.expect("counted"), people.len() as u64);
    for person in people {
        let found = fixture.koan.data::<Person>().get(&(person.name.clone(), -1)).await.expect("read");
        assert_eq!(found, Some(person));
    }
}

#[tokio::test]
async fn a_dry_run_creates_no_files_or_directories() {
    for fixture in [JsonFixture::lines().await, JsonFixture::documents().await] {
        let other = fixture.path("../other");
        fs::create_dir_all(&other).expect("created");
        let provider: Arc<dyn Provider> = Arc::new(JsonFiles::lines(&other).expect("a directory"));
        let options = koan_backup::provider::SessionOptions::default();
        drop(provider.assess(&[], &options).await.expect("assessed"));
        fixture.put("Book/root.jsonl", lines(2));
        fixture.put("Book/1.json", lines(1));
        let _ = fixture.backup().await.expect("a backup");
        fixture.remove("Book/root.jsonl");
        fixture.remove("Book/1.json");
        fs::remove_dir(fixture.path("Book")).expect("removed");
        let report = fixture.koan.restore(NAME).replace_existing().dry_run().await.expect("a dry run");
        assert!(report.record_count() > 0);
        assert_eq!(
            fs::read_dir(fixture.path("")).expect("listed").count(),
            0,
            "the dry run created a file or directory"
        );
        assert!(files_of(&other).is_empty());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn permissions_are_preserved() {
    use std::os::unix::fs::PermissionsExt;
    for (fixture, file) in
        [(JsonFixture::lines().await, "Book/root.jsonl"), (JsonFixture::documents().await, "Book/x.json")]
    {
        fixture.put(file, lines(1));
        fs::set_permissions(fixture.path(file), fs::Permissions::from_mode(0o640))
            .expect("the permissions are set");
        let _ = fixture.backup().await.expect("a backup");
        fixture.put(file, lines(1).replace("title\",", "other\","));
        let _ = fixture.restore().await;
        assert_eq!(fixture.text(file), lines(1));
        let mode = fs::metadata(fixture.path(file)).expect("exists").permissions().mode();
        assert_eq!(mode & 0o777, 0o640, "{file}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_restore_does_not_follow_symbolic_links() {
    use std::os::unix::fs::symlink;
    let fixture = JsonFixture::lines().await;
    fixture.put("Book/root.jsonl", lines(1));
    fixture.put("../outside/root.jsonl", lines(2));
    let _ = fixture.backup().await.expect("a backup");
    let refused = async || {
        let error = fixture
            .koan
            .restore(NAME)
            .replace_existing()
            .await
            .expect_err("the path is a symbolic link")
            .chain();
        assert!(error.contains("is a symbolic link"), "{error}");
        assert_eq!(fixture.text("../outside/root.jsonl"), lines(2));
    };
    fixture.remove("Book/root.jsonl");
    symlink("../../outside/root.jsonl", fixture.path("Book/root.jsonl")).expect("linked");
    refused().await;
    fixture.remove("Book/root.jsonl");
    fs::remove_dir(fixture.path("Book")).expect("removed");
    symlink("../outside", fixture.path("Book")).expect("linked");
    refused().await;
    // The provider refuses the symbolic link even if viability is not assessed before.
    let provider = JsonFiles::lines(fixture.path("")).expect("opened");
    let mut session =
        provider.begin_restore(&koan_backup::provider::SessionOptions::default()).await.expect("begun");
    let target = koan_backup::provider::RestoreTarget::new(codec(), SetName::root());
    assert!(
        session
            .begin(target)
            .await
            .expect_err("the path is a symbolic link")
            .chain()
            .contains("is a symbolic link")
    );
    fs::remove_file(fixture.path("Book")).expect("removed");
    session.rollback().await.expect("rolled back");
    fs::remove_dir_all(fixture.path(".koan")).expect("removed");
    symlink("../outside", fixture.path(".koan")).expect("linked");
    assert!(provider.begin_restore(&koan_backup::provider::SessionOptions::default()).await.is_err());
}

#[tokio::test]
async fn a_restore_fails_if_another_program_changes_a_file_during_the_restore() {
    for (layout, file) in [("lines", "Book/root.jsonl"), ("documents", "Book/x.json")] {
        let fixture =
            if layout == "lines" { JsonFixture::lines().await } else { JsonFixture::documents().await };
        fixture.put(file, lines(1));
        let _ = fixture.backup().await.expect("a backup");
        let path = fixture.path(file);
        let restore = fixture.koan.restore(NAME).replace_existing().on_event(move |event| {
            if matches!(event, koan_backup::Event::EntityCompleted { .. }) {
                fs::write(&path, lines(1).replace("title\",", "mine\",")).expect("written");
            }
        });
        let error = restore.await.expect_err("another program changed the file").chain();
        assert!(error.contains("changed by another program"), "{error}");
        assert!(fixture.text(file).contains("mine"), "{}", fixture.text(file));
        let _ = fixture.restore().await;
        assert_eq!(fixture.text(file), lines(1));
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("file");
    fs::write(&file, "x").expect("written");
    for error in [JsonFiles::lines(&file).err(), JsonFiles::documents(file.join("below")).err()] {
        let error = error.expect("the path is not a directory").to_string();
        assert!(error.contains("file") && error.contains("the path of a directory"), "{error}");
    }
    let made = folder.path().join("a/b");
    let koan = context(JsonFiles::lines(&made).expect("created"), folder.path()).await;
    assert!(all(&koan).await.is_empty() && made.is_dir());
}

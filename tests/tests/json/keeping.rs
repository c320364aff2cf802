//! What a restore leaves as it was, and what a read notices.

use std::fs;
use std::sync::Arc;

use koan_backup::prelude::*;
use koan_backup::{
    Result, SetName,
    entity::EntityCodec,
    provider::{Chunk, Consistency, Provider, ReadRequest, RecordSink, Snapshot},
};

use super::fixture::{Book, NAME, Person, Shelf, context, files_of};

/// What another program does, and what that is called.
type Change = (&'static str, fn(&Shelf));

fn codec() -> EntityCodec {
    EntityCodec::new(Book::descriptor())
}

async fn read(snapshot: &dyn Snapshot) -> Result<usize> {
    let (sink, mut chunks) = RecordSink::channel(codec(), 100);
    let reading = snapshot.read(ReadRequest::all(codec(), SetName::root()), sink);
    let taking = async {
        let mut records = 0;
        while let Some(chunk) = chunks.recv().await {
            records += Chunk::records(&chunk).count();
        }
        records
    };
    let (ended, records) = tokio::join!(reading, taking);
    ended.map(|_| records)
}

fn lines(count: i64) -> String {
    (1..=count).map(|id| format!("{{\"id\":{id},\"title\":\"title\",\"pages\":0}}\n")).collect()
}

#[tokio::test]
async fn a_file_changed_in_place_while_it_is_read_fails_the_read_and_one_that_is_replaced_does_not() {
    let shelf = Shelf::lines().await;
    let provider = JsonFiles::lines(shelf.path("")).expect("opened");
    let changes: [Change; 4] = [
        ("appended to", |shelf| shelf.put("Book/root.jsonl", lines(3))),
        ("shortened", |shelf| shelf.put("Book/root.jsonl", lines(1))),
        ("overwritten with as many bytes", |shelf| {
            shelf.put("Book/root.jsonl", lines(2).replace("title\"}", "other\"}"));
        }),
        ("emptied", |shelf| shelf.put("Book/root.jsonl", "")),
    ];
    for (what, change) in changes {
        shelf.put("Book/root.jsonl", lines(2));
        let snapshot = provider.snapshot().await.expect("a snapshot");
        assert_eq!(snapshot.consistency(), Consistency::Snapshot);
        assert_eq!(read(snapshot.as_ref()).await.expect("read"), 2);
        change(&shelf);
        let error = read(snapshot.as_ref()).await.expect_err(what).chain();
        assert!(error.contains("Book/root.jsonl`") && error.contains("rename"), "{what}: {error}");
        assert!(snapshot.count(&codec(), &SetName::root()).await.is_err(), "{what}: counted");
    }
    shelf.put("Book/root.jsonl", lines(2));
    let snapshot = provider.snapshot().await.expect("a snapshot");
    shelf.put("Book/.new", lines(3));
    fs::rename(shelf.path("Book/.new"), shelf.path("Book/root.jsonl")).expect("renamed");
    assert_eq!(read(snapshot.as_ref()).await.expect("read"), 2, "as it was");
    shelf.remove("Book/root.jsonl");
    assert_eq!(read(snapshot.as_ref()).await.expect("read"), 2, "as it was");
}

#[tokio::test]
async fn documents_that_come_go_or_change_while_they_are_read_fail_the_read() {
    let shelf = Shelf::documents().await;
    let provider = JsonFiles::documents(shelf.path("")).expect("opened");
    let changes: [Change; 3] = [
        ("came", |shelf| shelf.put("Book/9999.json", "{\"id\":9999,\"title\":\"a\"}")),
        ("went", |shelf| shelf.remove("Book/0001.json")),
        ("changed", |shelf| shelf.put("Book/0001.json", "{\"id\":1,\"title\":\"b\"}")),
    ];
    for (what, change) in changes {
        // Two documents fill a chunk, and the sink holds few chunks: most are not read before somebody takes some.
        let title = "a".repeat(600 << 10);
        for id in 0..16 {
            shelf.put(&format!("Book/{id:04}.json"), format!("{{\"id\":{id},\"title\":\"{title}\"}}"));
        }
        let snapshot = provider.snapshot().await.expect("a snapshot");
        assert_eq!(snapshot.consistency(), Consistency::None);
        let (sink, mut chunks) = RecordSink::channel(codec(), 1);
        let read = snapshot.read(ReadRequest::all(codec(), SetName::root()), sink);
        let changing = async {
            // The directory was listed, and the document that changes was read.
            chunks.recv().await.expect("documents");
            change(&shelf);
            while chunks.recv().await.is_some() {}
        };
        let (ended, ()) = tokio::join!(read, changing);
        let error =
            ended.err().map(|error| error.chain()).unwrap_or_else(|| panic!("{what}: read with success"));
        assert!(error.contains("was changed while it was read"), "{what}: {error}");
        let _ = fs::remove_file(shelf.path("Book/9999.json"));
    }
}

#[tokio::test]
async fn old_lines_keep_their_order_and_their_bytes_and_new_ones_follow() {
    let shelf = Shelf::lines().await;
    shelf.put(
        "Book/root.jsonl",
        "{\"id\":4,\"title\":\"d\",\"pages\":0}\n{\"id\":2,\"title\":\"b\",\"pages\":0}\n",
    );
    shelf.backup().await.expect("a backup");
    let kept = "{\"title\": \"mine\",  \"id\": 9, \"extra\": [1]}";
    shelf.put("Book/root.jsonl", format!("\u{feff}{kept}\r\n\n{{\"id\":2,\"title\":\"changed\"}}"));
    shelf.koan.restore(NAME).await.expect("restored");
    assert_eq!(
        shelf.text("Book/root.jsonl"),
        format!(
            "{kept}\n{{\"id\":2,\"title\":\"b\",\"pages\":0}}\n{{\"id\":4,\"title\":\"d\",\"pages\":0}}\n"
        )
    );
    // A restore that changes nothing writes nothing.
    let before = fs::metadata(shelf.path("Book/root.jsonl")).expect("there").modified().expect("a time");
    shelf.koan.restore(NAME).on_conflict(ConflictMode::Keep).await.expect("restored");
    let after = fs::metadata(shelf.path("Book/root.jsonl")).expect("there").modified().expect("a time");
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_damaged_directory_is_refused_unless_it_is_replaced() {
    for shelf in [Shelf::lines().await, Shelf::documents().await] {
        let file = ["Book/root.jsonl", "Book/1.json"];
        file.iter().for_each(|file| shelf.put(file, lines(1)));
        // One of both files is no data in either layout.
        shelf.backup().await.expect("a backup");
        for file in file {
            shelf.put(file, "{\"id\":1,\"ti");
        }
        let error = shelf.koan.restore(NAME).await.expect_err("what is there cannot be kept").chain();
        assert!(error.contains("replace_existing") && error.contains("Book/"), "{error}");
        shelf.restored().await;
        let found: Vec<Book> = all(&shelf.koan).await;
        assert_eq!(found.len(), 1);
    }
}

async fn all(koan: &Koan) -> Vec<Book> {
    use futures::TryStreamExt;
    koan.data::<Book>().all_stream().try_collect().await.expect("read")
}

#[tokio::test]
async fn sets_are_files_or_directories_of_their_own() {
    for (shelf, files) in [
        (Shelf::lines().await, ["people/%4Fld.jsonl", "people/root.jsonl"]),
        (Shelf::documents().await, ["people/#%4Fld/%41da,1815.json", "people/%41da,1815.json"]),
    ] {
        let ada = |note: &str| Person { name: "Ada".into(), born: 1815, note: Some(note.into()) };
        let people = shelf.koan.data::<Person>();
        people.upsert_many([ada("now")]).await.expect("written");
        let old = SetName::new("Old").expect("a set");
        shelf.koan.data::<Person>().set(old.clone()).upsert_many([ada("then")]).await.expect("written");
        assert_eq!(shelf.files().keys().collect::<Vec<_>>(), files);
        let key = ("Ada".to_owned(), 1815);
        let found = shelf.koan.data::<Person>().set(old).get(&key).await.expect("read");
        assert_eq!(found, Some(ada("then")));
        assert_eq!(shelf.koan.data::<Person>().get(&key).await.expect("read"), Some(ada("now")));
        let before = shelf.files();
        let report = shelf.backup().await.expect("a backup");
        assert_eq!((report.item_count(), report.warnings()), (2, &[][..]));
        shelf.koan.data::<Person>().clear().await.expect("cleared");
        shelf.restored().await;
        assert_eq!(shelf.files(), before);
    }
}

#[tokio::test]
async fn keys_of_every_sort_are_files_of_their_own() {
    let shelf = Shelf::documents().await;
    let names = [
        "a", "A", "", ".", "..", "../x", "a/b", "con", "é", "e\u{301}", "%", "a,b", "#x", "x\0\n", "~",
        "\u{202e}",
    ];
    let long = ["k".repeat(5_000), format!("{}x", "k".repeat(5_000))];
    let all = names.map(str::to_owned).into_iter().chain(long);
    let people: Vec<_> = all.map(|name| Person { name, born: -1, note: None }).collect();
    shelf.koan.data::<Person>().upsert_many(people.clone()).await.expect("written");
    let files = shelf.files();
    let lower: std::collections::BTreeSet<_> = files.keys().map(|name| name.to_lowercase()).collect();
    assert_eq!(lower.len(), people.len(), "{:?}", files.keys());
    assert_eq!(shelf.koan.data::<Person>().count().await.expect("counted"), people.len() as u64);
    for person in people {
        let found = shelf.koan.data::<Person>().get(&(person.name.clone(), -1)).await.expect("read");
        assert_eq!(found, Some(person));
    }
}

#[tokio::test]
async fn a_dry_run_writes_nothing_not_even_directories() {
    for shelf in [Shelf::lines().await, Shelf::documents().await] {
        let other = shelf.path("../other");
        fs::create_dir_all(&other).expect("made");
        let provider: Arc<dyn Provider> = Arc::new(JsonFiles::lines(&other).expect("a directory"));
        let options = koan_backup::provider::SessionOptions::default();
        drop(provider.assess(&[], &options).await.expect("assessed"));
        shelf.put("Book/root.jsonl", lines(2));
        shelf.put("Book/1.json", lines(1));
        shelf.backup().await.expect("a backup");
        shelf.remove("Book/root.jsonl");
        shelf.remove("Book/1.json");
        fs::remove_dir(shelf.path("Book")).expect("removed");
        let report = shelf.koan.restore(NAME).replace_existing().dry_run().await.expect("a dry run");
        assert!(report.record_count() > 0);
        assert_eq!(fs::read_dir(shelf.path("")).expect("listed").count(), 0, "nothing, and nothing hidden");
        assert!(files_of(&other).is_empty());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn permissions_are_kept() {
    use std::os::unix::fs::PermissionsExt;
    for (shelf, file) in
        [(Shelf::lines().await, "Book/root.jsonl"), (Shelf::documents().await, "Book/x.json")]
    {
        shelf.put(file, lines(1));
        fs::set_permissions(shelf.path(file), fs::Permissions::from_mode(0o640)).expect("set");
        shelf.backup().await.expect("a backup");
        shelf.put(file, lines(1).replace("title\",", "other\","));
        shelf.restored().await;
        assert_eq!(shelf.text(file), lines(1));
        let mode = fs::metadata(shelf.path(file)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o640, "{file}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_restore_does_not_follow_links() {
    use std::os::unix::fs::symlink;
    let shelf = Shelf::lines().await;
    shelf.put("Book/root.jsonl", lines(1));
    shelf.put("../outside/root.jsonl", lines(2));
    shelf.backup().await.expect("a backup");
    let refused = async || {
        let error = shelf.koan.restore(NAME).replace_existing().await.expect_err("a link").chain();
        assert!(error.contains("is a symbolic link"), "{error}");
        assert_eq!(shelf.text("../outside/root.jsonl"), lines(2));
    };
    shelf.remove("Book/root.jsonl");
    symlink("../../outside/root.jsonl", shelf.path("Book/root.jsonl")).expect("linked");
    refused().await;
    shelf.remove("Book/root.jsonl");
    fs::remove_dir(shelf.path("Book")).expect("removed");
    symlink("../outside", shelf.path("Book")).expect("linked");
    refused().await;
    // Without the check of what would go wrong, too.
    let provider = JsonFiles::lines(shelf.path("")).expect("opened");
    let mut session =
        provider.begin_restore(&koan_backup::provider::SessionOptions::default()).await.expect("begun");
    let target = koan_backup::provider::RestoreTarget::new(codec(), SetName::root());
    assert!(session.begin(target).await.expect_err("a link").chain().contains("is a symbolic link"));
    fs::remove_file(shelf.path("Book")).expect("removed");
    session.rollback().await.expect("rolled back");
    fs::remove_dir_all(shelf.path(".koan")).expect("removed");
    symlink("../outside", shelf.path(".koan")).expect("linked");
    assert!(provider.begin_restore(&koan_backup::provider::SessionOptions::default()).await.is_err());
}

#[tokio::test]
async fn what_another_program_changes_during_a_restore_is_not_lost() {
    for (layout, file) in [("lines", "Book/root.jsonl"), ("documents", "Book/x.json")] {
        let shelf = if layout == "lines" { Shelf::lines().await } else { Shelf::documents().await };
        shelf.put(file, lines(1));
        shelf.backup().await.expect("a backup");
        let path = shelf.path(file);
        let restore = shelf.koan.restore(NAME).replace_existing().on_event(move |event| {
            if matches!(event, koan_backup::Event::EntityCompleted { .. }) {
                fs::write(&path, lines(1).replace("title\",", "mine\",")).expect("written");
            }
        });
        let error = restore.await.expect_err("it was changed meanwhile").chain();
        assert!(error.contains("changed by another program"), "{error}");
        assert!(shelf.text(file).contains("mine"), "{}", shelf.text(file));
        shelf.restored().await;
        assert_eq!(shelf.text(file), lines(1));
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("file");
    fs::write(&file, "x").expect("written");
    for error in [JsonFiles::lines(&file).err(), JsonFiles::documents(file.join("below")).err()] {
        let error = error.expect("no directory").to_string();
        assert!(error.contains("file") && error.contains("name a directory"), "{error}");
    }
    let made = folder.path().join("a/b");
    let koan = context(JsonFiles::lines(&made).expect("made"), folder.path()).await;
    assert!(all(&koan).await.is_empty() && made.is_dir());
}

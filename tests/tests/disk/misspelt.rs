//! Tests that a misspelt directory is refused and not created: of a storage profile, and of a database of
//! JSON files.

use std::path::Path;

use koan_backup::JsonFiles;
use koan_backup::prelude::*;

/// Returns a builder of a context with its data and its backups in these directories.
fn builder(folder: &Path, data: JsonFiles, backups: Storage) -> koan_backup::KoanBuilder {
    Koan::builder().state_directory(folder.join("state")).provider(data).storage(backups)
}

fn lines(path: &Path) -> JsonFiles {
    JsonFiles::lines(path).expect("a directory")
}

fn local(path: &Path) -> Storage {
    Storage::local(path).expect("a directory")
}

/// Creates a database with one record and a profile with one backup.
async fn existing(folder: &Path) {
    std::fs::create_dir_all(folder.join("data/Customer")).expect("created");
    std::fs::write(folder.join("data/Customer/root.jsonl"), "{\"id\":1,\"name\":\"Ada\"}\n")
        .expect("written");
    let koan = builder(folder, lines(&folder.join("data")), local(&folder.join("backups"))).build().await;
    let backup = koan.expect("a context").backup("nightly").await.expect("a backup");
    assert_eq!(backup.item_count(), 1);
}

/// Returns the names in a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries =
        std::fs::read_dir(directory).expect("listed").map(|entry| entry.expect("listed").file_name());
    let mut names: Vec<_> = entries.map(|name| name.into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_misspelt_storage_directory_is_refused_with_the_existing_profile() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    existing(folder.path()).await;
    let before = names(folder.path());
    let data = || lines(&path("data"));
    for misspelt in ["bakcups", "backup", "Backups-"] {
        let error = builder(folder.path(), data(), local(&path(misspelt))).build().await.expect_err(misspelt);
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error:?}");
        let text = error.chain();
        let suggestion =
            format!("did you mean the existing storage profile `{}`?", path("backups").display());
        assert!(text.contains(misspelt) && text.contains(&suggestion), "{text}");
        assert!(text.contains(".create_if_missing()") && text.contains("`local`"), "{text}");
        assert_eq!(names(folder.path()), before, "nothing was created for `{misspelt}`");
    }
    // A new profile is created if it is requested, if its name is not similar, if it is declared beside the
    // existing one, or if it exists already.
    for (name, storage) in [
        ("backups2", local(&path("backups2"))),
        ("archive", local(&path("archive"))),
        ("bakcups", local(&path("bakcups")).create_if_missing()),
        ("bakcups", local(&path("bakcups"))),
    ] {
        builder(folder.path(), data(), storage).build().await.expect(name);
        assert!(path(name).is_dir());
    }
    let both = builder(folder.path(), data(), local(&path("archive")))
        .named_storage("second", local(&path("archives")));
    both.build().await.expect("both profiles are declared");
}

#[tokio::test]
async fn a_misspelt_data_directory_is_refused_with_the_existing_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    existing(folder.path()).await;
    let before = names(folder.path());
    let storage = || local(&path("backups"));
    for misspelt in ["dtaa", "date", "Data"] {
        let documents = JsonFiles::documents(path(misspelt)).expect("a directory");
        for provider in [lines(&path(misspelt)), documents] {
            let error = builder(folder.path(), provider, storage()).build().await.expect_err(misspelt);
            assert_eq!(error.kind(), ErrorKind::Configuration, "{error:?}");
            let text = error.chain();
            let suggestion = format!("did you mean the existing directory `{}`?", path("data").display());
            assert!(text.contains(misspelt) && text.contains(&suggestion), "{text}");
            assert!(text.contains(".create_if_missing()") && text.contains("`main`"), "{text}");
            assert_eq!(names(folder.path()), before, "nothing was created for `{misspelt}`");
        }
    }
    std::fs::create_dir(path("empty")).expect("created");
    for (name, provider) in [
        ("dtaa", lines(&path("dtaa")).create_if_missing()),
        ("other", lines(&path("other"))),
        ("emtpy", lines(&path("emtpy"))),
    ] {
        builder(folder.path(), provider, storage()).build().await.expect(name);
        assert!(path(name).is_dir());
    }
}

#[tokio::test]
async fn a_start_that_fails_because_of_its_declarations_creates_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let without_entities =
        builder(folder.path(), lines(&path("data")), local(&path("backups"))).only_registered().build().await;
    assert_eq!(without_entities.expect_err("no entity is known").kind(), ErrorKind::Inventory);
    assert!(names(folder.path()).is_empty(), "{:?}", names(folder.path()));
}

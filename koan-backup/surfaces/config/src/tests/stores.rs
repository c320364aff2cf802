//! Storage profiles.

use koan_backup::ErrorKind;

use super::fixture::{Folder, koan};

#[tokio::test]
async fn a_profile_with_a_similar_path_needs_create_if_missing() {
    let folder = Folder::new();
    folder.database("shop.db");
    let provider = "[providers]\nmain = \"sqlite:{folder}/shop.db\"\n";
    koan(&folder, &format!("{provider}[storage]\nlocal = \"{{folder}}/backups\"\n"))
        .await
        .expect("the profile is new");
    let similar = format!("{provider}[storage.local]\nurl = \"{{folder}}/bakcups\"\n");
    let error = koan(&folder, &similar).await.expect_err("the path is probably misspelt");
    assert!(error.chain().contains("backups"), "{}", error.chain());
    koan(&folder, &format!("{similar}create_if_missing = true\n")).await.expect("the profile is created");
}

#[tokio::test]
async fn the_default_directory_is_below_the_state_directory() {
    let folder = Folder::new();
    folder.database("shop.db");
    let provider = "[providers]\nmain = \"sqlite:{folder}/shop.db\"\n";
    for (paths, expected) in [
        ("root = \"{folder}/state\"", "state/backups"),
        ("root = \"{folder}/state\"\nbackups = \"{folder}/archives\"", "archives"),
    ] {
        let configuration = folder.load(&format!("{provider}[paths]\n{paths}\n"));
        let koan = configuration
            .apply(super::fixture::builder())
            .expect("the configuration is applied")
            .build()
            .await;
        let _ = koan.expect("the context is built").backup("a").await.expect("the backup succeeds");
        assert!(folder.path(expected).join("koan-profile.json").exists(), "the profile is in `{expected}`");
        assert!(folder.path("state").exists());
        let storages = configuration.storages().expect("the storage is opened");
        assert_eq!(storages[0].0, "local");
        assert_eq!(storages[0].1.location(), folder.path(expected).display().to_string());
    }
}

#[test]
fn storages_are_opened_without_an_application_and_the_default_is_first() {
    let folder = Folder::new();
    let text = "default_storage = \"near\"\n[storage]\ndr = \"file://{folder}/dr\"\nnear = \"{folder}/near\"\nram = \"memory:\"\n";
    let storages = folder.load(text).storages().expect("the storages are opened");
    let names: Vec<_> = storages.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["near", "dr", "ram"]);
    let encryption = "[paths]\nroot = \"state\"\n[encryption]\nkeys = [{ env = \"A\" }, { file = \"b\" }]\n\
                      recipients = [\"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\"]\n";
    let configuration = folder.load(encryption);
    assert_eq!(configuration.keys().expect("the keys are not read").len(), 2);
    let recipients = configuration.recipients().expect("the key is valid").expect("there is a key");
    assert_eq!(recipients.public_keys().len(), 1);
    assert_eq!(configuration.state_directory(), Some(std::path::Path::new("state")));
    let missing = folder.load("default_storage = \"naer\"\n[storage]\nnear = \"{folder}/near\"\n").storages();
    let error = missing.expect_err("there is no such profile").to_string();
    assert!(error.contains("`naer` does not exist; did you mean `near`?"), "{error}");
}

#[tokio::test]
async fn the_options_of_a_bucket_reach_the_store() {
    let folder = Folder::new();
    folder.database("shop.db");
    folder.write("secret", "hunter2-is-long-enough");
    // Nothing listens on this port.
    let text = "[providers]\nmain = \"sqlite:{folder}/shop.db\"\n\
                [storage.s]\nurl = \"s3://bucket/shop\"\nendpoint = \"http://127.0.0.1:9\"\nregion = \"eu-central-1\"\n\
                access_key_id = \"AKIA\"\nsecret_access_key = { file = \"{folder}/secret\" }\nretries = 0\n\
                retry_within = \"1s\"\n";
    let result = match koan(&folder, text).await {
        Ok(koan) => koan.backup("a").await.map(|_| ()),
        Err(error) => Err(error),
    };
    let error = result.expect_err("the endpoint cannot be reached");
    assert_eq!(error.kind(), ErrorKind::Storage, "{}", error.chain());
    assert!(error.chain().contains("127.0.0.1:9"), "{}", error.chain());
    assert!(!error.chain().contains("hunter2"), "{}", error.chain());
    let unknown = folder.problems("[storage.s]\nurl = \"s3://bucket\"\noptions = { regoin = \"x\" }\n");
    assert!(unknown[0].contains("option `regoin` is unknown"), "{unknown:?}");
}

#[test]
fn azure_and_google_have_their_own_options() {
    let folder = Folder::new();
    folder.write("secret", "aHVudGVyMg==");
    let azure = "[storage.s]\nurl = \"az://container/shop\"\naccess_key_id = \"account\"\n\
                 secret_access_key = { file = \"{folder}/secret\" }\n";
    let configuration = folder.load(azure);
    let storages = configuration.storages().expect("the container is opened with its account and key");
    assert_eq!(storages[0].1.location(), "az://container/shop");
    let problems = folder.problems(&format!("{azure}region = \"x\"\n"));
    assert_eq!(
        problems,
        ["koan.toml:5:10: `storage.s.region` has no effect on a container of Azure; remove it"]
    );
    let google = folder.problems("[storage.s]\nurl = \"gs://bucket\"\naccess_key_id = \"x\"\n");
    assert!(
        google.contains(
            &"koan.toml:3:17: `storage.s.access_key_id` has no effect on a bucket of Google Cloud Storage; remove it".to_owned()
        ),
        "{google:?}"
    );
}

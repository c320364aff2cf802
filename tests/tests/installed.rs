//! The static functions use the installed context.

use std::sync::Arc;

use koan_backup::prelude::*;
use koan_backup::report::{ContextCapabilities, ProfileCapabilities};
use koan_backup::storage::ProfileKind;
use koan_backup_tests::hand_clock::HandClock;
use koan_backup_tests::state_directory::state_directory;
use object_store::memory::InMemory;
use serde::{Deserialize, Serialize};

koan_backup::entity_backup_scope!(mode = All);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity(alias = "Customer")]
struct User {
    id: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup(encrypt = true, include_schema = false)]
#[entity(provider = "billing")]
struct Invoice {
    id: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup(enabled = false, reason = "computed from the invoices")]
struct Summary {
    id: i64,
}

const PUBLIC_KEY: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

fn builder(near: &Storage, far: &Storage) -> koan_backup::KoanBuilder {
    Koan::builder()
        .provider(Memory::new())
        .named_provider("billing", Memory::new())
        .storage(near.clone())
        .named_storage("far", far.clone())
        .encrypt_to(Recipients::key(PUBLIC_KEY).expect("a key"))
        .state_directory(state_directory())
        .application("shop")
}

/// The tests of this file run in one function, because a process has one installed context.
#[tokio::test]
async fn the_static_functions_use_the_installed_context() {
    without_a_context_each_function_fails().await;
    let (near, far) = (Storage::memory(), Storage::memory());
    let clock = HandClock::at("2026-11-01T03:00:00Z");
    let koan = builder(&near, &far).clock(clock.clone()).build().await.expect("a context");
    koan.install();
    the_backups_of_an_entity_are_listed_with_their_profiles(&koan, &near, &far, &clock).await;
    a_backup_of_selected_entities_refuses_to_select_nothing().await;
    the_catalog_and_verifications_are_those_of_the_context(&koan).await;
}

async fn without_a_context_each_function_fails() {
    let errors = [
        User::backup_to("x").await.err(),
        User::restore_from("x").await.err(),
        User::backups().await.err(),
        Backup::all("x").await.err(),
        Backup::selected("x").entity::<User>().await.err(),
        Backup::by_provider("x", "main").await.err(),
        Backup::verify("x").await.err(),
        Backup::capabilities().err(),
        Backup::catalog().all().await.err(),
        Backup::catalog().latest().await.err(),
        Backup::catalog().query().name("x").await.err(),
        Backup::catalog().recover().await.err(),
        Restore::all("x").await.err(),
        Restore::all("x").viability().await.err(),
    ];
    for (index, error) in errors.into_iter().enumerate() {
        let error = error.unwrap_or_else(|| panic!("attempt {index} fails"));
        assert_eq!(error.kind(), ErrorKind::Configuration, "attempt {index}");
        assert!(error.to_string().contains("koan.install()"), "attempt {index}: {error}");
    }
}

async fn the_backups_of_an_entity_are_listed_with_their_profiles(
    koan: &Koan,
    near: &Storage,
    far: &Storage,
    clock: &HandClock,
) {
    let first = User::backup_to("daily-users").await.expect("a backup").id();
    clock.pass(1);
    let copied = koan.copy(first).to_profile("far").await.expect("copied");
    assert!(!copied.already_existed);
    let second = Backup::all("system").to_profile("far").await.expect("a backup").id();
    clock.pass(1);
    let invoices = Invoice::backup_to("invoices").await.expect("a backup").id();
    // Another application stores an entity of the same name in the same place.
    let other =
        builder(near, far).application("other").clock(clock.clone()).build().await.expect("a context");
    let of_other = other.backup("daily-users").await.expect("a backup").id();

    let listed = User::backups().await.expect("listed");
    let mut found: Vec<_> = listed.iter().map(|backup| (backup.id(), backup.profile().to_owned())).collect();
    assert_eq!(found.remove(0), (second, "far".to_owned()), "the newest backup is first");
    found.sort_by(|one, other| one.1.cmp(&other.1));
    assert_eq!(found, [(first, "far".to_owned()), (first, "local".to_owned())]);
    let invoice_backups = Invoice::backups().await.expect("listed");
    let found: Vec<_> = invoice_backups.iter().map(|backup| backup.id()).collect();
    assert_eq!(found, [invoices, second]);
    assert!(Summary::backups().await.expect("listed").is_empty());
    assert!(koan.catalog().all().await.expect("listed").iter().any(|backup| backup.id() == of_other));
}

async fn a_backup_of_selected_entities_refuses_to_select_nothing() {
    let nothing: [&str; 0] = [];
    for unselected in [
        Backup::selected("x"),
        Backup::selected("x").entities(nothing),
        Backup::selected("x").exclude("User"),
        Backup::selected("x").exclude_providers("billing").tag("nothing"),
        Backup::by_provider("x", nothing),
    ] {
        let error = unselected.await.expect_err("nothing is selected");
        assert_eq!(error.kind(), ErrorKind::Configuration);
        let text = error.to_string();
        assert!(text.contains(".entity::<T>()") && text.contains("Backup::all(\"x\")"), "{text}");
    }
    for selected in [
        Backup::selected("x").entity::<User>(),
        Backup::selected("x").entities("User"),
        Backup::selected("x").entities(["User"]).exclude("Invoice"),
        Backup::selected("x").providers("main"),
        Backup::selected("x").filter(|entity| entity.name() == "User"),
        Backup::by_provider("x", "main"),
        Backup::by_provider("x", ["main"]),
        Backup::all("x").exclude("Invoice"),
        Backup::all("x").exclude(vec!["Invoice".to_owned()]),
    ] {
        let backup = selected.tag("selected").tags(["a", "b"]).tags("c").await.expect("a backup");
        let entities: Vec<_> =
            backup.manifest().entities.iter().map(|entity| entity.entity.as_str()).collect();
        assert_eq!(entities, ["User"]);
        assert_eq!(backup.manifest().tags, ["selected", "a", "b", "c"]);
    }
}

async fn the_catalog_and_verifications_are_those_of_the_context(koan: &Koan) {
    let all: Vec<_> = koan.catalog().all().await.expect("listed").iter().map(|backup| backup.id()).collect();
    let listed = Backup::catalog().all().await.expect("listed");
    assert_eq!(listed.iter().map(|backup| backup.id()).collect::<Vec<_>>(), all);
    let tagged = Backup::catalog().query().any_tag("selected").containing("User").profiles("local");
    assert_eq!(tagged.await.expect("listed").total, 9);
    let verified = Backup::verify("x").entities("User").await.expect("verified");
    let _ = verified.require_valid().expect("valid");
    assert_eq!(Backup::capabilities().expect("a context is installed"), koan.capabilities());
}

#[tokio::test]
async fn the_capabilities_describe_entities_providers_and_profiles_without_secrets() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = folder.path().join("backups");
    let external =
        Storage::object_store(Arc::new(InMemory::new()), "https://key:secret@host/backups?sig=secret");
    let koan = builder(&Storage::local(&directory).expect("a directory"), &Storage::memory())
        .environment("test")
        .named_storage("sealed", external.archive_encryption(ArchiveEncryption::Always))
        .named_storage(
            "s3",
            Storage::options("s3://backups/shop")
                .credentials("key", "secret")
                .region("eu-central-1")
                .open()
                .expect("s3"),
        )
        .build()
        .await
        .expect("a context");
    let capabilities = koan.capabilities();
    let kinds: Vec<_> = capabilities.profiles.iter().map(|profile| profile.kind).collect();
    assert_eq!(
        kinds,
        [ProfileKind::Directory, ProfileKind::Memory, ProfileKind::ObjectStore, ProfileKind::S3]
    );
    let locations: Vec<_> = capabilities.profiles.iter().map(|profile| profile.location.clone()).collect();
    let directory = directory.display().to_string();
    assert_eq!(locations, [directory.as_str(), "memory", "https://host/backups", "s3://backups/shop"]);
    let is_sealed = |profile: &ProfileCapabilities| profile.encryption == ArchiveEncryption::Always;
    assert_eq!(capabilities.profiles.iter().map(is_sealed).collect::<Vec<_>>(), [false, false, true, false]);
    let json = serde_json::to_value(&capabilities).expect("serialized");
    assert!(!json.to_string().contains("secret"), "{json}");
    let deserialized: ContextCapabilities = serde_json::from_value(json.clone()).expect("deserialized");
    assert_eq!(deserialized, capabilities);
    let mut without_directory = json;
    without_directory["profiles"][0]["location"] = "…/backups".into();
    let text = serde_json::to_string_pretty(&without_directory).expect("serialized");
    insta::assert_snapshot!(text, @r#"
    {
      "application": "shop",
      "availableSources": [
        "data"
      ],
      "entities": {
        "Invoice": {
          "availableSources": [
            "data"
          ],
          "encrypt": true,
          "fullTypeName": "installed::Invoice",
          "includeSchema": false,
          "provider": "billing"
        },
        "User": {
          "availableSources": [
            "data"
          ],
          "encrypt": false,
          "fullTypeName": "installed::User",
          "includeSchema": true,
          "provider": "main"
        }
      },
      "environment": "test",
      "eventStreams": {},
      "profiles": [
        {
          "defaultCompression": {
            "level": 2,
            "method": "deflate"
          },
          "encryption": "byEntity",
          "kind": "directory",
          "location": "…/backups",
          "name": "local"
        },
        {
          "defaultCompression": {
            "level": 2,
            "method": "deflate"
          },
          "encryption": "byEntity",
          "kind": "memory",
          "location": "memory",
          "name": "far"
        },
        {
          "defaultCompression": {
            "level": 2,
            "method": "deflate"
          },
          "encryption": "always",
          "kind": "objectStore",
          "location": "https://host/backups",
          "name": "sealed"
        },
        {
          "defaultCompression": {
            "level": 2,
            "method": "deflate"
          },
          "encryption": "byEntity",
          "kind": "s3",
          "location": "s3://backups/shop",
          "name": "s3"
        }
      ],
      "providers": [
        {
          "capabilities": {
            "atomicRestore": true,
            "bulkDelete": true,
            "bulkUpsert": true,
            "orderedReads": true,
            "restoreOptimisation": false,
            "sets": true,
            "snapshotReads": true
          },
          "kind": "memory",
          "name": "main"
        },
        {
          "capabilities": {
            "atomicRestore": true,
            "bulkDelete": true,
            "bulkUpsert": true,
            "orderedReads": true,
            "restoreOptimisation": false,
            "sets": true,
            "snapshotReads": true
          },
          "kind": "memory",
          "name": "billing"
        }
      ],
      "warnings": []
    }
    "#);
}

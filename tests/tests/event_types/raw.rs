//! Event streams without an event type.

use koan_backup::KoanBuilder;
use koan_backup::entity::{PolicySource, ScopeDeclaration, ScopeMode};
use koan_backup::event_store::RawStream;
use koan_backup::prelude::*;

use super::event_store::WithEvents;
use super::{CartEvent, builder, recipients, scope};

async fn koan(builder: KoanBuilder) -> Koan {
    let builder = builder.provider(WithEvents::of(&[])).encrypt_to(recipients());
    builder.build().await.expect("a context")
}

#[tokio::test]
async fn raw_streams_are_covered_without_a_scope_and_belong_to_no_crate() {
    let line = line!() + 1;
    let only_raw = Koan::builder().only_registered().storage(Storage::memory()).register_raw("legacy-order");
    let koan = koan(only_raw).await;
    let inventory = koan.inventory();
    let [entry] = inventory.included.as_slice() else { panic!("{inventory:?}") };
    let text = "legacy-order → event stream without a type, encrypt=false, schema=true (via register_raw)";
    assert_eq!(entry.to_string(), text);
    assert_eq!(entry.location, format!("tests/tests/event_types/raw.rs:{line}"));
    assert_eq!(entry.type_path, "koan_backup::event_store::StreamEvent");
    assert_eq!(entry.policy.source, PolicySource::Attribute);
    assert!(entry.is_raw());
    assert_eq!(inventory.crates, []);
    assert!(inventory.is_covered());
}

#[tokio::test]
async fn raw_streams_are_encrypted_if_any_scope_encrypts_unless_they_decide() {
    static SECRET: ScopeDeclaration = scope("another_crate", ScopeMode::All, Some(true));
    let is_encrypted = async |builder: KoanBuilder| {
        let koan = koan(builder).await;
        koan.inventory().policy("legacy").expect("it is covered").encrypt
    };
    assert!(!is_encrypted(builder().register_raw("legacy")).await);
    assert!(is_encrypted(builder().register_raw(RawStream::new("legacy").encrypt())).await);
    let secret = || builder().register_scope(&SECRET);
    assert!(is_encrypted(secret().register_raw("legacy")).await);
    assert!(!is_encrypted(secret().register_raw(RawStream::new("legacy").without_encryption())).await);
    // The scope of another crate decides only about streams without a crate.
    let koan = koan(secret().register_stream::<CartEvent>()).await;
    assert!(!koan.inventory().policy("cart").expect("it is covered").encrypt);
}

#[tokio::test]
async fn excluded_raw_streams_have_a_reason() {
    let excluded = |reason| {
        let builder = builder().register_stream::<CartEvent>();
        builder
            .register_raw(RawStream::new("page-view").exclude(reason))
            .provider(WithEvents::of(&["page-view"]))
    };
    let koan = excluded("kept by the web server").build().await.expect("a context");
    let inventory = koan.inventory();
    assert_eq!(inventory.excluded[0].reason, "kept by the web server");
    inventory.assert_covered();
    let error = koan.backup("views").entities(["page-view"]).await.expect_err("the streams are excluded");
    assert!(error.to_string().contains("`page-view` is excluded from backups: \"kept by"), "{error}");
    let error = excluded(" ").build().await.expect_err("the reason is missing");
    assert!(error.chain().contains("an excluded entity needs a reason"), "{error:?}");
}

#[tokio::test]
async fn a_declaration_that_is_repeated_is_added_once_and_a_different_one_is_refused() {
    let mut repeated = builder();
    for _ in 0..2 {
        repeated = repeated.register_raw("legacy");
    }
    assert_eq!(koan(repeated).await.inventory().included.len(), 1);
    let twice = builder().register_raw("legacy").register_raw(RawStream::new("legacy").encrypt());
    let error = twice.provider(WithEvents::of(&[])).build().await.expect_err("the declarations differ");
    assert_eq!(error.kind(), ErrorKind::Inventory);
    assert!(error.to_string().contains("the object name `legacy`"), "{error}");
}

#[tokio::test]
async fn invalid_object_names_are_refused_with_their_place() {
    let long = "ä".repeat(101);
    for (name, expected) in [
        ("", "is empty"),
        (" ", "is empty"),
        ("a\u{7}", "contains a control character"),
        ("order.documents", "`order.documents` ends with `.documents`"),
        ("order.snapshots", "`order.snapshots` ends with `.snapshots`"),
        (&long, "has 202 bytes; at most 200 are allowed"),
    ] {
        let builder = builder().register_raw(name).provider(WithEvents::of(&[]));
        let error = builder.build().await.expect_err("the name is invalid");
        assert_eq!(error.kind(), ErrorKind::InvalidName, "{name:?}");
        let text = error.to_string();
        assert!(text.starts_with("the object name at tests/tests/event_types/raw.rs:"), "{text}");
        assert!(text.contains(expected), "{text}");
    }
    koan(builder().register_raw("ä".repeat(100)).register_raw("Einkäufe/2 # .documents ")).await;
}

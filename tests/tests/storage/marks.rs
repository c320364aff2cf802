//! A bucket that this machine has used before is refused if it was emptied.

use koan_backup_tests::stores::{Moto, request};

use crate::fixture::{backup, koan, shop};

/// Removes all objects from the store, and creates an empty bucket of the same name.
fn recreate_bucket(server: &Moto) {
    let reset = request(server.port(), "POST", "/moto-api/reset", &[], "").expect("moto responds");
    assert_eq!(reset.status, 200, "{reset:?}");
    assert_eq!(request(server.port(), "PUT", "/backups", &[], "").expect("moto responds").status, 200);
    assert!(server.objects().is_empty());
}

#[tokio::test]
async fn a_bucket_that_was_emptied_is_refused_and_not_treated_as_empty() {
    let server = Moto::start();
    let storage = || server.storage("shop").open().expect("a profile");
    let first = koan(shop(0), [("store", storage())]).await;
    backup(&first, "nightly").await.expect("a backup");
    assert!(server.objects().contains(&"shop/koan-profile.json".to_owned()), "{:?}", server.objects());
    recreate_bucket(&server);
    let second = koan(shop(0), [("store", storage())]).await;
    for koan in [first, second] {
        for error in [
            backup(&koan, "nightly").await.expect_err("the bucket was emptied"),
            koan.backups().await.expect_err("the bucket was emptied"),
            koan.catalog().all().await.expect_err("the bucket was emptied"),
            koan.restore("nightly").await.expect_err("the bucket was emptied"),
        ] {
            assert!(error.chain().contains("this machine has used it before"), "{error:?}");
        }
    }
    // Another prefix or another bucket is a different profile.
    let other = koan(shop(0), [("store", server.storage("other").open().expect("a profile"))]).await;
    backup(&other, "nightly").await.expect("the bucket is a new profile");
}

#[tokio::test]
async fn a_bucket_of_a_version_without_marks_gets_a_mark() {
    let server = Moto::start();
    let first = koan(shop(0), [("store", server.storage("new").open().expect("a profile"))]).await;
    backup(&first, "nightly").await.expect("a backup");
    // The copy without the mark is what a version that writes no marks would leave.
    for object in server.objects().iter().filter(|object| !object.ends_with("koan-profile.json")) {
        let target = format!("/backups/{}", object.replacen("new/", "old/", 1));
        let source = format!("/backups/{object}");
        let copied = request(server.port(), "PUT", &target, &[("x-amz-copy-source", &source)], "");
        assert_eq!(copied.expect("moto responds").status, 200);
    }
    let context = koan(shop(0), [("store", server.storage("old").open().expect("a profile"))]).await;
    assert_eq!(context.backups().await.expect("listed").len(), 1);
    backup(&context, "nightly").await.expect("a backup");
    assert!(server.objects().contains(&"old/koan-profile.json".to_owned()));
    assert_eq!(context.backups().await.expect("listed").len(), 2);
}

//! Trees that several applications share, and the selection of a backup.

use koan_backup::ConflictMode;
use koan_backup::prelude::*;

use crate::shop::{Card, Customer, Shop};

#[tokio::test]
async fn latest_and_names_refer_only_to_backups_of_the_own_application() {
    let shop = Shop::new(1);
    let koan = shop.koan().await;
    let other = shop.builder().application("till").encrypt_to(shop.recipients()).keys(shop.keys());
    let other = other.build().await.expect("a context");
    let own = shop.backup(&koan).await;
    let foreign = shop.backup(&other).await;
    let restore =
        |wanted: &str| koan.restore_directory(shop.tree()).at(wanted).on_conflict(ConflictMode::Keep);
    assert_eq!(restore("latest").await.expect("restored").id, own.id);
    assert_eq!(restore("fixtures").await.expect("restored").id, own.id);
    let named = restore("latest").from_application("till", "test").await.expect("restored");
    assert_eq!(named.id, foreign.id);
    let by_id = restore(&foreign.id.to_string()).await.expect("an id selects any backup");
    assert!(
        by_id.findings.iter().any(|finding| finding.message.contains("was made by")),
        "{:?}",
        by_id.findings
    );

    let third =
        shop.builder().application("kiosk").encrypt_to(shop.recipients()).build().await.expect("a context");
    let error =
        third.restore_directory(shop.tree()).at("latest").await.expect_err("no backup of this application");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let text = error.to_string();
    assert!(
        text.contains("`shop`") && text.contains("`till`") && text.contains(".from_application"),
        "{text}"
    );
}

#[tokio::test]
async fn latest_is_the_newest_completed_backup_that_contains_every_selected_entity() {
    let shop = Shop::new(1);
    let koan = shop.koan().await;
    let complete = shop.backup(&koan).await;
    let partial =
        koan.backup("customers").entity::<Customer>().to_directory(shop.tree()).await.expect("a backup");
    let restore = || koan.restore_directory(shop.tree()).at("latest").replace_existing();
    assert_eq!(restore().await.expect("restored").id, complete.id);
    assert_eq!(restore().entity::<Card>().await.expect("restored").id, complete.id);
    assert_eq!(restore().entity::<Customer>().await.expect("restored").id, partial.id);
    for (wanted, text) in [
        ("00000000", "no backup has an id"),
        ("nothing", "with the name `nothing`"),
        ("2020-01-01T00-00-00Z", "the time"),
    ] {
        let error =
            koan.restore_directory(shop.tree()).at(wanted).await.expect_err("there is no such backup");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[tokio::test]
async fn an_entity_that_the_application_does_not_know_is_refused_or_excluded() {
    let shop = Shop::new(1);
    let report = shop.backup(&shop.koan().await).await;
    let koan = Koan::builder()
        .only_registered()
        .register::<Customer>()
        .provider(Sqlite::open(shop.path("shop.db")).expect("a database"))
        .storage(Storage::memory())
        .keys(shop.keys())
        .application("shop")
        .environment("test")
        .build()
        .await
        .expect("a context");
    let restore = || koan.restore_directory(shop.tree()).at(report.id).replace_existing();
    let error = restore().await.expect_err("`Card` is not known");
    assert!(error.to_string().contains("`Card`"), "{error}");
    assert_eq!(restore().exclude("Card").await.expect("restored").record_count(), 1);
}

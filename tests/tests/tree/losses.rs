//! Warnings about entities that have far fewer records than in the previous backup of a tree.

use koan_backup::Retention;
use koan_backup::retention::KeepReason;

use crate::shop::{Shop, json};

#[tokio::test]
async fn a_loss_is_a_warning_until_it_is_acknowledged_and_the_backup_before_it_is_kept() {
    let shop = Shop::new(10);
    let koan = shop.koan().await;
    let first = shop.backup(&koan).await;
    assert_eq!(first.warnings, [""; 0]);
    shop.sql("DELETE FROM customers WHERE id > 3");
    // Another series is not compared.
    let other = koan.backup("others").to_directory(shop.tree()).await.expect("a backup");
    assert_eq!(other.warnings, [""; 0]);
    let lossy = shop.backup(&koan).await;
    let [warning] = lossy.warnings.as_slice() else { panic!("one warning: {:?}", lossy.warnings) };
    assert!(warning.contains("`Customer` has 3 records in this backup, and had 10"), "{warning}");
    assert!(warning.contains(&first.id.to_string()), "{warning}");
    assert!(warning.contains("acknowledge_in_directory"), "{warning}");
    let registry = shop.registry();
    let recorded = registry["backups"].as_array().and_then(|backups| backups.last()).expect("a backup");
    assert_eq!(recorded["warnings"][0], warning.as_str(), "the registry contains the warning");
    assert_eq!(recorded["status"], "completedWithWarnings");

    let later = shop.backup(&koan).await;
    assert!(later.warnings[0].contains(&format!("in backup {}", lossy.id)), "{:?}", later.warnings);
    let retention = koan.retention(Retention::new().keep_last(1)).in_directory(shop.tree());
    let plan = retention.plan().await.expect("a plan");
    let before = plan.decisions.iter().find(|decision| decision.id == first.id).expect("the first backup");
    let is_before_loss =
        |reason: &KeepReason| matches!(reason, KeepReason::BeforeLoss { backup, .. } if *backup == lossy.id);
    assert!(before.kept.iter().any(is_before_loss), "{plan}");

    for (id, reason) in [(lossy.id, " "), (first.id, "none")] {
        let _ = koan.acknowledge_in_directory(shop.tree(), id, reason).await.expect_err("nothing to accept");
    }
    let lost = koan.acknowledge_in_directory(shop.tree(), lossy.id, "moved").await.expect("acknowledged");
    assert_eq!((lost[0].before, lost[0].after), (10, 3));
    assert!(json(&shop.tree().join(".acknowledgements.json"))[lossy.id.to_string()].is_object());
    assert_eq!(shop.backup(&koan).await.warnings, [""; 0]);
    let plan = retention.plan().await.expect("a plan");
    let _ = retention.apply(&plan).await.expect("applied");
    assert!(!shop.registry().to_string().contains(&first.id.to_string()), "{plan}");
}

#[tokio::test]
async fn a_backup_that_cannot_be_compared_is_a_warning_and_not_an_error() {
    let shop = Shop::new(10);
    let koan = shop.koan().await;
    let first = shop.backup(&koan).await;
    let path = shop.directory("Customer").join("metadata.json");
    std::fs::write(path, "{}").expect("written");
    shop.sql("DELETE FROM customers WHERE id > 3");
    let second = shop.backup(&koan).await;
    let [warning] = second.warnings.as_slice() else { panic!("one warning: {:?}", second.warnings) };
    assert!(warning.contains("was not determined") && warning.contains(&first.id.to_string()), "{warning}");
    assert_eq!(shop.backup(&koan).await.files.len(), 2, "the backup is complete");
}

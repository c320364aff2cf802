//! The example `quickstart` backs up, verifies, damages and restores a shop.

use koan_backup::archive::BackupStatus;

#[path = "../quickstart.rs"]
#[expect(dead_code, reason = "the test does not call `main` of the example")]
mod quickstart;

#[tokio::test]
async fn the_shop_is_backed_up_verified_damaged_and_restored() {
    let folder = tempfile::tempdir().expect("a temporary folder is created");
    let outcome = quickstart::run(folder.path()).await.expect("the quickstart runs");

    assert_eq!(outcome.warnings, ["table `page_views` of `main` belongs to no entity"]);

    let manifest = outcome.backup.manifest();
    assert_eq!(outcome.backup.status(), BackupStatus::Completed);
    let counts: Vec<_> =
        manifest.entities.iter().map(|entity| (entity.entity.as_str(), entity.item_count)).collect();
    assert_eq!(counts, [("Customer", 300), ("Order", 2000), ("OrderLine", 5000)]);
    assert_eq!(manifest.discovery.excluded.len(), 1);
    assert_eq!(manifest.discovery.excluded[0].reason, "search index, rebuilt from the orders");

    assert!(outcome.verified.is_valid());
    assert!(
        outcome
            .verified
            .entities
            .iter()
            .all(|entity| entity.decoded && entity.records_checked == entity.records)
    );

    let differences = outcome.dry_run.counts();
    assert!(outcome.dry_run.dry_run);
    assert_eq!(
        (differences.inserted, differences.deleted),
        (30, 1),
        "the damage deleted 30 customers and inserted one order, so the restore inserts 30 records and deletes one"
    );
    assert!(differences.updated > 200, "{differences:?}");
    assert_eq!(differences.inserted + differences.updated + differences.unchanged, 7300);
    assert_eq!(outcome.damaged_after_dry_run, outcome.damaged, "a dry run must write nothing");

    assert_eq!(outcome.restored.record_count(), 7300);
    assert_eq!(outcome.restored.counts().deleted, 1);
    assert!(outcome.damaged > 0);
    assert_eq!(outcome.damaged_after_restore, 0, "every row must be restored");
}

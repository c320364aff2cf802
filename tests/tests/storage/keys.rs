//! Object keys in a bucket that are not valid paths. Other programs write such keys, and consoles create them
//! for folders.

use koan_backup::{Retention, catalog::Expectations};
use koan_backup_tests::stores::{Moto, request};

use crate::fixture::{backup, koan, shop};

#[tokio::test]
async fn object_keys_that_koan_does_not_write_do_not_stop_any_operation() {
    let server = Moto::start();
    let storage = server.storage("shop").open().expect("a profile");
    let koan = koan(shop(0), [("store", storage)]).await;
    let older = backup(&koan, "nightly").await.expect("a backup").id;
    let folders = [
        "manifests",
        "archives",
        "leases",
        "leases/prune",
        "pins",
        "damage",
        "verifications",
        "maintenance",
        "uploads",
        "removals",
        "acknowledgements",
        "shared/operations",
    ];
    let mut written_keys = 0;
    for folder in folders {
        for name in ["", "/a", "a//b", "./b", "a/../b", "a%07b", &format!("{older}.json/"), "%20"] {
            let target = format!("/backups/shop/{folder}/{name}");
            let response = request(server.port(), "PUT", &target, &[], "").expect("moto responds");
            assert_eq!(response.status, 200, "{target}: {response:?}");
            written_keys += 1;
        }
    }
    assert!(server.objects().len() > written_keys, "the bucket must contain all invalid object keys");
    let newest = backup(&koan, "nightly").await.expect("a backup").id;
    let listed = koan.backups().await.expect("listed");
    assert_eq!(listed.iter().map(|backup| backup.id).collect::<Vec<_>>(), [newest, older]);
    assert_eq!(koan.restore("nightly").replace_existing().await.expect("restored").id, newest);
    koan.pin(newest, None, "an audit").await.expect("pinned");
    let health = koan.catalog().health(&Expectations::new()).await.expect("the health was read");
    assert!(health.is_healthy(), "{health:?}");
    let report =
        koan.maintenance().retention(Retention::new().keep_last(1)).await.expect("maintenance completed");
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(koan.backups().await.expect("listed").len(), 1);
    assert!(koan.catalog().recover().await.expect("recovery completed").archives.is_empty());
}

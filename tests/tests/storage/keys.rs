//! Object keys in a bucket that are no valid paths. Other programs write such keys, and consoles create them
//! for folders.

use koan_backup::{Retention, catalog::Expectations};
use koan_backup_tests::stores::{Moto, request};

use crate::fixture::{backup, koan, shop};

#[tokio::test]
async fn keys_that_this_library_does_not_write_stop_nothing() {
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
    ];
    let mut foreign = 0;
    for folder in folders {
        for name in ["", "/a", "a//b", "./b", "a/../b", "a%07b", &format!("{older}.json/"), "%20"] {
            let target = format!("/backups/shop/{folder}/{name}");
            let put = request(server.port(), "PUT", &target, &[], "").expect("moto answers");
            assert_eq!(put.status, 200, "{target}: {put:?}");
            foreign += 1;
        }
    }
    assert!(server.objects().len() > foreign, "the store keeps such keys");
    let newest = backup(&koan, "nightly").await.expect("a backup").id;
    let listed = koan.backups().await.expect("listed");
    assert_eq!(listed.iter().map(|backup| backup.id).collect::<Vec<_>>(), [newest, older]);
    assert_eq!(koan.restore("nightly").replace_existing().await.expect("restored").id, newest);
    koan.pin(newest, None, "an audit").await.expect("pinned");
    let health = koan.catalog().health(&Expectations::new()).await.expect("looked at");
    assert!(health.is_healthy(), "{health:?}");
    let ran = koan.maintenance().retention(Retention::new().keep_last(1)).await.expect("ran");
    assert!(ran.is_clean(), "{ran:?}");
    assert_eq!(koan.backups().await.expect("listed").len(), 1);
    assert!(koan.catalog().recover().await.expect("ran").archives.is_empty());
}

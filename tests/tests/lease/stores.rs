//! Tests leases in a store that fails.

use std::time::Duration;

use koan_backup::KoanBuilder;
use koan_backup::prelude::*;
use koan_backup_tests::archive_surgery::Vault;
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use koan_backup_tests::virtual_clock::VirtualClock;

use super::shop::{NAME, builder, builder_with_hanging_read, complete_backups};

struct Shop {
    vault: Vault,
    store: FaultyStore,
    koan: Koan,
}

async fn shop(per_record: Duration) -> Shop {
    let vault = Vault::default();
    let store = FaultyStore::over(vault.store());
    shop_with(store.clone(), vault, builder("shop", store.storage(), per_record)).await
}

/// Creates a shop whose database never responds.
async fn hanging_shop() -> Shop {
    let vault = Vault::default();
    let store = FaultyStore::over(vault.store());
    shop_with(store.clone(), vault, builder_with_hanging_read("shop", store.storage())).await
}

/// Creates a context with this store. Its leases expire according to the clock of the runtime, which is
/// paused. Therefore no lease expires because the machine is busy.
async fn shop_with(store: FaultyStore, vault: Vault, builder: KoanBuilder) -> Shop {
    let koan = builder.lease_time(Duration::from_secs(1)).clock(VirtualClock::start());
    Shop { koan: koan.build().await.expect("a context"), store, vault }
}

impl Shop {
    async fn archives(&self) -> usize {
        self.vault.files().await.iter().filter(|file| file.starts_with("archives/")).count()
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_acquired_fails_the_backup_before_a_row_is_read() {
    let shop = shop(Duration::ZERO).await;
    for (operation, failure) in [
        (Operation::Put, Failure::Forbidden),
        (Operation::Put, Failure::Lost),
        (Operation::List, Failure::Forbidden),
        (Operation::List, Failure::Lost),
    ] {
        shop.store.fail([Fault::always(operation, "leases/", failure)]);
        let backup = shop.koan.backup(NAME).on_event(|event| panic!("{event:?}"));
        let error = backup.await.expect_err("the lease cannot be acquired");
        assert_eq!(error.kind(), ErrorKind::Storage, "{operation:?}");
        assert!(error.to_string().contains("leases/backup/nightly"), "{error}");
    }
    shop.store.fail([]);
    assert_eq!(shop.koan.backups().await.expect("listed"), []);
    let _ = shop.koan.backup(NAME).await.expect("a failed backup leaves no valid lease");
}

#[tokio::test(start_paused = true)]
async fn a_lease_whose_write_succeeded_without_a_response_is_acquired() {
    let shop = shop(Duration::ZERO).await;
    shop.store.fail([Fault::once(Operation::Put, "leases/", Failure::ResponseLost)]);
    let _ = shop.koan.backup(NAME).await.expect("the lease was acquired");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_fails_after_the_lease_was_written_releases_the_lease() {
    let shop = shop(Duration::ZERO).await;
    shop.store.fail([Fault::once(Operation::List, "leases/", Failure::Lost).after(1)]);
    shop.koan.backup(NAME).await.expect_err("it is unknown whether the lease is the highest");
    let _ = shop.koan.backup(NAME).await.expect("the lease was released");
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_once_is_retried() {
    let shop = shop(Duration::from_millis(100)).await;
    // The first two writes acquire the lease and record the path of the archive in it.
    shop.store.fail([Fault::once(Operation::Put, "leases/", Failure::Lost).after(2)]);
    let _ = shop.koan.backup(NAME).await.expect("renewed");
    assert!(shop.store.call_count(Operation::Put, "leases/") > 6);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_renewed_until_it_expires_stops_the_backup() {
    for failure in [Failure::Lost, Failure::Forbidden, Failure::Never] {
        let shop = hanging_shop().await;
        shop.store.fail([Fault::always(Operation::Put, "leases/", failure).after(2)]);
        let error = shop.koan.backup(NAME).await.expect_err("the lease is lost");
        assert_eq!(error.kind(), ErrorKind::Busy, "{failure:?}");
        assert!(error.to_string().contains("was lost"), "{error}");
        shop.store.fail([]);
        assert_eq!((shop.archives().await, complete_backups(&shop.koan).await.len()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_whose_response_arrives_too_late_does_not_count() {
    let shop = shop(Duration::ZERO).await;
    // The response to the renewal arrives only after the lease has expired.
    shop.store.fail([Fault::once(Operation::Put, "leases/", Failure::Slow(1_300)).after(2)]);
    let error = shop.koan.backup(NAME).await.expect_err("the lease is lost");
    assert_eq!(error.kind(), ErrorKind::Busy);
    shop.store.fail([]);
    assert_eq!((shop.archives().await, complete_backups(&shop.koan).await.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_publication_is_abandoned_when_the_lease_expires() {
    let shop = shop(Duration::ZERO).await;
    shop.store.fail([Fault::once(Operation::Put, "manifests/", Failure::Never)]);
    let error = shop.koan.backup(NAME).await.expect_err("the lease expires first");
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(error.to_string().contains("is not known"), "{error}");
    assert!(error.chain().contains("did not respond in time"), "{}", error.chain());
    shop.store.fail([]);
    // The store may still write the manifest, so the archive stays.
    assert_eq!((shop.archives().await, complete_backups(&shop.koan).await.len()), (1, 0));
}

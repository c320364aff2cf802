//! Leases on a store that fails.

use std::time::Duration;

use koan_backup::KoanBuilder;
use koan_backup::prelude::*;
use koan_backup_tests::archive_surgery::Vault;
use koan_backup_tests::faulty_store::{Failure, Fault, FaultyStore, Operation};
use koan_backup_tests::virtual_clock::VirtualClock;

use super::shop::{NAME, builder, complete, hanging};

struct Shop {
    vault: Vault,
    store: FaultyStore,
    koan: Koan,
}

async fn shop(per_record: Duration) -> Shop {
    let vault = Vault::default();
    let store = FaultyStore::over(vault.store());
    over(store.clone(), vault, builder("shop", store.storage(), per_record)).await
}

/// Creates a shop whose database never responds.
async fn hanging_shop() -> Shop {
    let vault = Vault::default();
    let store = FaultyStore::over(vault.store());
    over(store.clone(), vault, hanging("shop", store.storage())).await
}

/// Creates a shop on a store. Its leases expire by the clock of the runtime, which is paused, so no lease
/// expires because the machine is busy.
async fn over(store: FaultyStore, vault: Vault, builder: KoanBuilder) -> Shop {
    let koan = builder.lease_time(Duration::from_secs(1)).clock(VirtualClock::start());
    Shop { koan: koan.build().await.expect("a context"), store, vault }
}

impl Shop {
    async fn archives(&self) -> usize {
        self.vault.files().await.iter().filter(|file| file.starts_with("archives/")).count()
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_taken_fails_the_backup_before_a_row_is_read() {
    let shop = shop(Duration::ZERO).await;
    for (operation, failure) in [
        (Operation::Put, Failure::Forbidden),
        (Operation::Put, Failure::Lost),
        (Operation::List, Failure::Forbidden),
        (Operation::List, Failure::Lost),
    ] {
        shop.store.fail([Fault::always(operation, "leases/", failure)]);
        let backup = shop.koan.backup(NAME).on_event(|event| panic!("{event:?}"));
        let error = backup.await.expect_err("no lease");
        assert_eq!(error.kind(), ErrorKind::Storage, "{operation:?}");
        assert!(error.to_string().contains("leases/backup/nightly"), "{error}");
    }
    shop.store.fail([]);
    assert_eq!(shop.koan.backups().await.expect("listed"), []);
    shop.koan.backup(NAME).await.expect("what failed holds nothing");
}

#[tokio::test(start_paused = true)]
async fn a_lease_whose_answer_was_lost_is_held() {
    let shop = shop(Duration::ZERO).await;
    shop.store.fail([Fault::once(Operation::Put, "leases/", Failure::AnswerLost)]);
    shop.koan.backup(NAME).await.expect("it was taken");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_fails_once_the_lease_is_written_gives_it_back() {
    let shop = shop(Duration::ZERO).await;
    shop.store.fail([Fault::once(Operation::List, "leases/", Failure::Lost).after(1)]);
    shop.koan.backup(NAME).await.expect_err("not known whether it is the highest");
    shop.koan.backup(NAME).await.expect("free at once");
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_once_is_tried_again() {
    let shop = shop(Duration::from_millis(100)).await;
    // The first two writes take the lease and record what it is used for.
    shop.store.fail([Fault::once(Operation::Put, "leases/", Failure::Lost).after(2)]);
    shop.koan.backup(NAME).await.expect("renewed");
    assert!(shop.store.call_count(Operation::Put, "leases/") > 6);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_renewed_until_it_expires_stops_the_work() {
    for failure in [Failure::Lost, Failure::Forbidden, Failure::Never] {
        let shop = hanging_shop().await;
        shop.store.fail([Fault::always(Operation::Put, "leases/", failure).after(2)]);
        let error = shop.koan.backup(NAME).await.expect_err("the lease is lost");
        assert_eq!(error.kind(), ErrorKind::Busy, "{failure:?}");
        assert!(error.to_string().contains("was lost"), "{error}");
        shop.store.fail([]);
        assert_eq!((shop.archives().await, complete(&shop.koan).await.len()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_is_answered_too_late_does_not_count() {
    let shop = shop(Duration::ZERO).await;
    // The renewal is answered only after the lease has expired.
    shop.store.fail([Fault::once(Operation::Put, "leases/", Failure::Slow(1_300)).after(2)]);
    let error = shop.koan.backup(NAME).await.expect_err("the lease is lost");
    assert_eq!(error.kind(), ErrorKind::Busy);
    shop.store.fail([]);
    assert_eq!((shop.archives().await, complete(&shop.koan).await.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn publishing_is_given_up_when_the_lease_is_over() {
    let shop = shop(Duration::ZERO).await;
    shop.store.fail([Fault::once(Operation::Put, "manifests/", Failure::Never)]);
    let error = shop.koan.backup(NAME).await.expect_err("not in time");
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(error.to_string().contains("is not known"), "{error}");
    assert!(error.chain().contains("did not answer in time"), "{}", error.chain());
    shop.store.fail([]);
    // The manifest may still be written after the lost response, so its archive stays.
    assert_eq!((shop.archives().await, complete(&shop.koan).await.len()), (1, 0));
}

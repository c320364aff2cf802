//! Tests that a damaged or altered archive is never reported as valid, and that none of its records reach the
//! database.

mod bits;
mod entries;
mod records;
mod shop;

use shop::{User, shop, user};

koan_backup::entity_backup_scope!(mode = All);

#[tokio::test]
async fn the_backup_of_these_tests_is_valid_before_it_is_damaged() {
    for shop in [shop().await, shop().await.in_blocks().await] {
        let report = shop.verify().await.expect("a report");
        assert!(report.is_valid(), "{:?}", report.issues());
        assert!(!report.sampled);
        let _ = shop.koan.restore(shop.id).replace_existing().await.expect("restored");
        assert_eq!(shop.koan.data::<User>().count().await.expect("readable"), 6);
        assert_eq!(shop.koan.data::<User>().get(&3).await.expect("readable"), Some(user(3)));
    }
}

//! Archives with events that are missing, duplicated or in a wrong order.

use koan_backup::MemoryEvents;
use koan_backup::prelude::*;
use koan_backup_tests::archive_surgery::{Forgery, Recompute};

use super::shop::{Shop, content, orders};

const FILE: &str = "streams/order.jsonl";

#[tokio::test]
async fn a_gap_a_duplicate_and_a_wrong_order_of_versions_are_damage_although_all_hashes_fit() {
    let shop = Shop::new();
    let backup = shop.koan().await.backup("nightly").await.expect("a backup");
    let stored = shop.vault.stored(backup.id()).await;
    let text = String::from_utf8(content(&stored, FILE)).expect("text");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    type Alter = fn(&mut Vec<&str>);
    let alterations: [(&str, &str, Alter); 6] = [
        ("a gap", "version 4 follows version 2", |lines| {
            lines.remove(5);
        }),
        ("the first event", "first event has version 1", |lines| {
            lines.remove(0);
        }),
        ("a duplicate", "version 3 occurs twice", |lines| lines.insert(5, lines[5])),
        ("a wrong order", "version 3 follows version 1", |lines| lines.swap(4, 5)),
        ("another order of aggregates", "not in the order of object ids", |lines| lines.rotate_right(3)),
        ("a divided stream", "not next to each other", |lines| {
            let line = lines.remove(1);
            lines.insert(3, line);
        }),
    ];
    for (alteration, problem, alter) in alterations {
        // The blocks divide the lines at every third line, so that some faults are between two blocks.
        let mut altered = lines.clone();
        alter(&mut altered);
        for length in [1, 3, 100] {
            let blocks: Vec<String> = altered.chunks(length).map(|block| block.concat()).collect();
            let mut forgery = Forgery::parse(&stored);
            forgery.set_blocks(FILE, &blocks);
            shop.vault.write_backup(&forgery.rebuild(Recompute::Records)).await;
            let target = MemoryEvents::new();
            let koan = shop.koan_for(&target).await;
            let report = koan.verify(backup.id()).await.expect("a report");
            let issues = format!("{:?}", report.issues());
            assert!(issues.contains(problem), "{alteration} in blocks of {length}: {issues}");
            koan.restore(backup.id()).await.expect_err(alteration);
            let unverified = koan.restore(backup.id()).without_verification().await.expect_err(alteration);
            assert_eq!(unverified.kind(), ErrorKind::Corrupt, "{alteration}: {unverified}");
            assert!(orders(&target).is_empty(), "{alteration}: nothing was written");
        }
    }
}

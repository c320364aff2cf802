//! Tests archives in which records, or their declared counts, sizes and hashes, were altered and all other
//! hashes were recomputed.

use koan_backup::SetName;
use koan_backup::prelude::*;
use koan_backup_tests::archive_surgery::{Forgery, Recompute, Vault, document};
use koan_backup_tests::scripted::Scripted;
use serde_json::{Value, json};

use super::shop::{ORDERS, SECRET, USERS, User, context, lines, shop};

#[tokio::test]
async fn a_record_altered_together_with_its_checksums_is_detected_by_the_content_hash() {
    let shop = shop().await.in_blocks().await;
    let mut forgery = Forgery::parse(&shop.stored);
    let changed = String::from_utf8(lines(2..4)).expect("text").replace(SECRET, "do-not-quote-mE");
    forgery.set_blocks(USERS, &[lines(0..2), changed.into_bytes(), lines(4..6)]);
    let altered = forgery.rebuild(Recompute::Documents);
    let issues = shop.issues(&altered).await;
    assert!(
        issues.iter().all(|issue| issue.entity.as_deref() == Some("User") && issue.file == USERS),
        "{issues:?}"
    );
    assert!(issues.iter().any(|issue| issue.problem.contains("the hash of its")), "{issues:?}");
    assert_eq!(shop.unverified_restore_problem(&altered).await, None);
}

#[tokio::test]
async fn the_counts_sizes_and_hashes_of_a_manifest_are_compared_with_its_records() {
    let shop = shop().await.in_blocks().await;
    type Alter = fn(&mut Value);
    let alterations: [(&str, Alter); 12] = [
        ("one more record", |user| user["itemCount"] = json!(7)),
        ("one record fewer", |user| user["itemCount"] = json!(5)),
        ("no records", |user| user["itemCount"] = json!(0)),
        ("the largest possible count", |user| user["itemCount"] = json!(u64::MAX)),
        ("another size", |user| user["sizeBytes"] = json!(1)),
        ("the largest possible size", |user| user["sizeBytes"] = json!(u64::MAX)),
        ("another hash", |user| user["contentHash"] = json!(format!("sha256:{}", "0".repeat(64)))),
        ("no hash", |user| user["contentHash"] = Value::Null),
        ("another record-set hash", |user| user["recordSetHash"] = json!("0".repeat(64))),
        ("no record-set hash", |user| user["recordSetHash"] = Value::Null),
        ("a file that does not exist", |user| user["storageFile"] = json!("entities/Nobody.jsonl")),
        ("the file of another entity", |user| user["storageFile"] = json!(ORDERS)),
    ];
    for (alteration, alter) in alterations {
        for sums in ["unchanged", "recomputed"] {
            let mut forgery = Forgery::parse(&shop.stored);
            let before = forgery.entity("User").clone();
            alter(forgery.entity("User"));
            if sums == "recomputed" {
                let after = forgery.entity("User").clone();
                for (summand, total) in [("itemCount", "totalItemCount"), ("sizeBytes", "totalSizeBytes")] {
                    let number = |value: &Value| value.as_u64().expect("the value is a number");
                    let other_entities =
                        number(&forgery.manifest["verification"][total]) - number(&before[summand]);
                    forgery.manifest["verification"][total] =
                        json!(number(&after[summand]).saturating_add(other_entities));
                }
            }
            let problem = shop.acceptance_problem(&forgery.rebuild(Recompute::Documents)).await;
            assert_eq!(problem, None, "{alteration}, sums {sums}");
        }
    }
}

#[tokio::test]
async fn wrong_totals_in_a_manifest_are_detected() {
    let shop = shop().await;
    for total in ["totalItemCount", "totalSizeBytes"] {
        let mut forgery = Forgery::parse(&shop.stored);
        forgery.manifest["verification"][total] = json!(1);
        let issues = shop.issues(&forgery.rebuild(Recompute::Documents)).await;
        assert!(issues[0].problem.contains("sums"), "{issues:?}");
    }
}

#[tokio::test]
async fn a_wrong_table_of_blocks_is_found_and_reported_with_its_entity() {
    let shop = shop().await.in_blocks().await;
    let increment = |value: &mut Value| *value = json!(value.as_u64().expect("the value is a number") + 1);
    let decrement =
        |value: &mut Value| *value = json!(value.as_u64().expect("the value is a number").saturating_sub(1));
    let mut tables: Vec<(String, Value)> = Vec::new();
    let table = Forgery::parse(&shop.stored).document(document::BLOCKS);
    for field in ["offset", "length", "rawLength", "records", "crc32"] {
        for block in 0..3 {
            for (difference, alter) in
                [("increased", &increment as &dyn Fn(&mut Value)), ("decreased", &decrement)]
            {
                let mut altered = table.clone();
                alter(&mut altered[USERS][block][field]);
                if altered != table {
                    tables.push((format!("{field} of block {block} {difference} by one"), altered));
                }
            }
        }
    }
    let mut add_altered_table = |alteration: &str, alter: &dyn Fn(&mut Vec<Value>)| {
        let mut altered = table.clone();
        alter(altered[USERS].as_array_mut().expect("a list"));
        tables.push((alteration.to_owned(), altered));
    };
    add_altered_table("without its last block", &|blocks| drop(blocks.pop()));
    add_altered_table("without blocks", &|blocks| blocks.clear());
    add_altered_table("with two blocks exchanged", &|blocks| blocks.swap(0, 1));
    add_altered_table("with a duplicated block", &|blocks| blocks.insert(0, blocks[0].clone()));
    add_altered_table("with records moved between blocks", &|blocks| {
        blocks[0]["records"] = json!(1);
        blocks[1]["records"] = json!(3);
    });
    add_altered_table("with lengths that overflow", &|blocks| {
        blocks[0]["length"] = json!(u64::MAX);
        blocks[1]["offset"] = json!(u64::MAX);
    });
    let mut missing = table.clone();
    missing.as_object_mut().expect("a map").remove(USERS);
    tables.push(("without the entity".to_owned(), missing));
    for (alteration, altered) in tables {
        let mut forgery = Forgery::parse(&shop.stored);
        forgery.set_document(document::BLOCKS, &altered);
        let altered = forgery.rebuild(Recompute::Documents);
        let issues = shop.issues(&altered).await;
        assert!(
            issues.iter().all(|issue| issue.entity.as_deref() == Some("User") && issue.file == USERS),
            "{alteration}: {issues:?}"
        );
        assert_eq!(shop.unverified_restore_problem(&altered).await, None, "{alteration}");
    }
}

#[tokio::test]
async fn a_record_that_does_not_decode_as_its_type_is_identified_without_its_content() {
    let shop = shop().await.in_blocks().await;
    let valid = String::from_utf8(lines(2..3)).expect("text");
    let records: [(&str, Vec<u8>); 14] = [
        ("text that is not JSON", format!("{SECRET}\n").into()),
        ("cut off", format!("{{\"id\":3,\"name\":\"{SECRET}\n").into()),
        ("an empty line", b"\n".to_vec()),
        ("another type", format!("[3,\"{SECRET}\"]\n").into()),
        ("text for a number", format!("{{\"id\":\"{SECRET}\",\"name\":\"{SECRET}\"}}\n").into()),
        ("a number for text", b"{\"id\":3,\"name\":31337}\n".to_vec()),
        ("too large a number", format!("{{\"id\":9223372036854775808,\"name\":\"{SECRET}\"}}\n").into()),
        ("null", b"null\n".to_vec()),
        ("a missing field", b"{\"id\":3}\n".to_vec()),
        ("a repeated field", format!("{{\"id\":3,\"name\":\"{SECRET}\",\"name\":\"{SECRET}\"}}\n").into()),
        ("two values on a line", format!("{{\"id\":3,\"name\":\"a\"}} {{\"x\":\"{SECRET}\"}}\n").into()),
        ("a byte order mark", format!("\u{feff}{{\"id\":3,\"name\":\"{SECRET}\"}}\n").into()),
        ("not UTF-8", b"{\"id\":3,\"name\":\"\xff\xfe\"}\n".to_vec()),
        ("NUL", b"\0\n".to_vec()),
    ];
    for (kind, record) in records {
        let mut forgery = Forgery::parse(&shop.stored);
        forgery.set_blocks(USERS, &[lines(0..2), [valid.as_bytes(), &record].concat(), lines(4..6)]);
        let altered = forgery.rebuild(Recompute::Records);
        let issues = shop.issues(&altered).await;
        let issue = &issues[0];
        assert_eq!((issue.entity.as_deref(), issue.file.as_str()), (Some("User"), USERS), "{kind}");
        assert_eq!((issue.block, issue.record), (Some(1), Some(3)), "{kind}: {issues:?}");
        let error = shop.restore_refused().await.expect("refused");
        let text = format!("{issues:?} {}", error.chain());
        assert!(error.chain().contains("`User`") && error.chain().contains("block 1"), "{kind}: {error}");
        assert!(
            !text.contains(SECRET) && !text.contains("31337"),
            "{kind}: a message contains content of the record: {text}"
        );
        assert_eq!(shop.unverified_restore_problem(&altered).await, None, "{kind}");
        let error = shop.koan.restore(shop.id).without_verification().await.expect_err("refused").chain();
        assert!(error.contains("`User`") && error.contains("block 1, record 1"), "{kind}: {error}");
        assert!(!error.contains(SECRET), "{kind}: a message contains content of the record: {error}");
    }
}

#[tokio::test]
async fn records_without_their_last_line_feed_are_reported_as_damaged() {
    let shop = shop().await.in_blocks().await;
    let mut without_line_feed = lines(2..4);
    without_line_feed.pop();
    let mut forgery = Forgery::parse(&shop.stored);
    forgery.set_blocks(USERS, &[lines(0..2), without_line_feed, lines(4..6)]);
    let altered = forgery.rebuild(Recompute::Records);
    let issues = shop.issues(&altered).await;
    assert_eq!((issues[0].entity.as_deref(), issues[0].block), (Some("User"), Some(1)), "{issues:?}");
    assert_eq!(shop.unverified_restore_problem(&altered).await, None);
}

#[tokio::test]
async fn counts_that_would_overflow_are_refused_and_do_not_panic() {
    let shop = shop().await.in_blocks().await;
    let mut forgery = Forgery::parse(&shop.stored);
    forgery.alter_document(document::BLOCKS, |blocks| {
        for block in 0..3 {
            blocks[USERS][block]["records"] = json!(u64::MAX);
        }
    });
    let issues = shop.issues(&forgery.rebuild(Recompute::Documents)).await;
    assert_eq!(issues[0].block, Some(0), "{issues:?}");
}

#[tokio::test]
async fn a_sampled_verification_is_reported_as_such_and_finds_damage_in_the_blocks_that_it_reads() {
    let shop = shop().await.in_blocks().await;
    let healthy = shop.koan.verify(shop.id).sample(2).await.expect("a report");
    assert!(healthy.is_valid() && healthy.sampled, "{:?}", healthy.issues());
    let users = healthy.entities.iter().find(|entity| entity.entity == "User").expect("users were verified");
    assert_eq!((users.records_checked, users.records), (4, 6));
    let damaged = |block: usize| {
        let mut blocks = [lines(0..2), lines(2..4), lines(4..6)];
        blocks[block] = b"x\n".to_vec();
        let mut forgery = Forgery::parse(&shop.stored);
        forgery.set_blocks(USERS, &blocks);
        forgery.rebuild(Recompute::Records)
    };
    for (block, sample, found) in [(0, 1, true), (0, 2, true), (2, 2, true), (1, 2, false), (1, 3, true)] {
        shop.vault.write_backup(&damaged(block)).await;
        let report = shop.koan.verify(shop.id).sample(sample).await.expect("a report");
        assert_eq!(!report.is_valid(), found, "block {block}, sample of {sample}: {:?}", report.issues());
        assert!(report.sampled);
    }
}

#[tokio::test]
async fn records_of_many_megabytes_are_restored_with_every_compression() {
    let vault = Vault::default();
    let database = Scripted::default();
    let names: Vec<_> = [3 << 20, 10 << 20].into_iter().map(|length| "x".repeat(length)).collect();
    for (id, name) in (0..).zip(&names) {
        database.put(&SetName::root(), &User { id, name: name.clone() });
    }
    let koan = context(&vault, database).await;
    for compression in [Compression::default(), Compression::zstd(3).expect("valid"), Compression::stored()] {
        let backup = koan.backup("large").entity::<User>().compression(compression).await.expect("a backup");
        let report = koan.verify(backup.id()).await.expect("a report");
        assert!(report.is_valid(), "{compression:?}: {:?}", report.issues());
        koan.data::<User>().clear().await.expect("cleared");
        let _ = koan.restore(backup.id()).await.expect("restored");
        let user = koan.data::<User>().get(&1).await.expect("readable").expect("the record was restored");
        assert!(user.name == names[1], "{compression:?}: the restored record has another name");
    }
}

//! Archives with altered records whose other hashes were made to match.

use koan_backup::SetName;
use koan_backup::prelude::*;
use koan_backup_tests::archive_surgery::{Forgery, Seal, Vault, document};
use koan_backup_tests::scripted::Scripted;
use serde_json::{Value, json};

use super::shop::{ORDERS, SECRET, USERS, User, context, lines, shop};

#[tokio::test]
async fn a_record_that_was_altered_with_its_checksums_is_found_by_its_hash() {
    let shop = shop().await.in_blocks().await;
    let mut forgery = Forgery::of(&shop.stored);
    let changed = String::from_utf8(lines(2..4)).expect("text").replace(SECRET, "do-not-quote-mE");
    forgery.set_blocks(USERS, &[lines(0..2), changed.into_bytes(), lines(4..6)]);
    let altered = forgery.seal(Seal::Documents);
    let issues = shop.issues(&altered).await;
    assert!(
        issues.iter().all(|issue| issue.entity.as_deref() == Some("User") && issue.file == USERS),
        "{issues:?}"
    );
    assert!(issues.iter().any(|issue| issue.problem.contains("another hash")), "{issues:?}");
    assert_eq!(shop.committed_unverified(&altered).await, None);
}

#[tokio::test]
async fn what_a_manifest_says_of_its_records_is_compared_with_them() {
    let shop = shop().await.in_blocks().await;
    type Alter = fn(&mut Value);
    let alterations: [(&str, Alter); 12] = [
        ("one record more", |user| user["itemCount"] = json!(7)),
        ("one record less", |user| user["itemCount"] = json!(5)),
        ("no records", |user| user["itemCount"] = json!(0)),
        ("more records than fit a number", |user| user["itemCount"] = json!(u64::MAX)),
        ("another size", |user| user["sizeBytes"] = json!(1)),
        ("a size that does not fit", |user| user["sizeBytes"] = json!(u64::MAX)),
        ("another hash", |user| user["contentHash"] = json!(format!("sha256:{}", "0".repeat(64)))),
        ("no hash", |user| user["contentHash"] = Value::Null),
        ("another set hash", |user| user["recordSetHash"] = json!("0".repeat(64))),
        ("no set hash", |user| user["recordSetHash"] = Value::Null),
        ("a file that is not there", |user| user["storageFile"] = json!("entities/Nobody.jsonl")),
        ("the file of another", |user| user["storageFile"] = json!(ORDERS)),
    ];
    for (what, alter) in alterations {
        for sums in ["as they were", "made to match"] {
            let mut forgery = Forgery::of(&shop.stored);
            let before = forgery.entity("User").clone();
            alter(forgery.entity("User"));
            if sums == "made to match" {
                let after = forgery.entity("User").clone();
                for (part, total) in [("itemCount", "totalItemCount"), ("sizeBytes", "totalSizeBytes")] {
                    let number = |value: &Value| value.as_u64().expect("a number");
                    let rest = number(&forgery.manifest["verification"][total]) - number(&before[part]);
                    forgery.manifest["verification"][total] =
                        json!(number(&after[part]).saturating_add(rest));
                }
            }
            let problem = shop.trusted(&forgery.seal(Seal::Documents)).await;
            assert_eq!(problem, None, "{what}, sums {sums}");
        }
    }
}

#[tokio::test]
async fn the_sums_of_a_manifest_are_those_of_its_entities() {
    let shop = shop().await;
    for total in ["totalItemCount", "totalSizeBytes"] {
        let mut forgery = Forgery::of(&shop.stored);
        forgery.manifest["verification"][total] = json!(1);
        let issues = shop.issues(&forgery.seal(Seal::Documents)).await;
        assert!(issues[0].problem.contains("sums"), "{issues:?}");
    }
}

#[tokio::test]
async fn a_table_of_blocks_that_is_wrong_is_found_and_the_entity_named() {
    let shop = shop().await.in_blocks().await;
    let one_more = |value: &mut Value| *value = json!(value.as_u64().expect("a number") + 1);
    let one_less = |value: &mut Value| *value = json!(value.as_u64().expect("a number").saturating_sub(1));
    let mut tables: Vec<(String, Value)> = Vec::new();
    let table = Forgery::of(&shop.stored).document(document::BLOCKS);
    for field in ["offset", "length", "rawLength", "records", "crc32"] {
        for block in 0..3 {
            for (what, alter) in [("more", &one_more as &dyn Fn(&mut Value)), ("less", &one_less)] {
                let mut altered = table.clone();
                alter(&mut altered[USERS][block][field]);
                if altered != table {
                    tables.push((format!("{field} of block {block} one {what}"), altered));
                }
            }
        }
    }
    let mut with = |what: &str, alter: &dyn Fn(&mut Vec<Value>)| {
        let mut altered = table.clone();
        alter(altered[USERS].as_array_mut().expect("a list"));
        tables.push((what.to_owned(), altered));
    };
    with("without its last block", &|blocks| drop(blocks.pop()));
    with("without blocks", &|blocks| blocks.clear());
    with("with two blocks exchanged", &|blocks| blocks.swap(0, 1));
    with("with a block twice", &|blocks| blocks.insert(0, blocks[0].clone()));
    with("with records moved between blocks", &|blocks| {
        blocks[0]["records"] = json!(1);
        blocks[1]["records"] = json!(3);
    });
    with("with lengths that overflow", &|blocks| {
        blocks[0]["length"] = json!(u64::MAX);
        blocks[1]["offset"] = json!(u64::MAX);
    });
    let mut missing = table.clone();
    missing.as_object_mut().expect("a map").remove(USERS);
    tables.push(("without the entity".to_owned(), missing));
    for (what, altered) in tables {
        let mut forgery = Forgery::of(&shop.stored);
        forgery.set_document(document::BLOCKS, &altered);
        let altered = forgery.seal(Seal::Documents);
        let issues = shop.issues(&altered).await;
        assert!(
            issues.iter().all(|issue| issue.entity.as_deref() == Some("User") && issue.file == USERS),
            "{what}: {issues:?}"
        );
        assert_eq!(shop.committed_unverified(&altered).await, None, "{what}");
    }
}

#[tokio::test]
async fn every_record_must_decode_as_its_type_and_is_named_without_its_content() {
    let shop = shop().await.in_blocks().await;
    let good = String::from_utf8(lines(2..3)).expect("text");
    let records: [(&str, Vec<u8>); 14] = [
        ("no JSON", format!("{SECRET}\n").into()),
        ("cut off", format!("{{\"id\":3,\"name\":\"{SECRET}\n").into()),
        ("an empty line", b"\n".to_vec()),
        ("another type", format!("[3,\"{SECRET}\"]\n").into()),
        ("text for a number", format!("{{\"id\":\"{SECRET}\",\"name\":\"{SECRET}\"}}\n").into()),
        ("a number for text", b"{\"id\":3,\"name\":31337}\n".to_vec()),
        ("too large a number", format!("{{\"id\":9223372036854775808,\"name\":\"{SECRET}\"}}\n").into()),
        ("null", b"null\n".to_vec()),
        ("a field missing", b"{\"id\":3}\n".to_vec()),
        ("a field twice", format!("{{\"id\":3,\"name\":\"{SECRET}\",\"name\":\"{SECRET}\"}}\n").into()),
        ("two values on a line", format!("{{\"id\":3,\"name\":\"a\"}} {{\"x\":\"{SECRET}\"}}\n").into()),
        ("a byte order mark", format!("\u{feff}{{\"id\":3,\"name\":\"{SECRET}\"}}\n").into()),
        ("not UTF-8", b"{\"id\":3,\"name\":\"\xff\xfe\"}\n".to_vec()),
        ("NUL", b"\0\n".to_vec()),
    ];
    for (what, record) in records {
        let mut forgery = Forgery::of(&shop.stored);
        forgery.set_blocks(USERS, &[lines(0..2), [good.as_bytes(), &record].concat(), lines(4..6)]);
        let altered = forgery.seal(Seal::Records);
        let issues = shop.issues(&altered).await;
        let named = &issues[0];
        assert_eq!((named.entity.as_deref(), named.file.as_str()), (Some("User"), USERS), "{what}");
        assert_eq!((named.block, named.record), (Some(1), Some(3)), "{what}: {issues:?}");
        let error = shop.restore_refused().await.expect("refused");
        let text = format!("{issues:?} {}", error.chain());
        assert!(error.chain().contains("`User`") && error.chain().contains("block 1"), "{what}: {error}");
        assert!(!text.contains(SECRET) && !text.contains("31337"), "{what} is quoted: {text}");
        assert_eq!(shop.committed_unverified(&altered).await, None, "{what}");
        let error = shop.koan.restore(shop.id).without_verification().await.expect_err("refused").chain();
        assert!(error.contains("`User`") && error.contains("block 1, record 1"), "{what}: {error}");
        assert!(!error.contains(SECRET), "{what} is quoted: {error}");
    }
}

#[tokio::test]
async fn records_without_their_last_line_feed_are_not_whole() {
    let shop = shop().await.in_blocks().await;
    let mut cut = lines(2..4);
    cut.pop();
    let mut forgery = Forgery::of(&shop.stored);
    forgery.set_blocks(USERS, &[lines(0..2), cut, lines(4..6)]);
    let altered = forgery.seal(Seal::Records);
    let issues = shop.issues(&altered).await;
    assert_eq!((issues[0].entity.as_deref(), issues[0].block), (Some("User"), Some(1)), "{issues:?}");
    assert_eq!(shop.committed_unverified(&altered).await, None);
}

#[tokio::test]
async fn counts_that_would_overflow_are_refused_and_do_not_panic() {
    let shop = shop().await.in_blocks().await;
    let mut forgery = Forgery::of(&shop.stored);
    forgery.alter_document(document::BLOCKS, |blocks| {
        for block in 0..3 {
            blocks[USERS][block]["records"] = json!(u64::MAX);
        }
    });
    let issues = shop.issues(&forgery.seal(Seal::Documents)).await;
    assert_eq!(issues[0].block, Some(0), "{issues:?}");
}

#[tokio::test]
async fn a_sample_says_that_it_is_one_and_finds_damage_in_what_it_reads() {
    let shop = shop().await.in_blocks().await;
    let healthy = shop.koan.verify(shop.id).sample(2).await.expect("a report");
    assert!(healthy.is_valid() && healthy.sampled, "{:?}", healthy.issues());
    let users = healthy.entities.iter().find(|entity| entity.entity == "User").expect("there");
    assert_eq!((users.records_checked, users.records), (4, 6));
    let damaged = |block: usize| {
        let mut blocks = [lines(0..2), lines(2..4), lines(4..6)];
        blocks[block] = b"x\n".to_vec();
        let mut forgery = Forgery::of(&shop.stored);
        forgery.set_blocks(USERS, &blocks);
        forgery.seal(Seal::Records)
    };
    for (block, sample, found) in [(0, 1, true), (0, 2, true), (2, 2, true), (1, 2, false), (1, 3, true)] {
        shop.vault.write_backup(&damaged(block)).await;
        let report = shop.koan.verify(shop.id).sample(sample).await.expect("a report");
        assert_eq!(!report.is_valid(), found, "block {block}, sample of {sample}: {:?}", report.issues());
        assert!(report.sampled);
    }
}

#[tokio::test]
async fn records_of_many_megabytes_come_back_in_every_compression() {
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
        koan.restore(backup.id()).await.expect("restored");
        let user = koan.data::<User>().get(&1).await.expect("readable").expect("there");
        assert!(user.name == names[1], "{compression:?}");
    }
}

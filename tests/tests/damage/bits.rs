//! Storage corruption: flipped bits, truncated files and altered manifests.

use koan_backup::prelude::*;
use koan_backup_tests::archive_surgery::{Forgery, Stored, Zip, document, with_forged_archive};
use serde_json::{Value, json};

use super::shop::{USERS, shop, try_all, with_archive};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_flipped_bit_in_any_byte_of_the_archive_is_found() {
    let shop = shop().await;
    let flip = |at: usize| {
        let altered = with_archive(&shop, |archive| archive[at] ^= 1 << (at % 8));
        (format!("byte {at}"), altered)
    };
    try_all(&shop, (0..shop.stored.archive.len()).map(flip).collect(), "flipped bits of an archive").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_flipped_bit_in_any_entry_is_found_although_the_hash_of_the_archive_was_recomputed() {
    let shop = shop().await.in_blocks().await;
    let mut alterations = Vec::new();
    let undamaged = Zip::read(&shop.stored.archive);
    for (name, range) in Zip::ranges(&shop.stored.archive) {
        for at in range {
            let mut archive = shop.stored.archive.clone();
            archive[at] ^= 1 << (at % 8);
            // Some bits in the last byte of a compressed document are not used, so flipping them damages
            // nothing.
            let extracted = Zip::read(&archive).entry(&name).content();
            if !name.starts_with("entities/") && extracted == undamaged.entry(&name).content() {
                continue;
            }
            alterations.push((format!("{name}, byte {at}"), with_forged_archive(&shop.stored, archive)));
        }
    }
    try_all(&shop, alterations, "flipped bits of entries, with a recomputed hash of the archive").await;
}

#[tokio::test]
async fn a_flipped_bit_in_records_is_reported_with_entity_file_and_block() {
    let shop = shop().await.in_blocks().await;
    let blocks = Forgery::parse(&shop.stored).document(document::BLOCKS);
    let ranges = Zip::ranges(&shop.stored.archive);
    let users = ranges.into_iter().find(|(name, _)| name == USERS).expect("the archive contains users");
    let start = users.1.start;
    let number = |value: &Value| {
        usize::try_from(value.as_u64().expect("the value is a number")).expect("the number fits into usize")
    };
    for (index, block) in blocks[USERS].as_array().expect("a list").iter().enumerate() {
        let (offset, length) = (number(&block["offset"]), number(&block["length"]));
        for at in [offset, offset + length / 2, offset + length - 1] {
            let altered = with_archive(&shop, |archive| archive[start + at] ^= 0x10);
            let issues = shop.issues(&altered).await;
            let issue = issues.iter().find(|issue| issue.block == Some(index));
            let issue = issue.unwrap_or_else(|| {
                panic!("no issue names block {index} although its byte {at} is damaged: {issues:?}")
            });
            assert_eq!((issue.entity.as_deref(), issue.file.as_str()), (Some("User"), USERS));
            assert!(issues.iter().all(|issue| issue.entity.as_deref() != Some("Order")), "{issues:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_with_a_changed_length_is_reported_as_damaged() {
    let shop = shop().await;
    let length = shop.stored.archive.len();
    let truncated = (0..length)
        .map(|to| (format!("truncated to {to} bytes"), with_archive(&shop, |archive| archive.truncate(to))));
    let mut alterations: Vec<_> = truncated.collect();
    for more in [1, 2, 22, 4096] {
        let longer = with_archive(&shop, |archive| archive.extend(vec![0; more]));
        alterations.push((format!("{more} zeros appended"), longer));
    }
    let duplicated = with_archive(&shop, |archive| archive.extend(archive.clone()));
    alterations.push(("the archive appended to itself".to_owned(), duplicated));
    try_all(&shop, alterations, "lengths of an archive").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_with_a_changed_length_is_reported_although_its_hash_was_recomputed() {
    let shop = shop().await;
    let length = shop.stored.archive.len();
    let mut alterations: Vec<_> = (0..length)
        .step_by(3)
        .map(|to| {
            (
                format!("truncated to {to} bytes"),
                with_forged_archive(&shop.stored, shop.stored.archive[..to].to_vec()),
            )
        })
        .collect();
    for more in [1, 22, 4096] {
        let longer = [shop.stored.archive.clone(), vec![0; more]].concat();
        alterations.push((format!("{more} zeros appended"), with_forged_archive(&shop.stored, longer)));
    }
    try_all(&shop, alterations, "lengths of an archive, with a recomputed hash of the archive").await;
}

#[tokio::test]
async fn the_issue_for_a_truncated_archive_contains_its_path() {
    let shop = shop().await;
    let truncated = with_archive(&shop, |archive| archive.truncate(archive.len() - 30));
    let issues = shop.issues(&truncated).await;
    assert_eq!(issues[0].file, shop.stored.archive_path);
    let error = shop.restore_refused().await.expect("refused");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains(&shop.stored.archive_path), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_flipped_bit_of_the_published_manifest_is_found() {
    let shop = shop().await;
    let mut alterations = Vec::new();
    for at in 0..shop.stored.manifest.len() {
        for bit in 0..8 {
            let mut altered = shop.stored.clone();
            altered.manifest[at] ^= 1 << bit;
            alterations.push((format!("byte {at}, bit {bit}"), altered));
        }
    }
    try_all(&shop, alterations, "flipped bits of a manifest").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_altered_field_of_the_published_manifest_is_found() {
    let shop = shop().await;
    let manifest: Value = serde_json::from_slice(&shop.stored.manifest).expect("JSON");
    let mut alterations = Vec::new();
    alter_everywhere(&manifest, "", &mut |path, altered| {
        let manifest = serde_json::to_vec_pretty(&altered).expect("JSON");
        alterations.push((path, Stored { manifest, ..shop.stored.clone() }));
    });
    try_all(&shop, alterations, "altered fields of a manifest").await;
}

/// Alters each value at or below `pointer` in several ways. Calls `use_altered` with a description and with a
/// copy of `root` for each alteration.
fn alter_everywhere(root: &Value, pointer: &str, use_altered: &mut impl FnMut(String, Value)) {
    let value = root.pointer(pointer).expect("the pointer exists");
    let mut add_alteration = |alteration: &str, new: Value| {
        let mut altered = root.clone();
        *altered.pointer_mut(pointer).expect("the pointer exists") = new;
        use_altered(format!("{pointer} {alteration}"), altered);
    };
    match value {
        Value::Null => add_alteration("set", json!("x")),
        Value::Bool(value) => add_alteration("negated", json!(!value)),
        Value::Number(number) => {
            add_alteration("of another type", json!(number.to_string()));
            match number.as_u64() {
                Some(value) => add_alteration("increased by one", json!(value + 1)),
                None => add_alteration(
                    "increased by 0.5",
                    json!(number.as_f64().expect("the value is a number") + 0.5),
                ),
            }
        }
        Value::String(text) => {
            add_alteration("longer", json!(format!("{text}x")));
            add_alteration("empty", json!(""));
            add_alteration("null", Value::Null);
        }
        Value::Array(items) => {
            add_alteration(
                "with one more item",
                json!([&items[..], &[items.first().cloned().unwrap_or(json!("x"))]].concat()),
            );
            if !items.is_empty() {
                add_alteration("without its first item", json!(items[1..]));
                add_alteration("without items", json!([]));
            }
        }
        Value::Object(fields) => {
            let mut with_added_field = fields.clone();
            with_added_field.insert("added".to_owned(), json!("x"));
            add_alteration("with an additional field", with_added_field.into());
            for name in fields.keys() {
                let mut without_field = fields.clone();
                without_field.remove(name);
                add_alteration(&format!("without {name}"), without_field.into());
            }
        }
    }
    let inner: Vec<String> = match value {
        Value::Array(items) => (0..items.len()).map(|index| index.to_string()).collect(),
        Value::Object(fields) => {
            fields.keys().map(|name| name.replace('~', "~0").replace('/', "~1")).collect()
        }
        _ => Vec::new(),
    };
    for name in inner {
        alter_everywhere(root, &format!("{pointer}/{name}"), use_altered);
    }
}

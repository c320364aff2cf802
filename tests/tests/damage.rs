//! A damaged or altered archive is never healthy, and nothing of it reaches the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use koan_backup::prelude::*;
use koan_backup::{BackupId, Event, SetName, VerifyReport};
use koan_backup_tests::archive_surgery::{
    Forgery, Seal, Stored, Vault, Zip, ZipEntry, document, inner_copy, resigned,
};
use koan_backup_tests::scripted::{Script, Scripted};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

koan_backup::entity_backup_scope!(mode = All);

const USERS: &str = "entities/User.jsonl";
const ORDERS: &str = "entities/Order.jsonl";
const SECRET: &str = "do-not-quote-me";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
struct User {
    id: i64,
    name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
struct Order {
    id: i64,
    total: f64,
}

/// A backup in a vault, and a database with a row of its own that no refused restore may touch.
struct Shop {
    vault: Vault,
    koan: Koan,
    id: BackupId,
    stored: Stored,
}

fn user(id: i64) -> User {
    User { id, name: format!("{SECRET} {id}") }
}

async fn context(vault: &Vault, database: Scripted) -> Koan {
    Koan::builder()
        .provider("main", database)
        .storage("vault", vault.storage())
        .build()
        .await
        .expect("a context")
}

async fn source(vault: &Vault, script: Script) -> Koan {
    let database = Scripted::new(script);
    for id in 0..6 {
        database.put(&SetName::root(), &user(id));
        database.put(&SetName::root(), &Order { id, total: 0.5 });
    }
    context(vault, database).await
}

async fn shop() -> Shop {
    let vault = Vault::default();
    let id = source(&vault, Script::default()).await.backup("nightly").await.expect("a backup").id();
    let stored = vault.stored(id).await;
    Shop { koan: sentinel(&vault).await, vault, id, stored }
}

/// A context whose database holds one row that is in no backup.
async fn sentinel(vault: &Vault) -> Koan {
    let database = Scripted::new(Script::default());
    database.put(&SetName::root(), &User { id: 3, name: "sentinel".into() });
    context(vault, database).await
}

impl Shop {
    /// The same backup, with the users in three blocks of two.
    async fn in_blocks(mut self) -> Self {
        let mut forgery = Forgery::of(&self.stored);
        forgery.set_blocks(USERS, &[lines(0..2), lines(2..4), lines(4..6)]);
        self.stored = forgery.seal(Seal::Records);
        self.vault.keep(&self.stored).await;
        self
    }

    /// The same backup in a vault of its own, for another task.
    async fn copy(&self) -> Self {
        let vault = Vault::default();
        vault.keep(&self.stored).await;
        Self { koan: sentinel(&vault).await, vault, id: self.id, stored: self.stored.clone() }
    }

    /// What verification says, or its error.
    async fn verify(&self) -> Result<VerifyReport, Error> {
        self.koan.verify(self.id).await
    }

    /// The error of a restore; nothing may have been written, not even to be undone.
    async fn restore_refused(&self) -> Result<Error, String> {
        let written = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&written);
        let restored = self
            .koan
            .restore(self.id)
            .replace_existing()
            .on_event(move |event| {
                if matches!(event, Event::BatchRestored { .. }) {
                    seen.fetch_add(1, Ordering::Relaxed);
                }
            })
            .await;
        if written.load(Ordering::Relaxed) > 0 {
            return Err("records were written before it was refused".to_owned());
        }
        self.untouched().await?;
        restored.err().ok_or_else(|| "it was restored".to_owned())
    }

    async fn untouched(&self) -> Result<(), String> {
        let users = self.koan.data::<User>();
        let row = users.get(&3).await.expect("readable");
        let alone = users.count().await.expect("readable") == 1;
        let intact = alone && row.is_some_and(|row| row.name == "sentinel");
        let orders = self.koan.data::<Order>().count().await.expect("readable");
        if intact && orders == 0 { Ok(()) } else { Err("the database was changed".to_owned()) }
    }

    /// What is wrong with how an altered backup was received; nothing if it was refused all along.
    async fn trusted(&self, altered: &Stored) -> Option<String> {
        self.vault.keep(altered).await;
        if self.verify().await.is_ok_and(|report| report.is_valid()) {
            return Some("verify calls it valid".to_owned());
        }
        self.restore_refused().await.err()
    }

    /// Like [`trusted`](Self::trusted), where the restore is told not to verify: nothing may be committed all the same.
    async fn committed_unverified(&self, altered: &Stored) -> Option<String> {
        self.vault.keep(altered).await;
        let restored = self.koan.restore(self.id).replace_existing().without_verification().await;
        if let Err(problem) = self.untouched().await {
            return Some(problem);
        }
        restored.is_ok().then(|| "it was restored".to_owned())
    }

    /// The issues of an altered backup, which must be refused.
    async fn issues(&self, altered: &Stored) -> Vec<koan_backup::Issue> {
        assert_eq!(self.trusted(altered).await, None);
        self.verify().await.expect("a report").issues().to_vec()
    }
}

fn lines(ids: std::ops::Range<i64>) -> Vec<u8> {
    ids.flat_map(|id| {
        let mut line = serde_json::to_vec(&user(id)).expect("JSON");
        line.push(b'\n');
        line
    })
    .collect()
}

/// Tries every alteration on both cores, and names those that were trusted.
async fn try_all(shop: &Shop, alterations: Vec<(String, Stored)>, what: &str) {
    let tried = alterations.len();
    let mut tasks = Vec::new();
    for part in alterations.chunks(tried.div_ceil(2).max(1)) {
        let (part, shop) = (part.to_vec(), shop.copy().await);
        tasks.push(tokio::spawn(async move {
            let mut trusted = Vec::new();
            for (name, altered) in part {
                trusted.extend(shop.trusted(&altered).await.map(|problem| format!("{name}: {problem}")));
            }
            trusted
        }));
    }
    let mut trusted = Vec::new();
    for task in tasks {
        trusted.extend(task.await.expect("no task panics"));
    }
    say(&format!("{what}: tried {tried}, found {}", tried - trusted.len()));
    assert!(tried > 0, "{what}: nothing was tried");
    assert_eq!(trusted, Vec::<String>::new(), "{what}");
}

/// For whoever reads the output of the run.
#[expect(clippy::print_stdout, reason = "a test says what it tried")]
fn say(text: &str) {
    println!("{text}");
}

fn with_archive(shop: &Shop, alter: impl FnOnce(&mut Vec<u8>)) -> Stored {
    let mut altered = shop.stored.clone();
    alter(&mut altered.archive);
    altered
}

#[tokio::test]
async fn the_backup_that_is_damaged_here_is_healthy_before() {
    for shop in [shop().await, shop().await.in_blocks().await] {
        let report = shop.verify().await.expect("a report");
        assert!(report.is_valid(), "{:?}", report.issues());
        assert!(!report.sampled);
        shop.koan.restore(shop.id).replace_existing().await.expect("restored");
        assert_eq!(shop.koan.data::<User>().count().await.expect("readable"), 6);
        assert_eq!(shop.koan.data::<User>().get(&3).await.expect("readable"), Some(user(3)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_flipped_bit_in_any_byte_of_the_archive_is_found() {
    let shop = shop().await;
    let flip = |at: usize| {
        let altered = with_archive(&shop, |archive| archive[at] ^= 1 << (at % 8));
        (format!("byte {at}"), altered)
    };
    try_all(&shop, (0..shop.stored.archive.len()).map(flip).collect(), "flipped bytes of an archive").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_flipped_bit_in_any_entry_is_found_though_the_hash_of_the_archive_was_made_to_match() {
    let shop = shop().await.in_blocks().await;
    let mut alterations = Vec::new();
    let whole = Zip::read(&shop.stored.archive);
    for (name, range) in Zip::ranges(&shop.stored.archive) {
        for at in range {
            let mut archive = shop.stored.archive.clone();
            archive[at] ^= 1 << (at % 8);
            // The last byte of a compressed document has bits that mean nothing.
            let extracted = Zip::read(&archive).entry(&name).content();
            if !name.starts_with("entities/") && extracted == whole.entry(&name).content() {
                continue;
            }
            alterations.push((format!("{name}, byte {at}"), resigned(&shop.stored, archive)));
        }
    }
    try_all(&shop, alterations, "flipped bytes of re-signed entries").await;
}

#[tokio::test]
async fn a_flipped_bit_in_records_is_told_with_entity_file_and_block() {
    let shop = shop().await.in_blocks().await;
    let blocks = Forgery::of(&shop.stored).document(document::BLOCKS);
    let ranges = Zip::ranges(&shop.stored.archive);
    let start = ranges.into_iter().find(|(name, _)| name == USERS).expect("there").1.start;
    let number = |value: &Value| usize::try_from(value.as_u64().expect("a number")).expect("fits");
    for (index, block) in blocks[USERS].as_array().expect("a list").iter().enumerate() {
        let (offset, length) = (number(&block["offset"]), number(&block["length"]));
        for at in [offset, offset + length / 2, offset + length - 1] {
            let altered = with_archive(&shop, |archive| archive[start + at] ^= 0x10);
            let issues = shop.issues(&altered).await;
            let named = issues.iter().find(|issue| issue.block == Some(index));
            let named = named.unwrap_or_else(|| panic!("byte {at} of block {index}: {issues:?}"));
            assert_eq!((named.entity.as_deref(), named.file.as_str()), (Some("User"), USERS));
            assert!(issues.iter().all(|issue| issue.entity.as_deref() != Some("Order")), "{issues:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_of_any_other_length_is_found() {
    let shop = shop().await;
    let length = shop.stored.archive.len();
    let cut =
        (0..length).map(|to| (format!("cut to {to}"), with_archive(&shop, |archive| archive.truncate(to))));
    let mut alterations: Vec<_> = cut.collect();
    for more in [1, 2, 22, 4096] {
        let longer = with_archive(&shop, |archive| archive.extend(vec![0; more]));
        alterations.push((format!("{more} zeros behind"), longer));
    }
    let twice = with_archive(&shop, |archive| archive.extend(archive.clone()));
    alterations.push(("twice".to_owned(), twice));
    try_all(&shop, alterations, "lengths of an archive").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_cut_or_prolonged_is_found_though_its_hash_was_made_to_match() {
    let shop = shop().await;
    let length = shop.stored.archive.len();
    let mut alterations: Vec<_> = (0..length)
        .step_by(3)
        .map(|to| (format!("cut to {to}"), resigned(&shop.stored, shop.stored.archive[..to].to_vec())))
        .collect();
    for more in [1, 22, 4096] {
        let longer = [shop.stored.archive.clone(), vec![0; more]].concat();
        alterations.push((format!("{more} zeros behind"), resigned(&shop.stored, longer)));
    }
    try_all(&shop, alterations, "lengths of a re-signed archive").await;
}

#[tokio::test]
async fn a_torn_archive_is_an_issue_that_names_it() {
    let shop = shop().await;
    let torn = with_archive(&shop, |archive| archive.truncate(archive.len() - 30));
    let issues = shop.issues(&torn).await;
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

/// Calls `found` with every copy of `root` in which one thing differs.
fn alter_everywhere(root: &Value, pointer: &str, found: &mut impl FnMut(String, Value)) {
    let here = root.pointer(pointer).expect("it exists");
    let mut with = |what: &str, new: Value| {
        let mut altered = root.clone();
        *altered.pointer_mut(pointer).expect("it exists") = new;
        found(format!("{pointer} {what}"), altered);
    };
    match here {
        Value::Null => with("set", json!("x")),
        Value::Bool(value) => with("negated", json!(!value)),
        Value::Number(number) => {
            with("of another type", json!(number.to_string()));
            match number.as_u64() {
                Some(value) => with("one more", json!(value + 1)),
                None => with("a half more", json!(number.as_f64().expect("a number") + 0.5)),
            }
        }
        Value::String(text) => {
            with("longer", json!(format!("{text}x")));
            with("empty", json!(""));
            with("null", Value::Null);
        }
        Value::Array(items) => {
            with(
                "with one item more",
                json!([&items[..], &[items.first().cloned().unwrap_or(json!("x"))]].concat()),
            );
            if !items.is_empty() {
                with("without its first item", json!(items[1..]));
                with("without items", json!([]));
            }
        }
        Value::Object(fields) => {
            let mut more = fields.clone();
            more.insert("added".to_owned(), json!("x"));
            with("with a field more", more.into());
            for name in fields.keys() {
                let mut less = fields.clone();
                less.remove(name);
                with(&format!("without {name}"), less.into());
            }
        }
    }
    let inner: Vec<String> = match here {
        Value::Array(items) => (0..items.len()).map(|index| index.to_string()).collect(),
        Value::Object(fields) => {
            fields.keys().map(|name| name.replace('~', "~0").replace('/', "~1")).collect()
        }
        _ => Vec::new(),
    };
    for name in inner {
        alter_everywhere(root, &format!("{pointer}/{name}"), found);
    }
}

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
async fn a_completed_entity_without_a_file_is_never_left_out_in_silence() {
    let shop = shop().await;
    let mut forgery = Forgery::of(&shop.stored);
    forgery.entity("User")["storageFile"] = Value::Null;
    forgery.zip.remove(USERS);
    let altered = forgery.seal(Seal::Documents);
    assert_eq!(shop.trusted(&altered).await, None);
    assert_eq!(shop.committed_unverified(&altered).await, None);
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
async fn entries_exchanged_renamed_doubled_removed_or_added_are_found() {
    let shop = shop().await;
    type Alter = fn(&mut Zip);
    let alterations: [(&str, Alter); 9] = [
        ("records exchanged", |zip| {
            let (users, orders) = (zip.entry(USERS).clone(), zip.entry(ORDERS).clone());
            *zip.entry_mut(USERS) = ZipEntry { name: USERS.into(), ..orders };
            *zip.entry_mut(ORDERS) = ZipEntry { name: ORDERS.into(), ..users };
        }),
        ("records renamed", |zip| zip.entry_mut(USERS).name = "entities/Users.jsonl".into()),
        ("records twice", |zip| {
            let again = zip.entry(USERS).clone();
            zip.entries.push(again);
        }),
        ("other records of the same name", |zip| zip.entries.push(ZipEntry::deflated(USERS, b""))),
        ("records removed", |zip| drop(zip.remove(USERS))),
        ("records added", |zip| zip.entries.push(ZipEntry::deflated("entities/Stray.jsonl", b"{}\n"))),
        ("a document added", |zip| zip.entries.push(ZipEntry::deflated("metadata/stray.json", b"{}\n"))),
        ("the manifest twice", |zip| {
            let again = zip.entry(document::MANIFEST).clone();
            zip.entries.push(again);
        }),
        ("the checksums removed", |zip| drop(zip.remove(document::CHECKSUMS))),
    ];
    for (what, alter) in alterations {
        let mut forgery = Forgery::of(&shop.stored);
        alter(&mut forgery.zip);
        let altered = forgery.seal(Seal::Archive);
        assert_eq!(shop.trusted(&altered).await, None, "{what}");
        assert_eq!(shop.committed_unverified(&altered).await, None, "{what}");
    }
    for name in [
        document::SCHEMAS,
        document::PROVIDERS,
        document::DISCOVERY,
        document::BLOCKS,
        document::MANIFEST,
        "metadata/backup-stats.json",
    ] {
        for seal in [Seal::Broken, Seal::Archive] {
            let mut forgery = Forgery::of(&shop.stored);
            forgery.zip.remove(name);
            assert_eq!(shop.trusted(&forgery.seal(seal)).await, None, "{name} removed");
        }
    }
}

#[tokio::test]
async fn entries_that_belong_to_no_entity_or_to_two_are_found_though_every_hash_was_made_to_match() {
    let shop = shop().await;
    let mut forgery = Forgery::of(&shop.stored);
    forgery.zip.entries.push(ZipEntry::deflated("entities/Stray.jsonl", b"{}\n"));
    let issues = shop.issues(&forgery.seal(Seal::Records)).await;
    assert!(issues[0].problem.contains("entities/Stray.jsonl"), "{issues:?}");
    let mut forgery = Forgery::of(&shop.stored);
    forgery.entity("User")["storageFile"] = json!(ORDERS);
    forgery.zip.remove(USERS);
    assert_eq!(shop.trusted(&forgery.seal(Seal::Records)).await, None);
    let mut forgery = Forgery::of(&shop.stored);
    forgery.zip.remove(USERS);
    assert_eq!(shop.trusted(&forgery.seal(Seal::Documents)).await, None);
}

#[tokio::test]
async fn a_document_that_was_altered_with_its_checksum_is_found_by_its_hash() {
    let shop = shop().await;
    let manifest = Forgery::of(&shop.stored).manifest;
    for name in [
        document::SCHEMAS,
        document::PROVIDERS,
        document::DISCOVERY,
        document::BLOCKS,
        document::CHECKSUMS,
        document::MANIFEST,
        "metadata/backup-stats.json",
    ] {
        let mut forgery = Forgery::of(&shop.stored);
        let added = match name {
            document::SCHEMAS => forgery.document(name)["User"].clone(),
            document::PROVIDERS => forgery.document(name)["main"].clone(),
            document::BLOCKS => json!([]),
            _ => json!("x"),
        };
        forgery.alter_document(name, |content| content["added"] = added);
        let issues = shop.issues(&forgery.seal(Seal::Archive)).await;
        assert!(issues.iter().all(|issue| issue.file == shop.stored.archive_path), "{name}: {issues:?}");
    }
    // The hash of the records, in the checksums alone.
    let mut forgery = Forgery::of(&shop.stored);
    forgery.alter_document(document::CHECKSUMS, |sums| sums[USERS] = json!("sha256:0"));
    let altered = forgery.seal(Seal::Documents);
    assert_ne!(serde_json::from_slice::<Value>(&altered.manifest).expect("JSON"), manifest);
    let issues = shop.issues(&altered).await;
    assert_eq!((issues[0].entity.as_deref(), issues[0].file.as_str()), (Some("User"), USERS), "{issues:?}");
    // The hash of the checksums, in both manifests.
    let mut forgery = Forgery::of(&shop.stored);
    forgery.manifest["verification"]["overallChecksum"] = json!("sha256:0");
    let inner = inner_copy(&forgery.manifest);
    forgery.set_document(document::MANIFEST, &inner);
    let issues = shop.issues(&forgery.seal(Seal::Archive)).await;
    assert!(issues[0].problem.contains("checksums"), "{issues:?}");
}

#[tokio::test]
async fn a_checksum_in_the_directory_that_is_not_that_of_the_records_is_found() {
    let shop = shop().await;
    let mut forgery = Forgery::of(&shop.stored);
    forgery.zip.entry_mut(USERS).crc32 ^= 1;
    let issues = shop.issues(&forgery.seal(Seal::Records)).await;
    assert_eq!((issues[0].entity.as_deref(), issues[0].file.as_str()), (Some("User"), USERS), "{issues:?}");
}

#[tokio::test]
async fn the_end_of_a_stream_of_records_is_checked() {
    let shop = shop().await;
    let mut forgery = Forgery::of(&shop.stored);
    *forgery.zip.entry_mut(USERS).data.last_mut().expect("not empty") ^= 1;
    let issues = shop.issues(&forgery.seal(Seal::Archive)).await;
    assert_eq!((issues[0].entity.as_deref(), issues[0].file.as_str()), (Some("User"), USERS), "{issues:?}");
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
        shop.vault.keep(&damaged(block)).await;
        let report = shop.koan.verify(shop.id).sample(sample).await.expect("a report");
        assert_eq!(!report.is_valid(), found, "block {block}, sample of {sample}: {:?}", report.issues());
        assert!(report.sampled);
    }
}

#[tokio::test]
async fn an_archive_that_is_missing_is_an_issue_and_not_a_backup_of_nothing() {
    let shop = shop().await;
    shop.vault.remove(&shop.stored.archive_path).await;
    let report = shop.verify().await.expect("a report");
    assert!(report.issues()[0].problem.contains("missing"), "{:?}", report.issues());
    let error = shop.restore_refused().await.expect("refused");
    assert!(error.to_string().contains(&shop.stored.archive_path), "{error}");
}

#[tokio::test]
async fn an_archive_without_its_manifest_is_no_backup() {
    let shop = shop().await;
    shop.vault.remove(&shop.stored.manifest_path).await;
    assert_eq!(shop.verify().await.expect_err("not found").kind(), ErrorKind::NotFound);
    assert_eq!(shop.restore_refused().await.expect("refused").kind(), ErrorKind::NotFound);
    assert_eq!(shop.koan.restore("nightly").await.expect_err("not found").kind(), ErrorKind::NotFound);
    assert!(shop.koan.backups().await.expect("listed").is_empty());
}

#[tokio::test]
async fn the_manifest_of_another_backup_is_not_taken_for_this_one() {
    let shop = shop().await;
    let other = source(&shop.vault, Script::default()).await.backup("other").await.expect("a backup").id();
    let theirs = shop.vault.stored(other).await;
    shop.vault.write(&shop.stored.manifest_path, &theirs.manifest).await;
    assert_eq!(shop.verify().await.expect_err("refused").kind(), ErrorKind::Corrupt);
    assert_eq!(shop.restore_refused().await.expect("refused").kind(), ErrorKind::Corrupt);
    let error = shop.koan.backups().await.expect_err("no list is given that is not true");
    assert!(error.to_string().contains(&shop.stored.manifest_path), "{error}");
    let mut renamed: Value = serde_json::from_slice(&theirs.manifest).expect("JSON");
    renamed["id"] = json!(shop.id);
    let renamed = Stored { manifest: renamed.to_string().into(), ..shop.stored.clone() };
    assert_eq!(shop.trusted(&renamed).await, None);
    let mut moved: Value = serde_json::from_slice(&shop.stored.manifest).expect("JSON");
    moved["archive"] = serde_json::from_slice::<Value>(&theirs.manifest).expect("JSON")["archive"].clone();
    let moved = Stored { manifest: moved.to_string().into(), ..shop.stored.clone() };
    assert_eq!(shop.trusted(&moved).await, None);
}

#[tokio::test]
async fn a_failed_backup_cannot_be_made_to_look_complete() {
    let vault = Vault::default();
    let script = Script { dies_at: Some(("Order".into(), 3)), ..Script::default() };
    let failing = source(&vault, script).await;
    failing.backup("nightly").await.expect_err("failed");
    let manifests = failing.backups().await.expect("listed");
    let id = manifests[0].id;
    let path = format!("manifests/{id}.json");
    let good = source(&vault, Script::default()).await.backup("good").await.expect("a backup").id();
    let theirs = vault.stored(good).await;
    let koan = sentinel(&vault).await;
    assert!(!koan.verify(id).await.expect("a report").is_valid());
    let mut manifest: Value = serde_json::from_slice(&vault.read(&path).await).expect("JSON");
    manifest["status"] = json!("completed");
    manifest["error"] = Value::Null;
    let claim = Stored { manifest_path: path, manifest: manifest.to_string().into(), ..theirs.clone() };
    let shop = Shop { vault, koan, id, stored: claim.clone() };
    assert_eq!(shop.trusted(&claim).await, None, "no archive");
    manifest["archive"] = serde_json::from_slice::<Value>(&theirs.manifest).expect("JSON")["archive"].clone();
    let claim = Stored { manifest: manifest.to_string().into(), ..claim };
    assert_eq!(shop.trusted(&claim).await, None, "the archive of another");
}

#[tokio::test]
async fn damage_in_a_backup_that_failed_in_part_is_found_before_the_rest_is_restored() {
    let vault = Vault::default();
    let script = Script { dies_at: Some(("Order".into(), 3)), ..Script::default() };
    let partial = source(&vault, script).await.backup("partial").continue_on_error().await.expect("a report");
    let shop = Shop {
        koan: sentinel(&vault).await,
        id: partial.id(),
        stored: vault.stored(partial.id()).await,
        vault,
    };
    let range =
        Zip::ranges(&shop.stored.archive).into_iter().find(|(name, _)| name == USERS).expect("there").1;
    let mut archive = shop.stored.archive.clone();
    archive[range.start + 5] ^= 1;
    for altered in [with_archive(&shop, |old| *old = archive.clone()), resigned(&shop.stored, archive)] {
        shop.vault.keep(&altered).await;
        shop.koan.restore(shop.id).allow_partial().await.expect_err("refused");
        assert_eq!(shop.untouched().await, Ok(()));
    }
    shop.vault.keep(&shop.stored).await;
    let restored = shop.koan.restore(shop.id).allow_partial().replace_existing().await.expect("restored");
    assert_eq!(restored.record_count(), 6);
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

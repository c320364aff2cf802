//! The stored backup that the targets alter, and a database that a refused restore must not change.

use std::cell::RefCell;

use futures::TryStreamExt;
use koan_backup::prelude::*;
use koan_backup::{BackupId, BackupRef, Compression, SetName};
use koan_backup_tests::archive_surgery::{Forgery, Recompute, Stored, Vault, ZipEntry};
use koan_backup_tests::scripted::Scripted;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::runtime::Runtime;

/// The name of the entry with the records of the users.
pub const USERS: &str = "entities/User.jsonl";
/// The name of the entry with the records of the orders.
pub const ORDERS: &str = "entities/Order.jsonl";
/// The name of the backup.
pub const NAME: &str = "nightly";

/// The number of Zstandard in the ZIP format. `archive_surgery` does not support this method.
const ZSTD: u16 = 93;

/// A record whose notes may be any JSON value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
pub struct User {
    id: i64,
    name: String,
    #[serde(default)]
    notes: serde_json::Value,
}

/// A record with numbers and an instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
pub struct Order {
    id: i64,
    total: f64,
    placed: chrono::DateTime<chrono::Utc>,
}

/// All records of a database: the users and the orders.
pub type Content = (Vec<User>, Vec<Order>);

/// Returns the records of the backup.
pub fn archived() -> Content {
    let placed = chrono::DateTime::from_timestamp(1_700_000_000, 0).expect("an instant");
    let user = |id| User { id, name: format!("user {id}"), notes: json!({"n": [id, null]}) };
    (vec![user(1), user(2), user(3)], vec![Order { id: 1, total: 0.5, placed }])
}

/// Returns the records of the database before a restore.
fn sentinel() -> Content {
    (vec![User { id: 2, name: "sentinel".to_owned(), notes: serde_json::Value::Null }], Vec::new())
}

/// The guarantees that the content of an altered backup still has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The backup is the original.
    Whole,
    /// The bytes differ from the hashes in the manifest: verification must detect that.
    Nothing,
    /// The hashes of the records are the original ones: a restore that succeeds must restore the original
    /// records.
    Records,
    /// Every hash may have been recomputed: it must be possible to restore a backup that is reported as
    /// valid, and a failed restore must change nothing.
    Hashes,
}

/// The compression method of the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Deflate,
    Zstd,
    Stored,
}

/// A backup, and a context with its own database.
pub struct Shop {
    /// The original backup.
    pub stored: Stored,
    id: BackupId,
    vault: Vault,
    koan: Koan,
    runtime: Runtime,
}

thread_local! {
    static SHOPS: [RefCell<Shop>; 3] = [
        (&include_bytes!("../base/deflate.json")[..], &include_bytes!("../base/deflate.zip")[..]),
        (&include_bytes!("../base/zstd.json")[..], &include_bytes!("../base/zstd.zip")[..]),
        (&include_bytes!("../base/stored.json")[..], &include_bytes!("../base/stored.zip")[..]),
    ].map(|(manifest, archive)| RefCell::new(Shop::open(manifest, archive)));
}

/// Calls `action` with the backup of this compression method.
pub fn with_shop<T>(method: Method, action: impl FnOnce(&mut Shop) -> T) -> T {
    let index = match method {
        Method::Deflate => 0,
        Method::Zstd => 1,
        Method::Stored => 2,
    };
    SHOPS.with(|shops| action(&mut shops[index].borrow_mut()))
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
}

/// Creates a context with these records in its database.
async fn context(vault: &Vault, (users, orders): &Content) -> Koan {
    let database = Scripted::default();
    users.iter().for_each(|user| database.put(&SetName::root(), user));
    orders.iter().for_each(|order| database.put(&SetName::root(), order));
    let builder = Koan::builder().only_registered().register::<User>().register::<Order>();
    let builder = builder.provider(database).named_storage("vault", vault.storage());
    builder.build().await.expect("a context")
}

/// Reads all records of the database.
async fn content(koan: &Koan) -> Content {
    let users = koan.data().all_stream().try_collect().await.expect("readable");
    (users, koan.data().all_stream().try_collect().await.expect("readable"))
}

/// Creates the backup that is stored in `base/`. With deflate, the users are in two blocks.
pub fn create_base(method: Method) -> Stored {
    runtime().block_on(async {
        let vault = Vault::default();
        let compression = match method {
            Method::Deflate => Compression::default(),
            Method::Zstd => Compression::zstd(3).expect("a level"),
            Method::Stored => Compression::stored(),
        };
        let koan = context(&vault, &archived()).await;
        let id = koan.backup(NAME).tags(["a tag"]).compression(compression).await.expect("a backup").id();
        let mut forgery = Forgery::parse(&vault.stored(id).await);
        // The committed file must not contain the name of the machine that created it.
        forgery.manifest["producer"]["host"] = serde_json::Value::Null;
        if method == Method::Zstd {
            let records = |entry: &&mut ZipEntry| entry.name.starts_with("entities/");
            forgery.zip.entries.iter_mut().filter(records).for_each(|entry| entry.method = ZSTD);
        }
        if method != Method::Deflate {
            return forgery.rebuild(Recompute::Documents);
        }
        let lines = forgery.zip.entry(USERS).content();
        let mut lines = lines.split_inclusive(|&byte| byte == b'\n');
        let first = lines.next().expect("a line").to_vec();
        forgery.set_blocks(USERS, &[first, lines.collect::<Vec<_>>().concat()]);
        forgery.rebuild(Recompute::Records)
    })
}

impl Shop {
    fn open(manifest: &[u8], archive: &[u8]) -> Self {
        let parsed: serde_json::Value = serde_json::from_slice(manifest).expect("a manifest is JSON");
        let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        let id = text(&parsed["id"]);
        let stored = Stored {
            manifest_path: format!("manifests/{id}.json"),
            manifest: manifest.to_vec(),
            archive_path: text(&parsed["archive"]["file"]),
            archive: archive.to_vec(),
        };
        let (vault, runtime) = (Vault::default(), runtime());
        let koan = runtime.block_on(context(&vault, &sentinel()));
        let mut shop = Self { stored: stored.clone(), id: id.parse().expect("an id"), vault, koan, runtime };
        shop.verify_and_restore(&stored, Trust::Whole);
        shop
    }

    /// Verifies and restores an altered backup.
    ///
    /// # Panics
    /// Panics if the backup is reported as valid, or restored, although `trust` does not allow this, or if a
    /// failed restore changes the database.
    pub fn verify_and_restore(&mut self, altered: &Stored, trust: Trust) {
        let Self { vault, koan, runtime, .. } = self;
        let id = self.id;
        let mut restored_once = false;
        runtime.block_on(async {
            vault.write_backup(altered).await;
            let report = koan.verify(id).await;
            let valid = report.as_ref().is_ok_and(|report| report.is_valid());
            match trust {
                Trust::Whole => assert!(valid, "the original is not valid: {report:?}"),
                Trust::Nothing => assert!(!valid, "an altered backup was reported as valid"),
                Trust::Records | Trust::Hashes => {}
            }
            let unverified = koan.restore(id).replace_existing().without_verification().await;
            assert_database(koan, unverified.is_ok(), trust).await;
            restored_once |= unverified.is_ok();
            if unverified.is_ok() {
                *koan = context(vault, &sentinel()).await;
            }
            let restored = koan.restore(id).replace_existing().await;
            assert_database(koan, restored.is_ok(), trust).await;
            match restored {
                Ok(_) => {
                    assert!(
                        valid,
                        "a backup was restored with verification although it is not valid: {report:?}"
                    );
                    *koan = context(vault, &sentinel()).await;
                }
                Err(error) if valid => {
                    let damaged = matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Record);
                    assert!(
                        !damaged,
                        "a backup was reported as valid but cannot be restored: {}",
                        error.chain()
                    );
                    assert_ne!(trust, Trust::Whole, "{}", error.chain());
                }
                Err(_) => {}
            }
        });
    }

    /// Lists the backups, and finds a backup by its name.
    ///
    /// # Panics
    /// Panics if a backup with another id is found, if the manifest is neither listed nor reported as
    /// unreadable, or if the backup is reported as valid although `trust` is [`Trust::Nothing`].
    pub fn look_up(&mut self, altered: &Stored, trust: Trust) {
        let Self { vault, koan, runtime, .. } = self;
        let id = self.id;
        runtime.block_on(async {
            vault.write_backup(altered).await;
            if let Ok(listed) = koan.backups().await {
                assert!(listed.iter().all(|backup| backup.id == id), "another backup was listed");
                // An unreadable manifest must be reported and must not hide other backups.
                let unreadable = koan.catalog().unreadable().await.expect("listed");
                assert_eq!(
                    listed.len() + unreadable.len(),
                    1,
                    "a manifest must be either listed or reported as unreadable"
                );
            }
            if let Ok(report) = koan.verify(BackupRef::Name(NAME.to_owned())).await {
                assert_eq!(report.id, id, "another backup was found");
                assert!(
                    trust != Trust::Nothing || !report.is_valid(),
                    "an altered backup was reported as valid"
                );
            }
            // Any result is allowed, but the calls must not panic.
            drop(koan.restore(NAME).viability().await);
            drop(koan.restore(id).allow_partial().dry_run().await);
        });
    }
}

/// Checks that the database contains the restored records, or is unchanged after a failed restore.
async fn assert_database(koan: &Koan, restored: bool, trust: Trust) {
    let records = content(koan).await;
    if !restored {
        assert_eq!(records, sentinel(), "a refused restore must not change the database");
    } else if trust != Trust::Hashes {
        assert_eq!(records, archived(), "a restore must restore the records that were backed up");
    }
}

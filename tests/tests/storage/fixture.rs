//! A provider with customers and photos, and the stores that the tests of this suite use.

use futures::TryStreamExt;
use koan_backup::prelude::*;
use koan_backup::{Compression, SetName, archive::Manifest, storage::StorageOptions};
use koan_backup_tests::scripted::Scripted;
use koan_backup_tests::state_directory::state_directory;
use koan_backup_tests::stores::{Azurite, Moto, MotoBackedGoogle, S3s};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
pub(crate) struct Customer {
    pub(crate) id: i64,
    pub(crate) name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Entity)]
pub(crate) struct Photo {
    pub(crate) id: i64,
    pub(crate) pixels: String,
}

/// Returns the customers of every provider.
pub(crate) fn customers() -> Vec<Customer> {
    ["Ada", "Björk", "Chloé"]
        .iter()
        .zip(1..)
        .map(|(name, id)| Customer { id, name: (*name).to_owned() })
        .collect()
}

/// Returns a provider whose photos have this total size.
pub(crate) fn shop(photo_bytes: usize) -> Scripted {
    let database = Scripted::default();
    for customer in customers() {
        database.put(&SetName::root(), &customer);
    }
    let mut remaining_bytes = photo_bytes;
    for id in 0.. {
        if remaining_bytes == 0 {
            break;
        }
        let pixel_count = remaining_bytes.min(256 << 10);
        let mut generator = fastrand::Rng::with_seed(id);
        let pixels = (0..pixel_count).map(|_| generator.alphanumeric()).collect();
        let id = i64::try_from(id).expect("the number of photos fits into i64");
        database.put(&SetName::root(), &Photo { id, pixels });
        remaining_bytes -= pixel_count;
    }
    database
}

/// Creates a context for a provider with these profiles. The first profile is the default.
pub(crate) async fn koan(
    database: Scripted,
    profiles: impl IntoIterator<Item = (&'static str, Storage)>,
) -> Koan {
    let builder = Koan::builder().state_directory(state_directory()).provider(database);
    let builder =
        profiles.into_iter().fold(builder, |builder, (name, storage)| builder.named_storage(name, storage));
    builder.build().await.expect("a context")
}

/// Reads the customers from the provider.
pub(crate) async fn customers_of(koan: &Koan) -> Vec<Customer> {
    koan.data::<Customer>().all_stream().try_collect().await.expect("readable")
}

/// Makes a backup without compression, so that the archive is as large as its content.
pub(crate) async fn backup(koan: &Koan, name: &str) -> Result<Manifest, Error> {
    Ok(koan.backup(name).compression(Compression::stored()).await?.manifest().clone())
}

/// A store that runs until the value is dropped.
pub(crate) enum TestStore {
    Directory(tempfile::TempDir),
    Memory(Vec<(String, Storage)>),
    Moto(Moto),
    S3s(S3s),
    Azurite(Azurite),
    Google(MotoBackedGoogle),
}

impl TestStore {
    /// Returns a profile with this prefix. The same prefix always returns the same profile.
    pub(crate) fn storage(&mut self, prefix: &str) -> Storage {
        let open = |options: StorageOptions| options.open().expect("a profile");
        match self {
            Self::Directory(folder) => {
                Storage::url(format!("file://{}/{prefix}", folder.path().display())).expect("a directory")
            }
            Self::Memory(known) => {
                if let Some((_, storage)) = known.iter().find(|(known, _)| known == prefix) {
                    return storage.clone();
                }
                let storage = Storage::url("memory:").expect("memory");
                known.push((prefix.to_owned(), storage.clone()));
                storage
            }
            Self::Moto(server) => open(server.storage(prefix)),
            Self::S3s(server) => open(server.storage(prefix)),
            Self::Azurite(server) => open(server.storage(prefix)),
            Self::Google(server) => open(server.storage(prefix)),
        }
    }
}

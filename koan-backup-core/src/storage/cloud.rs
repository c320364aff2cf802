//! Buckets of the supported clouds. Each cloud has a cargo feature.

mod answer;
#[cfg(feature = "azure")]
mod azure;
mod explaining;
#[cfg(feature = "gcs")]
mod google;
mod hints;
mod keys;
mod protocol;
mod request_kind;
#[cfg(feature = "s3")]
mod s3;
mod secrets;
mod settings;
mod xml;

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::prefix::PrefixStore;

pub(super) use self::answer::StoreResponse;
use self::explaining::{ExplainingMultipart, ExplainingStore};
use self::secrets::Secrets;
use super::location::{BucketLocation, Cloud, missing_feature};
use super::options::StorageOptions;
use crate::foundation::error::Result;

/// A bucket. `multipart` is its interface for multipart uploads with ids, if it supports them.
pub(super) struct Bucket {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) multipart: Option<Arc<dyn MultipartStore>>,
}

/// Opens a bucket. The errors of its requests contain the response of the store and a hint on what to check.
pub(super) fn open(bucket: &BucketLocation, options: &StorageOptions) -> Result<Bucket> {
    let secrets = Secrets::collect(options);
    let opened = match bucket.cloud {
        #[cfg(feature = "s3")]
        Cloud::S3 => Bucket::below(&bucket.prefix, s3::open(bucket, options, &secrets)?),
        // Azure uploads have no ids: uncommitted blocks expire automatically and cannot be removed.
        #[cfg(feature = "azure")]
        Cloud::Azure => Bucket {
            multipart: None,
            ..Bucket::below(&bucket.prefix, azure::open(bucket, options, &secrets)?)
        },
        #[cfg(feature = "gcs")]
        Cloud::Google => Bucket::below(&bucket.prefix, google::open(bucket, options, &secrets)?),
        #[allow(unreachable_patterns)]
        Cloud::S3 | Cloud::Azure | Cloud::Google => return Err(missing_feature(bucket)),
    };
    Ok(opened.with_explained_errors(&secrets))
}

impl Bucket {
    /// Returns the bucket below a prefix of a store.
    fn below<S: ObjectStore + MultipartStore>(prefix: &Path, store: S) -> Self {
        match prefix.as_ref() {
            "" => Self::from_store(Arc::new(store)),
            _ => Self::from_store(Arc::new(PrefixStore::new(store, prefix.clone()))),
        }
    }

    fn from_store<S: ObjectStore + MultipartStore>(store: Arc<S>) -> Self {
        Self { store: Arc::clone(&store) as _, multipart: Some(store) }
    }

    fn with_explained_errors(self, secrets: &Secrets) -> Self {
        Self {
            store: Arc::new(ExplainingStore::new(self.store, secrets.clone())),
            multipart: self
                .multipart
                .map(|store| Arc::new(ExplainingMultipart::new(store, secrets.clone())) as _),
        }
    }
}

#[cfg(all(test, feature = "s3"))]
mod tests {
    use super::*;
    use crate::storage::Storage;

    #[test]
    fn the_debug_text_of_a_storage_contains_no_secret() {
        let options = StorageOptions::new("s3://backups/shop".to_owned());
        let options = options.without_environment().credentials("AKIAPUBLIC", "hunter22");
        let storage = options.clone().open().expect("the storage is opened");
        let storage = storage.bandwidth_limit(1000).expect("the limit is not 0");
        let debug_text =
            format!("{:?} {:?} {options:?} {storage:?}", storage.store(), Storage::clone(&storage).store());
        assert!(!debug_text.contains("hunter22") && debug_text.contains("backups"), "{debug_text}");
    }
}

//! Buckets of the clouds, behind a feature each.

mod answer;
mod answering;
#[cfg(feature = "azure")]
mod azure;
#[cfg(feature = "gcs")]
mod google;
#[cfg(feature = "s3")]
mod s3;
mod secrets;
mod settings;

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::prefix::PrefixStore;

pub(super) use self::answer::Answer;
use self::answering::Answering;
use self::secrets::Secrets;
use super::location::{BucketLocation, Cloud};
use super::options::{StorageOptions, missing_feature};
use crate::error::Result;

/// The bucket, whose errors say what the store answered and what to check.
pub(super) fn open(bucket: &BucketLocation, options: &StorageOptions) -> Result<Arc<dyn ObjectStore>> {
    let secrets = Secrets::of(options);
    let store = match bucket.cloud {
        #[cfg(feature = "s3")]
        Cloud::S3 => s3::open(bucket, options, &secrets)?,
        #[cfg(feature = "azure")]
        Cloud::Azure => azure::open(bucket, options, &secrets)?,
        #[cfg(feature = "gcs")]
        Cloud::Google => google::open(bucket, options, &secrets)?,
        #[allow(unreachable_patterns)]
        Cloud::S3 | Cloud::Azure | Cloud::Google => return Err(missing_feature(bucket)),
    };
    let store = match bucket.prefix.as_ref() {
        "" => store,
        _ => Arc::new(PrefixStore::new(store, bucket.prefix.clone())),
    };
    Ok(Arc::new(Answering::new(store, secrets)))
}

#[cfg(all(test, feature = "s3"))]
mod tests {
    use super::*;
    use crate::Storage;

    #[test]
    fn no_secret_is_shown_of_a_store_and_what_is_around_it() {
        let options = StorageOptions::new("s3://backups/shop".to_owned());
        let options = options.without_environment().credentials("AKIAPUBLIC", "hunter22");
        let storage = options.clone().open().expect("a place").bandwidth_limit(1000).expect("a limit");
        let shown =
            format!("{:?} {:?} {options:?} {storage:?}", storage.store(), Storage::clone(&storage).store());
        assert!(!shown.contains("hunter22") && shown.contains("backups"), "{shown}");
    }
}

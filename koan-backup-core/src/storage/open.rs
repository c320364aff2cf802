//! The opening of a storage by its URL.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::multipart::MultipartStore;

use super::Storage;
use super::bucket_identity;
#[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
use super::cloud;
#[cfg(not(any(feature = "s3", feature = "azure", feature = "gcs")))]
use super::location::missing_feature;
use super::location::{BucketLocation, Location};
use super::options::{EnvironmentVariables, StorageOptions};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::names::names;

/// A bucket, and its interface for multipart uploads with ids, if it supports them.
type OpenBucket = (Arc<dyn ObjectStore>, Option<Arc<dyn MultipartStore>>);

impl Storage {
    /// Opens the storage that a URL specifies:
    ///
    /// | URL | storage | feature |
    /// |---|---|---|
    /// | `s3://bucket/prefix` | Amazon S3, or an S3-compatible store | `s3` |
    /// | `az://container/prefix` | Azure Blob Storage | `azure` |
    /// | `gs://bucket/prefix` | Google Cloud Storage | `gcs` |
    /// | `file:///path` | a directory, as by [`local`](Self::local) | |
    /// | `memory:` | memory, as by [`memory`](Self::memory) | |
    ///
    /// Credentials, region and endpoint come from the usual environment variables of each cloud
    /// (`AWS_ACCESS_KEY_ID`, `AZURE_STORAGE_ACCOUNT_NAME`, `GOOGLE_APPLICATION_CREDENTIALS`, …), or from
    /// [`options`](Self::options). The store is not contacted yet.
    ///
    /// # Errors
    /// The URL is invalid, contains credentials or options, or needs a feature that is not enabled.
    pub fn url(url: impl Into<String>) -> Result<Self> {
        Self::options(url).open()
    }

    /// Returns the options for opening the storage that a URL specifies.
    ///
    /// ```no_run
    /// # use koan_backup_core::{Result, Storage};
    /// # fn main() -> Result<()> {
    /// let options = Storage::options("s3://backups/shop").region("eu-central-1");
    /// let storage = options.endpoint("https://s3.example.com").open()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn options(url: impl Into<String>) -> StorageOptions {
        StorageOptions::new(url.into())
    }
}

impl StorageOptions {
    /// Opens the storage. The store is not contacted yet.
    ///
    /// # Errors
    /// The URL is invalid or needs a feature that is not enabled, or an option is unknown or invalid.
    pub fn open(self) -> Result<Storage> {
        let storage = match Location::parse(&self.url)? {
            Location::Memory => self.require_no_options("memory:").map(|()| Storage::memory()),
            Location::Directory(path) => {
                self.require_no_options("file:")?;
                Storage::local(path)
            }
            Location::Bucket(bucket) => {
                self.require_endpoint_without_credentials(&bucket)?;
                let (store, multipart) = self.open_bucket(&bucket)?;
                Ok(Storage::cloud(store, multipart, &bucket, self.identity(&bucket)))
            }
        };
        storage.map(|storage| Storage { new_profile: self.new_profile, ..storage })
    }

    /// Returns the identity of a bucket; see [`bucket_identity::identity`].
    fn identity(&self, bucket: &BucketLocation) -> String {
        let variables = std::env::vars().filter(|_| self.environment == EnvironmentVariables::Read);
        bucket_identity::identity(bucket, &self.options, variables)
    }

    /// Refuses an endpoint that contains credentials, because errors of the HTTP client contain the endpoint.
    fn require_endpoint_without_credentials(&self, bucket: &BucketLocation) -> Result<()> {
        let variables = std::env::vars().filter(|_| self.environment == EnvironmentVariables::Read);
        let Some(name) = bucket_identity::endpoint_with_credentials(bucket, &self.options, variables) else {
            return Ok(());
        };
        Err(Error::new(
            ErrorKind::Configuration,
            format!(
                "storage `{}`: the address in `{name}` contains an `@`, and the credentials before it would \
                 appear in logs; set credentials in the environment, or with `.credentials(…)`",
                bucket.url()
            ),
        ))
    }

    /// Refuses options for a storage that does not support options.
    fn require_no_options(&self, scheme: &str) -> Result<()> {
        if self.options.is_empty() {
            return Ok(());
        }
        let names = names(self.options.iter().map(|(name, _)| name));
        Err(Error::new(
            ErrorKind::Configuration,
            format!("storage `{scheme}` does not support options; remove {names}"),
        ))
    }

    #[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
    fn open_bucket(&self, bucket: &BucketLocation) -> Result<OpenBucket> {
        let cloud::Bucket { store, multipart } = cloud::open(bucket, self)?;
        Ok((store, multipart))
    }

    #[cfg(not(any(feature = "s3", feature = "azure", feature = "gcs")))]
    fn open_bucket(&self, bucket: &BucketLocation) -> Result<OpenBucket> {
        let _ = (self.environment, self.retry.times, self.retry.within);
        Err(missing_feature(bucket))
    }
}

#[cfg(all(test, not(any(feature = "s3", feature = "azure", feature = "gcs"))))]
mod tests {
    use super::*;

    #[test]
    fn a_cloud_whose_feature_is_off_is_refused_with_the_remedy() {
        for (url, feature) in
            [("s3://backups/shop", "s3"), ("az://backups", "azure"), ("gs://backups", "gcs")]
        {
            let error = Storage::url(url).expect_err("the feature is not enabled");
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains(&format!("features = [\"{feature}\"]")), "{error}");
            assert!(error.to_string().contains(url), "{error}");
        }
    }
}

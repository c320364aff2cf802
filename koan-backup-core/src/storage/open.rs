//! The opening of a storage by its URL.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::multipart::MultipartStore;

use super::Storage;
#[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
use super::cloud;
#[cfg(not(any(feature = "s3", feature = "azure", feature = "gcs")))]
use super::location::missing_feature;
use super::location::{BucketLocation, Location};
use super::options::{StorageOptions, Variables};
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
                Ok(Storage::cloud(store, multipart, bucket.url(), self.identity(&bucket)))
            }
        };
        storage.map(|storage| Storage { new_profile: self.new_profile, ..storage })
    }

    /// Returns the identity of a bucket: its URL, endpoint and account, which distinguish it from a bucket
    /// with the same name in another account or service. The identity contains no secret, and is only hashed.
    fn identity(&self, bucket: &BucketLocation) -> String {
        const IDENTITY_OPTIONS: [&str; 4] = ["endpoint", "base_url", "account_name", "endpoint_url"];
        let variables = std::env::vars().filter(|_| self.environment == Variables::Read);
        let variables = variables
            .filter(|(name, _)| ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|cloud| name.starts_with(cloud)));
        let values = self.options.iter().cloned().chain(variables).filter_map(|(name, value)| {
            let name = name.to_ascii_lowercase();
            IDENTITY_OPTIONS.iter().any(|ending| name.ends_with(ending)).then_some(value)
        });
        values.fold(bucket.url(), |identity, value| format!("{identity} {value}"))
    }

    /// Refuses an endpoint that contains credentials, because errors of the HTTP client contain the endpoint.
    fn require_endpoint_without_credentials(&self, bucket: &BucketLocation) -> Result<()> {
        let has_credentials = |value: &str| {
            let authority = value.split_once("://").map_or(value, |(_, rest)| rest);
            authority.contains('@')
        };
        let variables = std::env::vars().filter(|_| self.environment == Variables::Read);
        let variables = variables
            .filter(|(name, _)| ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|cloud| name.starts_with(cloud)));
        let refused = self.options.iter().cloned().chain(variables).find(|(name, value)| {
            let name = name.to_ascii_lowercase();
            ["endpoint", "base_url", "endpoint_url"].iter().any(|ending| name.ends_with(ending))
                && has_credentials(value)
        });
        let Some((name, _)) = refused else { return Ok(()) };
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

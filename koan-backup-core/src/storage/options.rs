//! The options of a storage that is opened by its URL.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use object_store::multipart::MultipartStore;

use super::Storage;
#[cfg(any(feature = "s3", feature = "azure", feature = "gcs"))]
use super::cloud;
use super::location::{BucketLocation, Location};
use super::profile::NewProfile;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::names::names;

/// The options of a storage that a URL names; see [`Storage::options`]. Options that are not set come from
/// the usual environment variables of each cloud.
#[derive(Clone)]
#[must_use = "call `open` to get the storage"]
pub struct StorageOptions {
    url: String,
    pub(super) options: Vec<(String, String)>,
    pub(super) environment: Variables,
    pub(super) retry: Retry,
    new_profile: NewProfile,
}

/// A bucket, and its interface for multipart uploads with ids, if it has one.
type OpenBucket = (Arc<dyn ObjectStore>, Option<Arc<dyn MultipartStore>>);

/// Whether environment variables are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variables {
    Read,
    Ignored,
}

/// How often and for how long a failed request is retried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retry {
    pub(super) times: usize,
    pub(super) within: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { times: 4, within: Duration::from_secs(60) }
    }
}

impl StorageOptions {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            options: Vec::new(),
            environment: Variables::Read,
            retry: Retry::default(),
            new_profile: NewProfile::default(),
        }
    }

    /// Sets an option by its name. The names are those of the environment variables in lower case, with or
    /// without their prefix (`aws_access_key_id` or `access_key_id`, `azure_storage_account_key` or
    /// `account_key`, `google_service_account` or `service_account`), and those of the HTTP client
    /// (`timeout`, `connect_timeout`, `proxy_url`, `allow_http`, …). If an option is set several times, the
    /// last value counts. Values are never shown.
    pub fn option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.push((name.into(), value.into()));
        self
    }

    /// Sets the address of a store that is not the cloud's own, for example MinIO. An address without TLS
    /// (`http://`) is accepted only on this machine, unless the option `allow_http` is `true`.
    pub fn endpoint(self, url: impl Into<String>) -> Self {
        let name = if self.has_scheme("gs:") { "base_url" } else { "endpoint" };
        self.option(name, url)
    }

    /// Sets the region of an S3 bucket. The default is the region in the environment, or else `us-east-1`.
    pub fn region(self, region: impl Into<String>) -> Self {
        self.option("region", region)
    }

    /// Sets the access key and its secret for S3, or the account and its key for Azure.
    pub fn credentials(self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        let (name, key) = match self.has_scheme("az:") {
            true => ("account_name", "account_key"),
            false => ("access_key_id", "secret_access_key"),
        };
        self.option(name, id).option(key, secret)
    }

    /// Sets how often, and for how long at most, a request is retried after an error of the store (5xx, 429)
    /// or of the network, with growing pauses. The default is 4 times within a minute. A refused request
    /// (403, 404) is never retried.
    pub fn retries(mut self, times: usize, within: Duration) -> Self {
        self.retry = Retry { times, within };
        self
    }

    /// Ignores environment variables.
    pub fn without_environment(mut self) -> Self {
        self.environment = Variables::Ignored;
        self
    }

    /// Allows the creation of a new profile if the environment variable `KOAN_ENV` is `production`; see
    /// [`Storage::create_if_missing`].
    pub fn create_if_missing(mut self) -> Self {
        self.new_profile = NewProfile::Allowed;
        self
    }

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
                self.require_clean_endpoint(&bucket)?;
                let (store, multipart) = self.open_bucket(&bucket)?;
                Ok(Storage::cloud(store, multipart, bucket.url(), self.identity(&bucket)))
            }
        };
        storage.map(|storage| Storage { new_profile: self.new_profile, ..storage })
    }

    /// Returns the identity of a bucket, which distinguishes it from one with the same name elsewhere: its
    /// URL, endpoint and account. It contains no secret, and is only hashed.
    fn identity(&self, bucket: &BucketLocation) -> String {
        const NAMES: [&str; 4] = ["endpoint", "base_url", "account_name", "endpoint_url"];
        let variables = std::env::vars().filter(|_| self.environment == Variables::Read);
        let variables = variables
            .filter(|(name, _)| ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|cloud| name.starts_with(cloud)));
        let values = self.options.iter().cloned().chain(variables).filter_map(|(name, value)| {
            let name = name.to_ascii_lowercase();
            NAMES.iter().any(|ending| name.ends_with(ending)).then_some(value)
        });
        values.fold(bucket.url(), |identity, value| format!("{identity} {value}"))
    }

    /// Refuses an endpoint that contains credentials, because errors of the HTTP client show it.
    fn require_clean_endpoint(&self, bucket: &BucketLocation) -> Result<()> {
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
                 appear in logs; give credentials in the environment, or with `.credentials(…)`",
                bucket.url()
            ),
        ))
    }

    fn has_scheme(&self, scheme: &str) -> bool {
        self.url.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
    }

    /// Refuses options for a storage that has none.
    fn require_no_options(&self, scheme: &str) -> Result<()> {
        if self.options.is_empty() {
            return Ok(());
        }
        let names = names(self.options.iter().map(|(name, _)| name));
        Err(Error::new(
            ErrorKind::Configuration,
            format!("storage `{scheme}` has no options: leave out {names}"),
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

/// Returns the error of a cloud whose feature is not enabled.
pub(super) fn missing_feature(bucket: &BucketLocation) -> Error {
    let (scheme, feature) = (bucket.cloud.scheme(), bucket.cloud.feature());
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "storage `{}` needs the feature `{feature}` of koan-backup: add it in Cargo.toml, `koan-backup = \
             {{ version = \"…\", features = [\"{feature}\"] }}`, to open `{scheme}://…`",
            bucket.url()
        ),
    )
}

/// Shows only the names of options, never their values.
impl fmt::Debug for StorageOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = match Location::parse(&self.url) {
            Ok(_) => self.url.as_str(),
            Err(_) => "…",
        };
        let options: Vec<_> = self.options.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("StorageOptions")
            .field("url", &url)
            .field("options", &options)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
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
            let error = Storage::url(url).expect_err("it is not built in");
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains(&format!("features = [\"{feature}\"]")), "{error}");
            assert!(error.to_string().contains(url), "{error}");
        }
    }
}

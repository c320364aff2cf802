//! The options of a storage that is opened by its URL.

use std::fmt;
use std::time::Duration;

use super::location::Location;
use super::profile_state::NewProfile;

/// The options of a storage that a URL specifies; see [`Storage::options`](crate::Storage::options). Options
/// that are not set are read from the usual environment variables of each cloud.
///
/// ```
/// use std::time::Duration;
///
/// use koan_backup::Storage;
///
/// # #[cfg(feature = "s3")]
/// # fn main() -> koan_backup::Result<()> {
/// let minio = Storage::options("s3://backups/shop")
///     .endpoint("https://minio.example.com")
///     .region("eu-central-1")
///     .credentials("shop", "the secret")
///     .retries(6, Duration::from_secs(120))
///     .open()?;
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "s3"))]
/// # fn main() {}
/// ```
#[derive(Clone)]
#[must_use = "call `open` to get the storage"]
pub struct StorageOptions {
    pub(super) url: String,
    pub(super) options: Vec<(String, String)>,
    pub(super) environment: EnvironmentVariables,
    pub(super) retry: Retry,
    pub(super) new_profile: NewProfile,
}

/// Whether environment variables are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EnvironmentVariables {
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
            environment: EnvironmentVariables::Read,
            retry: Retry::default(),
            new_profile: NewProfile::default(),
        }
    }

    /// Sets an option by its name. Valid names are the names of the environment variables in lower case, with
    /// or without their prefix (`aws_access_key_id` or `access_key_id`, `azure_storage_account_key` or
    /// `account_key`, `google_service_account` or `service_account`), and the names of the options of the
    /// HTTP client (`timeout`, `connect_timeout`, `proxy_url`, `allow_http`, …). If an option is set several
    /// times, the last value is used. Values never appear in messages.
    pub fn option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.push((name.into(), value.into()));
        self
    }

    /// Sets the address of a compatible store that is not operated by the cloud itself, for example MinIO. An
    /// address without TLS (`http://`) is accepted only for this machine, unless the option `allow_http` is
    /// `true`.
    pub fn endpoint(self, url: impl Into<String>) -> Self {
        let name = if self.has_scheme("gs:") { "base_url" } else { "endpoint" };
        self.option(name, url)
    }

    /// Sets the region of an S3 bucket. The default is the region in the environment, or `us-east-1` if none
    /// is set there.
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
    /// or of the network, with increasing pauses. The default is 4 times within a minute. A refused request
    /// (403, 404) is never retried.
    pub fn retries(mut self, times: usize, within: Duration) -> Self {
        self.retry = Retry { times, within };
        self
    }

    /// Ignores environment variables.
    pub fn without_environment(mut self) -> Self {
        self.environment = EnvironmentVariables::Ignored;
        self
    }

    /// Allows the creation of a new profile even if the environment variable `KOAN_ENV` is `production`,
    /// where it is refused by default; see [`Storage::create_if_missing`](crate::Storage::create_if_missing).
    pub fn create_if_missing(mut self) -> Self {
        self.new_profile = NewProfile::Allowed;
        self
    }

    fn has_scheme(&self, scheme: &str) -> bool {
        self.url.get(..scheme.len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case(scheme))
    }
}

/// The debug text contains only the names of options, never their values.
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

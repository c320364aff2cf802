//! The settings of a storage profile.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::secret::{SecretText, address_schema, options_schema, secret_schema};
use crate::time_span::TimeSpan;

/// A location for archives. Options that its kind does not have are refused.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StorageSettings {
    /// The path of a directory, or a URL: `file:///path`, `s3://bucket/prefix`, `az://container/prefix`,
    /// `gs://bucket/prefix` or `memory:`.
    #[schemars(schema_with = "address_schema")]
    pub(crate) url: SecretText,
    /// Whether a new profile is created if the variable `KOAN_ENV` is `production`, or if its path is similar to the
    /// path of an existing profile.
    pub(crate) create_if_missing: Option<bool>,
    /// The maximum number of bytes per second for writing archives, and separately for reading them.
    pub(crate) bandwidth_limit: Option<NonZeroU64>,
    /// Whether archives are encrypted as a whole, in addition to entities whose policy requires encryption.
    pub(crate) encrypt_archives: Option<bool>,
    /// S3: the region of the bucket.
    pub(crate) region: Option<String>,
    /// Clouds: the address of a compatible store that is not operated by the cloud itself.
    pub(crate) endpoint: Option<String>,
    /// S3 and Azure: the id of the access key, or the name of the account.
    pub(crate) access_key_id: Option<String>,
    /// S3 and Azure: the secret of the access key, or the key of the account.
    #[serde(default)]
    #[schemars(schema_with = "secret_schema")]
    pub(crate) secret_access_key: Option<SecretText>,
    /// Clouds: how often a request is retried after an error of the store or of the network. The default is 4.
    pub(crate) retries: Option<usize>,
    /// Clouds: for how long at most a request is retried. The default is `1m`.
    pub(crate) retry_within: Option<TimeSpan>,
    /// Clouds: other options by their names, for example `allow_http = "true"`.
    #[serde(default)]
    #[schemars(schema_with = "options_schema")]
    pub(crate) options: Option<BTreeMap<String, SecretText>>,
}

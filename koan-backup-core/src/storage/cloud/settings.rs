//! What the builders of all clouds have in common.

use std::str::FromStr;
use std::time::Duration;

use object_store::{BackoffConfig, RetryConfig};

use super::secrets::{SHORTEST, Secrets};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::location::BucketLocation;
use crate::storage::options::StorageOptions;

/// A builder of one of the clouds with what the environment and the options say.
macro_rules! builder {
    ($builder:ty, $key:ty, $bucket:expr, $options:expr, $common:expr) => {{
        let builder = match $options.environment {
            crate::storage::options::Variables::Read => <$builder>::from_env(),
            crate::storage::options::Variables::Ignored => <$builder>::new(),
        };
        let keys = crate::storage::cloud::settings::keys::<$key>($bucket, $options, $common)?;
        keys.into_iter().fold(builder, |builder, (key, value)| builder.with_config(key, value))
    }};
}

pub(super) use builder;

/// The options as a cloud's own keys.
///
/// # Errors
/// One is not known, or is not for the caller to say; the error names it.
pub(super) fn keys<K: FromStr>(
    bucket: &BucketLocation,
    options: &StorageOptions,
    common: &str,
) -> Result<Vec<(K, String)>> {
    let refused = |name: &str, problem: &str| {
        Error::new(ErrorKind::Configuration, format!("storage `{}`: option `{name}` {problem}", bucket.url()))
    };
    let key = |(name, value): &(String, String)| {
        let lower = name.to_ascii_lowercase();
        if ["bucket", "bucket_name", "container_name"].iter().any(|ending| lower.ends_with(ending)) {
            return Err(refused(name, "is what the URL says; leave it out"));
        }
        if lower.ends_with("conditional_put") {
            return Err(refused(
                name,
                "cannot be chosen: a manifest is only ever created, so the store must be able to",
            ));
        }
        let key = lower
            .parse()
            .map_err(|_| refused(name, &format!("is not known; among those that are: {common}")))?;
        Ok((key, value.clone()))
    };
    options.options.iter().map(key).collect()
}

/// Pauses that grow, a few tries, and an end.
pub(super) fn retry(options: &StorageOptions) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(10),
            base: 2.0,
        },
        max_retries: options.retry.times,
        retry_timeout: options.retry.within,
    }
}

/// Whether an address is reached without TLS on this machine, which nobody else hears.
///
/// # Errors
/// It is reached without TLS elsewhere, and `allowed` does not say that it may be.
pub(super) fn is_plain_and_local(
    bucket: &BucketLocation,
    endpoint: Option<&str>,
    allowed: Option<String>,
) -> Result<bool> {
    let Some(address) = endpoint.and_then(|endpoint| endpoint.strip_prefix("http://")) else {
        return Ok(false);
    };
    let host = address.split('/').next().unwrap_or_default();
    let local = ["127.0.0.1", "localhost", "[::1]"]
        .iter()
        .any(|name| host == *name || host.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')));
    if local || allowed.is_some_and(|allowed| allowed == "true") {
        return Ok(local);
    }
    Err(Error::new(
        ErrorKind::Configuration,
        format!(
            "storage `{}` would be reached without TLS; use `https://`, or say `.option(\"allow_http\", \"true\")`",
            bucket.url()
        ),
    ))
}

/// The error of a store that cannot be set up. It names options and shows no value of one.
pub(super) fn not_opened(
    bucket: &BucketLocation,
    options: &StorageOptions,
    secrets: &Secrets,
    source: &object_store::Error,
) -> Error {
    let said = options.options.iter().filter(|(_, value)| value.len() >= SHORTEST);
    let text = said.fold(source.to_string(), |text, (_, value)| text.replace(value.as_str(), "…"));
    let text = secrets.hidden_in(text);
    Error::with_source(
        ErrorKind::Configuration,
        format!("storage `{}` cannot be opened; check its options and the environment", bucket.url()),
        text,
    )
}

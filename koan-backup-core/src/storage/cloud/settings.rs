//! Settings that all clouds share.

use std::str::FromStr;
use std::time::Duration;

use object_store::{BackoffConfig, RetryConfig};

use super::secrets::{MIN_SECRET_BYTES, Secrets};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::storage::location::BucketLocation;
use crate::storage::options::StorageOptions;

/// Creates the `object_store` builder of a cloud from the environment and the options.
macro_rules! builder {
    ($builder:ty, $key:ty, $bucket:expr, $options:expr, $common:expr) => {{
        let builder = match $options.environment {
            crate::storage::options::EnvironmentVariables::Read => <$builder>::from_env(),
            crate::storage::options::EnvironmentVariables::Ignored => <$builder>::new(),
        };
        let keys = crate::storage::cloud::settings::keys::<$key>($bucket, $options, $common)?;
        keys.into_iter().fold(builder, |builder, (key, value)| builder.with_config(key, value))
    }};
}

pub(super) use builder;

/// Converts the options to the configuration keys of a cloud.
///
/// # Errors
/// An option is unknown, or the caller must not set it. The error contains the name of the option.
pub(super) fn keys<K: FromStr>(
    bucket: &BucketLocation,
    options: &StorageOptions,
    common: &str,
) -> Result<Vec<(K, String)>> {
    let option_error = |name: &str, problem: &str| {
        Error::new(ErrorKind::Configuration, format!("storage `{}`: option `{name}` {problem}", bucket.url()))
    };
    let key = |(name, value): &(String, String)| {
        let lower = name.to_ascii_lowercase();
        if ["bucket", "bucket_name", "container_name"].iter().any(|ending| lower.ends_with(ending)) {
            return Err(option_error(name, "is part of the URL; remove the option"));
        }
        if lower.ends_with("conditional_put") {
            return Err(option_error(
                name,
                "cannot be set, because manifests need conditional writes; remove it",
            ));
        }
        let key = lower
            .parse()
            .map_err(|_| option_error(name, &format!("is unknown; common options are {common}")))?;
        Ok((key, value.clone()))
    };
    options.options.iter().map(key).collect()
}

/// Returns the retry configuration, with increasing pauses between the attempts.
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

/// Returns whether an address uses no TLS and is on this machine, so that no data is sent over a network.
///
/// # Errors
/// The address uses no TLS, is not on this machine, and `allow_http` is not `true`.
pub(super) fn is_local_without_tls(
    bucket: &BucketLocation,
    endpoint: Option<&str>,
    allow_http: Option<String>,
) -> Result<bool> {
    let Some(address) = endpoint.and_then(|endpoint| endpoint.strip_prefix("http://")) else {
        return Ok(false);
    };
    let host = address.split('/').next().unwrap_or_default();
    let local = ["127.0.0.1", "localhost", "[::1]"]
        .iter()
        .any(|name| host == *name || host.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')));
    if local || allow_http.is_some_and(|value| value == "true") {
        return Ok(local);
    }
    Err(Error::new(
        ErrorKind::Configuration,
        format!(
            "storage `{}` would be accessed without TLS; use `https://`, or set `.option(\"allow_http\", \
             \"true\")`",
            bucket.url()
        ),
    ))
}

/// Creates the error for a store that cannot be configured. It contains the names of options but not their
/// values.
pub(super) fn open_error(
    bucket: &BucketLocation,
    options: &StorageOptions,
    secrets: &Secrets,
    source: &object_store::Error,
) -> Error {
    let values = options.options.iter().filter(|(_, value)| value.len() >= MIN_SECRET_BYTES);
    let text = values.fold(source.to_string(), |text, (_, value)| text.replace(value.as_str(), "…"));
    let text = secrets.redact(text);
    Error::with_source(
        ErrorKind::Configuration,
        format!("storage `{}` cannot be opened; check its options and the environment", bucket.url()),
        text,
    )
}

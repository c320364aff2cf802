//! Google Cloud Storage.

use object_store::gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder, GoogleConfigKey};

use super::protocol::CheckedConnector;
use super::secrets::Secrets;
use super::settings::{builder, is_local_without_tls, open_error, retry};
use crate::foundation::error::Result;
use crate::storage::location::BucketLocation;
use crate::storage::options::StorageOptions;

/// The options that are listed in the error for an unknown option.
const COMMON_OPTIONS: &str = "`service_account`, `service_account_key`, `application_credentials`, \
                              `bearer_token`, `base_url`, `skip_signature`, `timeout`, `allow_http`";

/// Opens a bucket of Google Cloud Storage.
pub(super) fn open(
    bucket: &BucketLocation,
    options: &StorageOptions,
    secrets: &Secrets,
) -> Result<GoogleCloudStorage> {
    let builder = builder!(GoogleCloudStorageBuilder, GoogleConfigKey, bucket, options, COMMON_OPTIONS);
    let allow_http = options.options.iter().rev().find(|(name, _)| name.eq_ignore_ascii_case("allow_http"));
    let allow_http = allow_http.map(|(_, value)| value.clone());
    is_local_without_tls(bucket, builder.get_config_value(&GoogleConfigKey::BaseUrl).as_deref(), allow_http)?;
    let store = builder
        .with_bucket_name(&bucket.bucket)
        .with_http_connector(CheckedConnector)
        .with_retry(retry(options))
        .build();
    store.map_err(|source| open_error(bucket, options, secrets, &source))
}

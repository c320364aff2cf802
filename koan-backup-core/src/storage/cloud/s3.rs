//! Amazon S3 and compatible stores.

use object_store::ClientConfigKey;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};

use super::protocol::CheckedConnector;
use super::secrets::Secrets;
use super::settings::{builder, is_local_without_tls, open_error, retry};
use crate::foundation::error::Result;
use crate::storage::location::BucketLocation;
use crate::storage::options::StorageOptions;

/// The options that are listed in the error for an unknown option.
const COMMON_OPTIONS: &str = "`access_key_id`, `secret_access_key`, `session_token`, `region`, `endpoint`, \
                      `virtual_hosted_style_request`, `server_side_encryption`, `sse_kms_key_id`, `timeout`, \
                      `allow_http`";

/// Opens a bucket of Amazon S3 or of a compatible store.
pub(super) fn open(bucket: &BucketLocation, options: &StorageOptions, secrets: &Secrets) -> Result<AmazonS3> {
    let mut builder = builder!(AmazonS3Builder, AmazonS3ConfigKey, bucket, options, COMMON_OPTIONS);
    let value = |key| builder.get_config_value(&key);
    let endpoint = value(AmazonS3ConfigKey::Endpoint).or_else(|| value(AmazonS3ConfigKey::S3Endpoint));
    let allow_http = value(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp));
    if is_local_without_tls(bucket, endpoint.as_deref(), allow_http)? {
        builder = builder.with_allow_http(true);
    }
    let store = builder
        .with_bucket_name(&bucket.bucket)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_http_connector(CheckedConnector)
        .with_retry(retry(options))
        .build();
    store.map_err(|source| open_error(bucket, options, secrets, &source))
}

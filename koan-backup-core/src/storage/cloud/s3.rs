//! Amazon S3, and what speaks its protocol.

use object_store::ClientConfigKey;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};

use super::protocol::CheckedConnector;
use super::secrets::Secrets;
use super::settings::{builder, is_plain_and_local, not_opened, retry};
use crate::foundation::error::Result;
use crate::storage::location::BucketLocation;
use crate::storage::options::StorageOptions;

const COMMON: &str = "`access_key_id`, `secret_access_key`, `session_token`, `region`, `endpoint`, \
                      `virtual_hosted_style_request`, `server_side_encryption`, `sse_kms_key_id`, `timeout`, `allow_http`";

pub(super) fn open(bucket: &BucketLocation, options: &StorageOptions, secrets: &Secrets) -> Result<AmazonS3> {
    let mut builder = builder!(AmazonS3Builder, AmazonS3ConfigKey, bucket, options, COMMON);
    let said = |key| builder.get_config_value(&key);
    let endpoint = said(AmazonS3ConfigKey::Endpoint).or_else(|| said(AmazonS3ConfigKey::S3Endpoint));
    let allowed = said(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp));
    if is_plain_and_local(bucket, endpoint.as_deref(), allowed)? {
        builder = builder.with_allow_http(true);
    }
    let store = builder
        .with_bucket_name(&bucket.bucket)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_http_connector(CheckedConnector)
        .with_retry(retry(options))
        .build();
    store.map_err(|source| not_opened(bucket, options, secrets, &source))
}

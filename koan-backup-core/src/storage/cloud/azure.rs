//! Azure Blob Storage.

use object_store::ClientConfigKey;
use object_store::azure::{AzureConfigKey, MicrosoftAzure, MicrosoftAzureBuilder};

use super::protocol::CheckedConnector;
use super::secrets::Secrets;
use super::settings::{builder, is_plain_and_local, not_opened, retry};
use crate::foundation::error::Result;
use crate::storage::location::BucketLocation;
use crate::storage::options::StorageOptions;

const COMMON: &str = "`account_name`, `account_key`, `sas_token`, `client_id`, `client_secret`, `tenant_id`, `endpoint`, \
                      `use_azure_cli`, `use_emulator`, `timeout`, `allow_http`";

pub(super) fn open(
    bucket: &BucketLocation,
    options: &StorageOptions,
    secrets: &Secrets,
) -> Result<MicrosoftAzure> {
    let mut builder = builder!(MicrosoftAzureBuilder, AzureConfigKey, bucket, options, COMMON);
    let said = |key| builder.get_config_value(&key);
    let allowed = said(AzureConfigKey::Client(ClientConfigKey::AllowHttp));
    if is_plain_and_local(bucket, said(AzureConfigKey::Endpoint).as_deref(), allowed)? {
        builder = builder.with_allow_http(true);
    }
    let store = builder
        .with_container_name(&bucket.bucket)
        .with_http_connector(CheckedConnector)
        .with_retry(retry(options))
        .build();
    store.map_err(|source| not_opened(bucket, options, secrets, &source))
}

//! Azure Blob Storage.

use object_store::ClientConfigKey;
use object_store::azure::{AzureConfigKey, MicrosoftAzure, MicrosoftAzureBuilder};

use super::protocol::CheckedConnector;
use super::secrets::Secrets;
use super::settings::{builder, is_local_without_tls, open_error, retry};
use crate::foundation::error::Result;
use crate::storage::location::BucketLocation;
use crate::storage::options::StorageOptions;

/// The options that are listed in the error for an unknown option.
const COMMON_OPTIONS: &str = "`account_name`, `account_key`, `sas_token`, `client_id`, `client_secret`, \
                              `tenant_id`, `endpoint`, `use_azure_cli`, `use_emulator`, `timeout`, \
                              `allow_http`";

/// Opens a container of Azure Blob Storage.
pub(super) fn open(
    bucket: &BucketLocation,
    options: &StorageOptions,
    secrets: &Secrets,
) -> Result<MicrosoftAzure> {
    let mut builder = builder!(MicrosoftAzureBuilder, AzureConfigKey, bucket, options, COMMON_OPTIONS);
    let value = |key| builder.get_config_value(&key);
    let allow_http = value(AzureConfigKey::Client(ClientConfigKey::AllowHttp));
    if is_local_without_tls(bucket, value(AzureConfigKey::Endpoint).as_deref(), allow_http)? {
        builder = builder.with_allow_http(true);
    }
    let store = builder
        .with_container_name(&bucket.bucket)
        .with_http_connector(CheckedConnector)
        .with_retry(retry(options))
        .build();
    store.map_err(|source| open_error(bucket, options, secrets, &source))
}

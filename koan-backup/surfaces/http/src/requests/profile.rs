//! The query parameters of requests about one backup.

use serde::Deserialize;
use utoipa::IntoParams;

/// The query parameter that selects a storage profile.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ProfileParameter {
    /// The name of the storage profile. Without this parameter, the default profile is used.
    pub(crate) storage_profile: Option<String>,
}

/// The query parameters of a deletion.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DeleteParameters {
    /// The name of the storage profile. Without this parameter, the default profile is used.
    pub(crate) storage_profile: Option<String>,
    /// Whether the backup is deleted even if it is the last good backup of a series or an entity.
    pub(crate) even_if_last: Option<bool>,
}

/// The query parameter of the web page that selects a storage profile.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageProfile {
    /// The name of the storage profile. Without this parameter, the default profile is used.
    pub(crate) profile: Option<String>,
}

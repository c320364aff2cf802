//! The storage profiles of the original design.

use std::path::Path;

use crate::key_path;
use crate::node::{Entry, Node};
use crate::origin::Origin;
use crate::problem::Problem;

/// The kinds of storage.
const KINDS: [&str; 4] = ["local", "s3", "azure-blob", "gcs"];
/// The kinds of databases, which store no archives.
const DATABASES: [&str; 10] = [
    "sqlite",
    "postgres",
    "postgresql",
    "json",
    "mongo",
    "mongodb",
    "mysql",
    "mariadb",
    "redis",
    "sqlserver",
];

/// Returns the settings of a profile, each with its key in `storage.*`. A relative container of a local profile is in
/// the directory `backups`, if it is set.
pub(super) fn settings(profile: &Entry, backups: Option<&str>) -> Result<Vec<(&'static str, Node)>, Problem> {
    let name = &profile.key;
    let key = format!("Koan.Storage.Profiles.{name}");
    let refuse = |origin: &Origin, text: String, remedy: String| {
        Problem::new(origin.clone(), key.clone(), format!("storage profile `{name}` {text}"))
            .with_remedy(remedy)
    };
    let text = |path: &[&str]| {
        let path: Vec<_> = path.iter().map(|&part| part.to_owned()).collect();
        profile.value.at(&path)
    };
    let Some(provider) = text(&["Provider"]) else {
        let kinds = key_path::suggestion("", KINDS.into_iter());
        return Err(refuse(&profile.key_origin, "has no `Provider`".to_owned(), format!("set it; {kinds}")));
    };
    let kind = provider.as_text().unwrap_or_default().to_ascii_lowercase();
    if DATABASES.contains(&kind.as_str()) {
        let remedy = format!("declare it under `providers`: `providers.{name} = \"…\"`");
        return Err(refuse(
            &provider.origin,
            format!("is a database (`{kind}`), which stores no archives"),
            remedy,
        ));
    }
    let container = text(&["Container"]);
    let bucket_key = match kind.as_str() {
        "azure-blob" => "ContainerName",
        _ => "BucketName",
    };
    for entry in text(&["Settings"]).into_iter().flat_map(Node::entries) {
        let is_known = match kind.as_str() {
            "s3" => ["BucketName", "Region"].as_slice(),
            "azure-blob" => &["ContainerName", "ConnectionString"],
            "gcs" => &["BucketName"],
            _ => &[],
        };
        if KINDS.contains(&kind.as_str()) && !is_known.contains(&entry.key.as_str()) {
            let text = format!("is of the kind `{kind}`, for which `{}` has no effect", entry.key);
            return Err(refuse(&entry.key_origin, text, "remove it".to_owned()));
        }
    }
    let bucket = text(&["Settings", bucket_key]);
    let mut settings = Vec::new();
    let url = match (kind.as_str(), bucket, container) {
        ("local", _, container) => {
            let directory = match (backups, container.and_then(Node::as_text)) {
                (Some(backups), Some(container)) => Path::new(backups).join(container),
                (Some(backups), None) => backups.into(),
                (None, Some(container)) => container.into(),
                (None, None) => {
                    let remedy = "set `Container` to the path of the directory".to_owned();
                    return Err(refuse(&profile.key_origin, "has no `Container`".to_owned(), remedy));
                }
            };
            directory.display().to_string()
        }
        ("s3" | "azure-blob" | "gcs", None, None) => {
            let remedy = format!("set `Settings:{bucket_key}` or `Container`");
            return Err(refuse(&profile.key_origin, format!("has no `{bucket_key}`"), remedy));
        }
        ("s3", bucket, container) => url("s3", bucket, container),
        ("azure-blob", bucket, container) => url("az", bucket, container),
        ("gcs", bucket, container) => url("gs", bucket, container),
        (kind, ..) => {
            let suggestion = key_path::suggestion(kind, KINDS.into_iter());
            return Err(refuse(
                &provider.origin,
                format!("has the unknown provider `{}`", kind.escape_debug()),
                suggestion,
            ));
        }
    };
    let place = container.or(bucket).unwrap_or(provider).origin.clone();
    settings.push(("url", Node::text(url, place)));
    if let Some(region) = text(&["Settings", "Region"]) {
        settings.push(("region", region.clone()));
    }
    if let Some(connection) = text(&["Settings", "ConnectionString"]) {
        let parts = connection_settings(connection.as_text().unwrap_or_default()).map_err(|problem| {
            refuse(
                &connection.origin,
                format!("has a `ConnectionString` that {problem}"),
                CONNECTION_REMEDY.to_owned(),
            )
        })?;
        settings
            .extend(parts.into_iter().map(|(key, text)| (key, Node::text(text, connection.origin.clone()))));
    }
    Ok(settings)
}

/// Returns the URL of a bucket. If both a bucket and a container are given, the container is the prefix.
fn url(scheme: &str, bucket: Option<&Node>, container: Option<&Node>) -> String {
    let text =
        |node: Option<&Node>| node.and_then(Node::as_text).map(|text| text.trim_matches('/').to_owned());
    match (text(bucket), text(container)) {
        (Some(bucket), Some(prefix)) => format!("{scheme}://{bucket}/{prefix}"),
        (Some(name), None) | (None, Some(name)) => format!("{scheme}://{name}"),
        (None, None) => format!("{scheme}://"),
    }
}

/// The remedy for an invalid connection string.
const CONNECTION_REMEDY: &str = "copy it from the portal: `AccountName=…;AccountKey=…`";

/// Returns the settings in a connection string of Azure. The error never contains a part of the string.
fn connection_settings(text: &str) -> Result<Vec<(&'static str, String)>, &'static str> {
    let parts: Vec<_> = text.split(';').filter(|part| !part.trim().is_empty()).collect();
    let part = |name: &str| {
        let values = parts.iter().filter_map(|part| part.split_once('='));
        values
            .clone()
            .find(|(key, _)| key.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
    };
    if parts.iter().any(|part| !part.contains('=')) {
        return Err("has a part without `=`");
    }
    let account = part("AccountName");
    let mut settings = Vec::new();
    match (part("AccountKey"), part("SharedAccessSignature")) {
        (Some(key), _) => settings.push(("secret_access_key", key)),
        (None, Some(signature)) => settings.push(("options.sas_key", signature)),
        (None, None) => return Err("has neither `AccountKey` nor `SharedAccessSignature`"),
    }
    match (part("BlobEndpoint"), part("EndpointSuffix"), &account) {
        (Some(endpoint), ..) => settings.push(("endpoint", endpoint)),
        (None, Some(suffix), Some(account)) if suffix != "core.windows.net" => {
            let protocol = part("DefaultEndpointsProtocol").unwrap_or_else(|| "https".to_owned());
            settings.push(("endpoint", format!("{protocol}://{account}.blob.{suffix}")));
        }
        _ => {}
    }
    settings.push(("access_key_id", account.ok_or("has no `AccountName`")?));
    Ok(settings)
}

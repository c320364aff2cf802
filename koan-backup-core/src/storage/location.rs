//! Parses the URL of a storage profile.

use std::path::PathBuf;

use object_store::path::Path;
use percent_encoding::percent_decode_str;

use crate::foundation::error::{Error, ErrorKind, Result};

/// The location that a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// `memory:`
    Memory,
    /// `file:///path`
    Directory(PathBuf),
    /// `s3://bucket/prefix`
    Bucket(BucketLocation),
}

/// A bucket of a cloud, and the prefix of all paths in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BucketLocation {
    pub(super) cloud: Cloud,
    pub(super) bucket: String,
    pub(super) prefix: Path,
}

/// The cloud of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cloud {
    S3,
    Azure,
    Google,
}

impl Cloud {
    pub(super) fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Azure => "az",
            Self::Google => "gs",
        }
    }

    /// Returns the cargo feature that supports this cloud.
    pub(super) fn feature(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Azure => "azure",
            Self::Google => "gcs",
        }
    }

    /// Returns the cloud's word for a bucket.
    fn bucket(self) -> &'static str {
        match self {
            Self::S3 | Self::Google => "bucket",
            Self::Azure => "container",
        }
    }
}

impl BucketLocation {
    /// Returns the URL, which contains no secret.
    pub(super) fn url(&self) -> String {
        let (scheme, bucket) = (self.cloud.scheme(), &self.bucket);
        match self.prefix.as_ref() {
            "" => format!("{scheme}://{bucket}"),
            prefix => format!("{scheme}://{bucket}/{prefix}"),
        }
    }
}

/// The part of an error that lists the supported URLs.
const SCHEMES: &str = "supported are `s3://bucket/prefix`, `az://container/prefix`, `gs://bucket/prefix`, \
                       `file:///path` and `memory:`";

impl Location {
    /// Parses a URL.
    ///
    /// # Errors
    /// The URL is invalid. The error never shows what could be a secret.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let (scheme, rest) = url.split_once(':').ok_or_else(|| {
            refused(url, &format!("has no scheme; {SCHEMES}; for a path, use `Storage::local`"))
        })?;
        if rest.contains(['?', '#']) {
            return Err(refused(
                url,
                "has a query, which is not supported; give options with `Storage::options(url).option(name, \
                 value)`",
            ));
        }
        match scheme.to_ascii_lowercase().as_str() {
            "memory" if ["", "//", "///"].contains(&rest) => Ok(Self::Memory),
            "memory" => Err(refused(url, "names a path in memory; write `memory:`")),
            "file" => directory(url, rest),
            "s3" => bucket(url, rest, Cloud::S3),
            "az" => bucket(url, rest, Cloud::Azure),
            "gs" => bucket(url, rest, Cloud::Google),
            _ => Err(refused(url, &format!("has an unknown scheme; {SCHEMES}"))),
        }
    }
}

fn directory(url: &str, rest: &str) -> Result<Location> {
    let path = rest.strip_prefix("//localhost").or_else(|| rest.strip_prefix("//"));
    let path = path.filter(|path| path.starts_with('/')).ok_or_else(|| {
        refused(
            url,
            "is not an absolute path; write `file:///var/backups`, or use `Storage::local` with the \
             directory",
        )
    })?;
    if path.split('/').any(|part| part == "..") {
        return Err(refused(url, "contains `..`; write the path without it"));
    }
    let decoded = percent_decode_str(path).decode_utf8();
    let decoded =
        decoded.map_err(|_| refused(url, "is not UTF-8; use `Storage::local` with the directory"))?;
    Ok(Location::Directory(PathBuf::from(decoded.into_owned())))
}

fn bucket(url: &str, rest: &str, cloud: Cloud) -> Result<Location> {
    let (scheme, what) = (cloud.scheme(), cloud.bucket());
    let usage = format!("write `{scheme}://{what}/prefix`");
    let rest = rest.strip_prefix("//").ok_or_else(|| refused(url, &format!("is incomplete; {usage}")))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.contains('@') {
        return Err(refused(
            url,
            "contains credentials, which would appear in logs; give them in the environment, or with \
             `Storage::options(url).option(name, value)`",
        ));
    }
    if bucket.is_empty() {
        return Err(refused(url, &format!("names no {what}; {usage}")));
    }
    if bucket.contains(':') {
        return Err(refused(
            url,
            &format!(
                "names a port; {usage}, and the address with `Storage::options(url).endpoint(\"https://…\")`"
            ),
        ));
    }
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '$');
    if !bucket.chars().all(is_allowed) || bucket.starts_with('.') {
        return Err(refused(url, &format!("has a {what} with an invalid name; {usage}")));
    }
    let prefix = if prefix == "/" { prefix } else { prefix.strip_suffix('/').unwrap_or(prefix) };
    let parts = || prefix.split('/');
    if !prefix.is_empty() && parts().any(|part| part.is_empty() || part == "." || part == "..") {
        return Err(refused(
            url,
            "has a prefix with `..`, `.` or two slashes in a row; write the prefix without them",
        ));
    }
    let prefix = Path::parse(prefix)
        .map_err(|_| refused(url, "has a prefix with an invalid character; use another prefix"))?;
    Ok(Location::Bucket(BucketLocation { cloud, bucket: bucket.to_owned(), prefix }))
}

/// Returns whether a URL has something other than a number as its port, which may be a password without its
/// `@`.
fn has_password_for_port(url: &str) -> bool {
    let authority = url.split_once("://").and_then(|(_, rest)| rest.split('/').next());
    let port = authority.and_then(|authority| authority.split_once(':')).map(|(_, port)| port);
    port.is_some_and(|port| !port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Returns the error of a URL. The URL is shown only if it cannot contain a secret.
fn refused(url: &str, problem: &str) -> Error {
    let suspicious =
        url.contains(['@', '?', '#']) || url.chars().any(char::is_control) || has_password_for_port(url);
    let shown = match (suspicious, url.split_once(':')) {
        (false, _) => format!("`{url}`"),
        (true, Some((scheme, _))) if scheme.chars().all(char::is_alphanumeric) => format!("`{scheme}:…`"),
        (true, _) => "(not shown)".to_owned(),
    };
    Error::new(ErrorKind::Configuration, format!("storage URL {shown} {problem}"))
}

/// Returns the error of a cloud whose feature is not enabled.
pub(super) fn missing_feature(bucket: &BucketLocation) -> Error {
    let (scheme, feature) = (bucket.cloud.scheme(), bucket.cloud.feature());
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "storage `{}` needs the feature `{feature}` of koan-backup: add it in Cargo.toml, `koan-backup = \
             {{ version = \"…\", features = [\"{feature}\"] }}`, to open `{scheme}://…`",
            bucket.url()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(url: &str) -> String {
        match Location::parse(url).expect("a place") {
            Location::Memory => "memory".to_owned(),
            Location::Directory(path) => path.display().to_string(),
            Location::Bucket(bucket) => bucket.url(),
        }
    }

    #[test]
    fn urls_are_parsed() {
        for (url, place) in [
            ("memory:", "memory"),
            ("memory://", "memory"),
            ("file:///var/backups", "/var/backups"),
            ("file://localhost/var/backups", "/var/backups"),
            ("file:///var/b%20c", "/var/b c"),
            ("s3://bucket", "s3://bucket"),
            ("s3://bucket/", "s3://bucket"),
            ("S3://bucket/shop/daily/", "s3://bucket/shop/daily"),
            ("az://$root/x", "az://$root/x"),
            ("gs://a_b.c-d/x", "gs://a_b.c-d/x"),
        ] {
            assert_eq!(at(url), place, "{url}");
        }
    }

    #[test]
    fn an_invalid_url_is_refused_with_the_remedy() {
        for (url, part) in [
            ("", "no scheme"),
            ("/var/backups", "`Storage::local`"),
            ("ftp://host/x", "`s3://bucket/prefix`"),
            ("C:\\backups", "unknown scheme"),
            ("memory://x", "write `memory:`"),
            ("file://x", "absolute"),
            ("file:x", "absolute"),
            ("file:///a/../b", "`..`"),
            ("s3:bucket", "write `s3://bucket/prefix`"),
            ("s3://", "names no bucket"),
            ("s3:///prefix", "names no bucket"),
            ("az:///prefix", "names no container"),
            ("gs://", "names no bucket"),
            ("s3://host:9000/bucket", ".endpoint("),
            ("s3://bu cket/x", "invalid name"),
            ("s3://../x", "invalid name"),
            ("s3://bucket/../other", "`..`"),
            ("s3://bucket/a/./b", "`..`"),
            ("s3://bucket/a//b", "two slashes"),
            ("s3://bucket//", "two slashes"),
            ("s3://bucket/a\u{0}b", "character"),
        ] {
            let error = Location::parse(url).expect_err("no place");
            assert_eq!(error.kind(), ErrorKind::Configuration, "{url}");
            assert!(error.to_string().contains(part), "{url}: {error}");
            assert!(error.to_string().starts_with("storage URL "), "{url}: {error}");
        }
    }

    #[test]
    fn a_secret_in_a_url_is_refused_and_not_shown() {
        for url in [
            "s3://AKIA:hunter2@bucket/prefix",
            "s3://AKIA:hun@hunter2@bucket/prefix",
            "s3://AKIA:hun/hunter2@bucket/prefix",
            "az://hunter2@@container",
            "file://user:hunter2@host/x",
            "hunter2@bucket",
            "az://container/prefix?sig=hunter2",
            "gs://bucket#hunter2",
            "http://user:hunter2@host/",
            "file:///x?hunter2",
        ] {
            let error = Location::parse(url).expect_err("a secret");
            assert!(!error.chain().contains("hunter2"), "{error}");
        }
    }
}

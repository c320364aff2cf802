//! The location of a storage profile, and the parser of its URL.

use std::path::PathBuf;

use object_store::path::Path;
use percent_encoding::percent_decode_str;

use crate::foundation::error::{Error, ErrorKind, Result};

/// The location that a storage URL specifies.
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

    /// Returns the term that the cloud uses for a bucket.
    fn bucket_term(self) -> &'static str {
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
const SCHEMES: &str = "the supported URLs are `s3://bucket/prefix`, `az://container/prefix`, \
                       `gs://bucket/prefix`, `file:///path` and `memory:`";

impl Location {
    /// Parses a URL.
    ///
    /// # Errors
    /// The URL is invalid. The error never contains text that could be a secret.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let (scheme, rest) = url.split_once(':').ok_or_else(|| {
            url_error(url, &format!("has no scheme; {SCHEMES}; for a path, use `Storage::local`"))
        })?;
        if rest.contains(['?', '#']) {
            return Err(url_error(
                url,
                "has a query or fragment, which is not supported; set options with \
                 `Storage::options(url).option(name, value)`",
            ));
        }
        match scheme.to_ascii_lowercase().as_str() {
            "memory" if ["", "//", "///"].contains(&rest) => Ok(Self::Memory),
            "memory" => Err(url_error(
                url,
                "contains a path, which a storage in memory does not have; write `memory:`",
            )),
            "file" => parse_directory(url, rest),
            "s3" => parse_bucket(url, rest, Cloud::S3),
            "az" => parse_bucket(url, rest, Cloud::Azure),
            "gs" => parse_bucket(url, rest, Cloud::Google),
            _ => Err(url_error(url, &format!("has an unknown scheme; {SCHEMES}"))),
        }
    }
}

/// Returns a location without the credentials and the query that a URL can contain.
pub(super) fn without_credentials(location: &str) -> String {
    let Some((scheme, rest)) = location.split_once("://") else { return location.to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    // A secret can contain `/`, so everything before the last `@` is removed.
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    format!("{scheme}://{rest}")
}

/// Parses a URL of the scheme `file`; `rest` is the text after the scheme.
fn parse_directory(url: &str, rest: &str) -> Result<Location> {
    let path = rest.strip_prefix("//localhost").or_else(|| rest.strip_prefix("//"));
    let path = path.filter(|path| path.starts_with('/')).ok_or_else(|| {
        url_error(
            url,
            "is not an absolute path; write `file:///var/backups`, or use `Storage::local` with the \
             directory",
        )
    })?;
    if path.split('/').any(|segment| segment == "..") {
        return Err(url_error(url, "contains `..`; write the path without `..`"));
    }
    let decoded = percent_decode_str(path).decode_utf8();
    let decoded =
        decoded.map_err(|_| url_error(url, "is not UTF-8; use `Storage::local` with the directory"))?;
    Ok(Location::Directory(PathBuf::from(decoded.into_owned())))
}

/// Parses the URL of a bucket; `rest` is the text after the scheme.
fn parse_bucket(url: &str, rest: &str, cloud: Cloud) -> Result<Location> {
    let (scheme, bucket_term) = (cloud.scheme(), cloud.bucket_term());
    let usage = format!("write `{scheme}://{bucket_term}/prefix`");
    let rest = rest.strip_prefix("//").ok_or_else(|| url_error(url, &format!("is incomplete; {usage}")))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.contains('@') {
        return Err(url_error(
            url,
            "contains credentials, which would appear in logs; set them in the environment, or with \
             `Storage::options(url).option(name, value)`",
        ));
    }
    if bucket.is_empty() {
        return Err(url_error(url, &format!("does not contain the name of a {bucket_term}; {usage}")));
    }
    if bucket.contains(':') {
        return Err(url_error(
            url,
            &format!(
                "contains a port; {usage}, and set the address with \
                 `Storage::options(url).endpoint(\"https://…\")`"
            ),
        ));
    }
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '$');
    if !bucket.chars().all(is_allowed) || bucket.starts_with('.') {
        return Err(url_error(url, &format!("has a {bucket_term} with an invalid name; {usage}")));
    }
    let prefix = if prefix == "/" { prefix } else { prefix.strip_suffix('/').unwrap_or(prefix) };
    let segments = || prefix.split('/');
    if !prefix.is_empty() && segments().any(|segment| segment.is_empty() || segment == "." || segment == "..")
    {
        return Err(url_error(
            url,
            "has a prefix with `..`, `.` or two slashes in a row; write the prefix without them",
        ));
    }
    let prefix = Path::parse(prefix)
        .map_err(|_| url_error(url, "has a prefix with an invalid character; use another prefix"))?;
    Ok(Location::Bucket(BucketLocation { cloud, bucket: bucket.to_owned(), prefix }))
}

/// Returns whether the port of a URL is not a number. In this case it may be a password, although no `@`
/// follows.
fn has_password_for_port(url: &str) -> bool {
    let authority = url.split_once("://").and_then(|(_, rest)| rest.split('/').next());
    let port = authority.and_then(|authority| authority.split_once(':')).map(|(_, port)| port);
    port.is_some_and(|port| !port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Creates the error for a URL. It contains the URL only if the URL cannot contain a secret.
fn url_error(url: &str, problem: &str) -> Error {
    let suspicious =
        url.contains(['@', '?', '#']) || url.chars().any(char::is_control) || has_password_for_port(url);
    let url_text = match (suspicious, url.split_once(':')) {
        (false, _) => format!("`{url}`"),
        (true, Some((scheme, _))) if scheme.chars().all(char::is_alphanumeric) => format!("`{scheme}:…`"),
        (true, _) => "(not shown)".to_owned(),
    };
    Error::new(ErrorKind::Configuration, format!("storage URL {url_text} {problem}"))
}

/// Creates the error for a bucket of a cloud whose feature is not enabled.
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

    /// Parses a URL and returns its location as text.
    fn parsed(url: &str) -> String {
        match Location::parse(url).expect("the URL is valid") {
            Location::Memory => "memory".to_owned(),
            Location::Directory(path) => path.display().to_string(),
            Location::Bucket(bucket) => bucket.url(),
        }
    }

    #[test]
    fn urls_are_parsed() {
        for (url, location) in [
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
            assert_eq!(parsed(url), location, "{url}");
        }
    }

    #[test]
    fn an_invalid_url_is_refused_with_the_remedy() {
        for (url, expected) in [
            ("", "no scheme"),
            ("/var/backups", "`Storage::local`"),
            ("ftp://host/x", "`s3://bucket/prefix`"),
            ("C:\\backups", "unknown scheme"),
            ("memory://x", "write `memory:`"),
            ("file://x", "absolute"),
            ("file:x", "absolute"),
            ("file:///a/../b", "`..`"),
            ("s3:bucket", "write `s3://bucket/prefix`"),
            ("s3://", "does not contain the name of a bucket"),
            ("s3:///prefix", "does not contain the name of a bucket"),
            ("az:///prefix", "does not contain the name of a container"),
            ("gs://", "does not contain the name of a bucket"),
            ("s3://host:9000/bucket", ".endpoint("),
            ("s3://bu cket/x", "invalid name"),
            ("s3://../x", "invalid name"),
            ("s3://bucket/../other", "`..`"),
            ("s3://bucket/a/./b", "`..`"),
            ("s3://bucket/a//b", "two slashes"),
            ("s3://bucket//", "two slashes"),
            ("s3://bucket/a\u{0}b", "character"),
        ] {
            let error = Location::parse(url).expect_err("the URL is invalid");
            assert_eq!(error.kind(), ErrorKind::Configuration, "{url}");
            assert!(error.to_string().contains(expected), "{url}: {error}");
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
            let error = Location::parse(url).expect_err("the URL contains a secret");
            assert!(!error.chain().contains("hunter2"), "{error}");
        }
    }
}

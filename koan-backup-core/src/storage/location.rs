//! What a URL of a storage profile names.

use std::path::PathBuf;

use object_store::path::Path;
use percent_encoding::percent_decode_str;

use crate::foundation::error::{Error, ErrorKind, Result};

/// What a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// `memory:`
    Memory,
    /// `file:///path`
    Directory(PathBuf),
    /// `s3://bucket/prefix`
    Bucket(BucketLocation),
}

/// A bucket of a cloud, and what stands in front of all paths in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BucketLocation {
    pub(super) cloud: Cloud,
    pub(super) bucket: String,
    pub(super) prefix: Path,
}

/// Whose store it is.
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

    /// The cargo feature that brings it.
    pub(super) fn feature(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Azure => "azure",
            Self::Google => "gcs",
        }
    }

    /// What it calls a bucket.
    fn bucket(self) -> &'static str {
        match self {
            Self::S3 | Self::Google => "bucket",
            Self::Azure => "container",
        }
    }
}

impl BucketLocation {
    /// The URL of it, which holds no secret.
    pub(super) fn url(&self) -> String {
        let (scheme, bucket) = (self.cloud.scheme(), &self.bucket);
        match self.prefix.as_ref() {
            "" => format!("{scheme}://{bucket}"),
            prefix => format!("{scheme}://{bucket}/{prefix}"),
        }
    }
}

const SCHEMES: &str = "`s3://bucket/prefix`, `az://container/prefix`, `gs://bucket/prefix`, `file:///path` and `memory:` are known";

impl Location {
    /// Reads a URL.
    ///
    /// # Errors
    /// It names no place. The error never shows what could be a secret.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let (scheme, rest) = url.split_once(':').ok_or_else(|| {
            refused(url, &format!("begins with no scheme; {SCHEMES}, and `Storage::local` takes a path"))
        })?;
        if rest.contains(['?', '#']) {
            return Err(refused(
                url,
                "has a query, which does not belong there; give options with `Storage::options(url).option(name, value)`",
            ));
        }
        match scheme.to_ascii_lowercase().as_str() {
            "memory" if ["", "//", "///"].contains(&rest) => Ok(Self::Memory),
            "memory" => Err(refused(url, "names something in memory; write `memory:`")),
            "file" => directory(url, rest),
            "s3" => bucket(url, rest, Cloud::S3),
            "az" => bucket(url, rest, Cloud::Azure),
            "gs" => bucket(url, rest, Cloud::Google),
            _ => Err(refused(url, &format!("has a scheme that is not known; {SCHEMES}"))),
        }
    }
}

fn directory(url: &str, rest: &str) -> Result<Location> {
    let path = rest.strip_prefix("//localhost").or_else(|| rest.strip_prefix("//"));
    let path = path.filter(|path| path.starts_with('/')).ok_or_else(|| {
        refused(
            url,
            "is no absolute path; write `file:///var/backups`, or name the directory to `Storage::local`",
        )
    })?;
    if path.split('/').any(|part| part == "..") {
        return Err(refused(url, "leads out of its folder by `..`; write the path that is meant"));
    }
    let decoded = percent_decode_str(path).decode_utf8();
    let decoded =
        decoded.map_err(|_| refused(url, "is not UTF-8; name the directory to `Storage::local`"))?;
    Ok(Location::Directory(PathBuf::from(decoded.into_owned())))
}

fn bucket(url: &str, rest: &str, cloud: Cloud) -> Result<Location> {
    let (scheme, what) = (cloud.scheme(), cloud.bucket());
    let usage = format!("write `{scheme}://{what}/prefix`");
    let rest = rest.strip_prefix("//").ok_or_else(|| refused(url, &format!("is not whole; {usage}")))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.contains('@') {
        return Err(refused(
            url,
            "holds credentials, which would be seen in logs; give them by the environment, or with \
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
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '$');
    if !bucket.chars().all(plain) || bucket.starts_with('.') {
        return Err(refused(url, &format!("has a {what} whose name none can have; {usage}")));
    }
    let prefix = if prefix == "/" { prefix } else { prefix.strip_suffix('/').unwrap_or(prefix) };
    let parts = || prefix.split('/');
    if !prefix.is_empty() && parts().any(|part| part.is_empty() || part == "." || part == "..") {
        return Err(refused(
            url,
            "has a prefix with `..`, `.` or nothing between two slashes; write the prefix that is meant",
        ));
    }
    let prefix = Path::parse(prefix)
        .map_err(|_| refused(url, "has a prefix with a character that no path can have; name another"))?;
    Ok(Location::Bucket(BucketLocation { cloud, bucket: bucket.to_owned(), prefix }))
}

/// Whether something other than a number stands where a port would: a password without its `@`.
fn has_password_for_port(url: &str) -> bool {
    let authority = url.split_once("://").and_then(|(_, rest)| rest.split('/').next());
    let port = authority.and_then(|authority| authority.split_once(':')).map(|(_, port)| port);
    port.is_some_and(|port| !port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The error of a URL, which is shown unless it could hold a secret.
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
    fn places_are_read_from_urls() {
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
    fn what_names_no_place_is_refused_with_the_remedy() {
        for (url, told) in [
            ("", "no scheme"),
            ("/var/backups", "`Storage::local`"),
            ("ftp://host/x", "`s3://bucket/prefix`"),
            ("C:\\backups", "not known"),
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
            ("s3://bu cket/x", "none can have"),
            ("s3://../x", "none can have"),
            ("s3://bucket/../other", "`..`"),
            ("s3://bucket/a/./b", "`..`"),
            ("s3://bucket/a//b", "two slashes"),
            ("s3://bucket//", "two slashes"),
            ("s3://bucket/a\u{0}b", "character"),
        ] {
            let error = Location::parse(url).expect_err("no place");
            assert_eq!(error.kind(), ErrorKind::Configuration, "{url}");
            assert!(error.to_string().contains(told), "{url}: {error}");
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

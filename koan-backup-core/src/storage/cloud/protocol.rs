//! The check that list responses follow the protocol of the store.
//!
//! `object_store` parses list responses leniently: it reads a document of another kind, such as the page of a
//! captive portal or a proxy, as an empty list. After an empty list, all backups would seem to be missing, so
//! responses are checked before they are parsed.

use std::borrow::Cow;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    ReqwestConnector,
};

use super::keys::without_foreign;
use super::xml::element;
use crate::foundation::runtime::require_io;

/// A connector whose HTTP clients check list responses.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CheckedConnector;

impl HttpConnector for CheckedConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(CheckedClient(client)))
    }
}

#[derive(Debug)]
struct CheckedClient(HttpClient);

#[async_trait]
impl HttpService for CheckedClient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        require_io().map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let listing =
            Listing::for_request(request.method().as_str(), request.uri().query().unwrap_or_default());
        let response = self.0.execute(request).await?;
        let Some(listing) = listing.filter(|_| response.status().is_success()) else { return Ok(response) };
        let (parts, body) = response.into_parts();
        let body: Bytes = body.bytes().await?;
        let text = listing.check(&body).map_err(|fault| HttpError::new(HttpErrorKind::Decode, fault))?;
        let (entry, key) = listing.entry();
        let filtered = match without_foreign(text, entry, key) {
            Cow::Owned(filtered) => Bytes::from(filtered),
            Cow::Borrowed(_) => body,
        };
        Ok(HttpResponse::from_parts(parts, filtered.into()))
    }
}

/// The kind of a list response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listing {
    /// A response of Amazon S3, or of the compatible interface of Google Cloud Storage.
    Bucket,
    /// A response of Azure Blob Storage.
    Container,
}

/// The error for a list response that was refused. It contains a noun phrase that describes the response.
#[derive(Debug, thiserror::Error)]
#[error(
    "the response is not a complete list of files, but {0}; check whether a proxy between this machine and \
     the store has sent it"
)]
struct InvalidListing(String);

impl Listing {
    /// Returns the kind of the list that a request returns, or `None` if it is not a list request.
    fn for_request(method: &str, query: &str) -> Option<Self> {
        let has_parameter =
            |parameter: &str| method == "GET" && query.split('&').any(|existing| existing == parameter);
        match (has_parameter("list-type=2"), has_parameter("comp=list")) {
            (true, _) => Some(Self::Bucket),
            (false, true) => Some(Self::Container),
            (false, false) => None,
        }
    }

    /// Returns the name of the root element of the XML document.
    fn root(self) -> &'static str {
        match self {
            Self::Bucket => "ListBucketResult",
            Self::Container => "EnumerationResults",
        }
    }

    /// Returns the names of the XML elements of a file and of its key.
    fn entry(self) -> (&'static str, &'static str) {
        match self {
            Self::Bucket => ("Contents", "Key"),
            Self::Container => ("Blob", "Name"),
        }
    }

    /// Returns the text of a list response. Refuses an incomplete response, and a truncated list without a
    /// continuation token.
    fn check(self, body: &[u8]) -> Result<&str, InvalidListing> {
        let text =
            std::str::from_utf8(body).map_err(|_| InvalidListing("bytes that are not text".to_owned()))?;
        let root = root_element(text)?;
        if local_name(root) != self.root() {
            let root_text: String = root.chars().take(40).flat_map(char::escape_default).collect();
            return Err(InvalidListing(format!("an XML document with the root element `{root_text}`")));
        }
        if !text.trim_end().ends_with(&format!("</{root}>")) {
            return Err(InvalidListing("a truncated document".to_owned()));
        }
        let is_continued = self == Self::Bucket
            && element(text, "IsTruncated").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if is_continued && element(text, "NextContinuationToken").is_none_or(str::is_empty) {
            return Err(InvalidListing("a partial list without a continuation token".to_owned()));
        }
        Ok(text)
    }
}

/// Returns the name of the root element. Only an XML declaration, comments and white space may precede the
/// root element.
fn root_element(text: &str) -> Result<&str, InvalidListing> {
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    if rest.is_empty() {
        return Err(InvalidListing("an empty document".to_owned()));
    }
    while let Some(end) = match rest {
        _ if rest.starts_with("<?") => rest.find("?>").map(|offset| offset + 2),
        _ if rest.starts_with("<!--") => rest.find("-->").map(|offset| offset + 3),
        _ => None,
    } {
        rest = rest.get(end..).unwrap_or_default().trim_start();
    }
    let name = rest
        .strip_prefix('<')
        .map(|rest| rest.split([' ', '\t', '\r', '\n', '>', '/']).next().unwrap_or_default());
    name.filter(|name| !name.is_empty())
        .ok_or_else(|| InvalidListing("a document that is not XML".to_owned()))
}

/// Returns a name without its namespace.
fn local_name(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_response_must_be_complete_and_follow_its_protocol() {
        let empty = "<?xml version=\"1.0\"?>\n<!-- x -->\n<ListBucketResult \
                     xmlns=\"x\"><IsTruncated>false</IsTruncated></ListBucketResult>\n";
        let continued = "<ListBucketResult><IsTruncated>true</IsTruncated>\
                         <NextContinuationToken>7</NextContinuationToken></ListBucketResult>";
        for body in [empty, continued, "<s3:ListBucketResult></s3:ListBucketResult>"] {
            assert!(Listing::Bucket.check(body.as_bytes()).is_ok(), "{body}");
            assert!(Listing::Container.check(body.as_bytes()).is_err(), "{body}");
        }
        let azure =
            "\u{feff}<?xml version=\"1.0\"?><EnumerationResults><Blobs /><NextMarker /></EnumerationResults>";
        assert!(Listing::Container.check(azure.as_bytes()).is_ok());
        for body in [
            "",
            " \n",
            "OK",
            "{}",
            "<html><body>Log in</body></html>",
            "<!DOCTYPE html><html></html>",
            "<Error><Code>SlowDown</Code></Error>",
            "<ListAllMyBucketsResult></ListAllMyBucketsResult>",
            "<?xml version=\"1.0\"?>",
            "<ListBucketResult>",
            "<ListBucketResult/>",
            "<ListBucketResult><IsTruncated>false</IsTruncated>",
            "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        ] {
            assert!(Listing::Bucket.check(body.as_bytes()).is_err(), "{body}");
        }
        assert!(Listing::Bucket.check(b"\xff\xfe").is_err());
    }

    #[test]
    fn only_requests_for_lists_are_checked() {
        assert_eq!(Listing::for_request("GET", "list-type=2&prefix=a"), Some(Listing::Bucket));
        assert_eq!(Listing::for_request("GET", "restype=container&comp=list"), Some(Listing::Container));
        for (method, query) in
            [("GET", ""), ("GET", "comp=listing"), ("PUT", "comp=list"), ("GET", "x=list-type=2")]
        {
            assert_eq!(Listing::for_request(method, query), None, "{method} {query}");
        }
    }
}

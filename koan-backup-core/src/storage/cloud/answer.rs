//! The conversion of an error of a store into a message without secrets, with a hint on what to check.

use object_store::Error;

use super::hints::{self, HintKind};
use super::request_kind::RequestKind;
use super::secrets::Secrets;

/// The response of a store to a request that failed.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(in crate::storage) struct StoreResponse {
    /// The text, which ends with the hint.
    text: String,
    hint: Option<&'static str>,
    is_final: bool,
}

/// The maximum number of characters of the store's message that an error contains.
const MAX_MESSAGE_CHARS: usize = 300;

impl StoreResponse {
    /// Returns whether a retry would not help.
    pub(in crate::storage) fn is_final(&self) -> bool {
        self.is_final
    }

    /// Returns what to check, if it is known. The text of the response ends with it.
    pub(in crate::storage) fn hint(&self) -> Option<&'static str> {
        self.hint
    }
}

/// Returns an error that contains only the request, the response of the store without secrets, and a hint on
/// what to check. The response of a store may repeat data of the request, for example a session token.
pub(super) fn explained(error: Error, request: RequestKind, secrets: &Secrets) -> Error {
    let error_text = chain(&error);
    if let Some(hint) = failed_request(&error_text).and_then(hints::missing_credentials) {
        let source = Box::new(StoreResponse { text: hint.to_owned(), hint: Some(hint), is_final: true });
        return Error::Generic { store: "object store", source };
    }
    let parsed = ParsedResponse::parse(&error_text);
    let missing_bucket = parsed.is_missing_bucket(request, matches!(error, Error::NotFound { .. }));
    let hint =
        parsed.code.as_deref().filter(|_| !missing_bucket).and_then(|code| hints::for_code(code, request));
    let hint = hint.or_else(|| hints::for_status(parsed.status, missing_bucket, request, &error));
    let mut text = secrets.redact(parsed.text);
    if let Some(hint) = hint {
        text = format!("{text}; {}", hint.text);
    }
    let is_refused_by_code = hint.is_some_and(|hint| hint.kind == HintKind::Refused);
    let is_refused_by_status =
        matches!(parsed.status, Some(300..=428 | 430..=499)) && parsed.status != Some(408);
    let is_final = is_refused_by_status || missing_bucket || is_refused_by_code;
    let source = Box::new(StoreResponse { text, hint: hint.map(|hint| hint.text), is_final });
    match error {
        // A missing bucket is a configuration error, and must not be reported as a missing file.
        Error::NotFound { path, .. } if !missing_bucket => Error::NotFound { path, source },
        Error::NotFound { .. } => Error::Generic { store: "object store", source },
        // Azure returns 409, the status of an existing file, also for a file that cannot be read.
        Error::AlreadyExists { .. } | Error::Precondition { .. } if is_refused_by_code => {
            Error::Generic { store: "object store", source }
        }
        Error::AlreadyExists { path, .. } => Error::AlreadyExists { path, source },
        Error::Precondition { path, .. } => Error::Precondition { path, source },
        Error::NotModified { path, .. } => Error::NotModified { path, source },
        Error::PermissionDenied { path, .. } => Error::PermissionDenied { path, source },
        Error::Unauthenticated { path, .. } => Error::Unauthenticated { path, source },
        Error::NotSupported { .. } => Error::NotSupported { source },
        Error::Generic { store, .. } => Error::Generic { store, source },
        // All other errors contain no data of the request or of the response.
        other => other,
    }
}

/// Returns the texts of the sources of an error, without repetitions, or the text of the error if it has no
/// source.
fn chain(error: &Error) -> String {
    let mut text = String::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    if text.is_empty() { error.to_string() } else { text }
}

/// Returns the beginning of an error text, which describes the failed request and precedes the response.
fn failed_request(text: &str) -> Option<&str> {
    let before = text.split("Server returned").next().unwrap_or_default();
    before.contains("Error performing ").then_some(before)
}

/// The message, status and code of an error text.
struct ParsedResponse {
    text: String,
    status: Option<u16>,
    code: Option<String>,
}

impl ParsedResponse {
    fn parse(text: &str) -> Self {
        const STATUS: &str = "Server returned non-2xx status code: ";
        const RESPONSE: &str = "Server returned error response: ";
        if let Some((before, response)) = text.split_once(STATUS) {
            let (status, body) = response.split_once(':').unwrap_or((response, ""));
            let code = status.get(..3).and_then(|code| code.parse().ok());
            return Self::with_body(&format!("{before}{}", status.trim()), code, body);
        }
        if let Some((before, body)) = text.split_once(RESPONSE) {
            return Self::with_body(before.trim_end_matches([' ', '-']), None, body);
        }
        let status = text.contains("Received redirect").then_some(301);
        Self { text: text.to_owned(), status, code: None }
    }

    fn with_body(head: &str, status: Option<u16>, body: &str) -> Self {
        let (code, message) = code_and_message(body);
        let mut text = head.to_owned();
        if let Some(code) = &code {
            text.push_str(&format!(" ({code})"));
        }
        if let Some(message) = message {
            let printable = message.chars().map(|c| if c.is_control() { ' ' } else { c });
            text.push_str(": ");
            text.extend(printable.take(MAX_MESSAGE_CHARS));
        }
        Self { text, status, code }
    }

    fn is_missing_bucket(&self, request: RequestKind, not_found: bool) -> bool {
        let not_found = not_found || self.status == Some(404);
        let is_bucket_code =
            self.code.as_deref().is_some_and(|code| code.contains("Bucket") || code.contains("Container"));
        not_found
            && (is_bucket_code
                || matches!(request, RequestKind::Bucket | RequestKind::Write | RequestKind::Creation))
    }
}

/// Returns the code and the message of a response in XML or JSON. Returns `None` for both if the response has
/// another format.
fn code_and_message(body: &str) -> (Option<String>, Option<String>) {
    let element = |name: &str| {
        let (_, rest) = body.split_once(&format!("<{name}>"))?;
        let (content, _) = rest.split_once(&format!("</{name}>"))?;
        Some(content.trim().to_owned()).filter(|content| !content.is_empty())
    };
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(body.trim()) {
        let error = json.get("error").unwrap_or(&json);
        let text =
            |value: Option<&serde_json::Value>| value.and_then(serde_json::Value::as_str).map(str::to_owned);
        if error.is_string() {
            return (text(Some(error)), text(json.get("error_description")));
        }
        let code = text(error.get("status")).or_else(|| text(error.pointer("/errors/0/reason")));
        return (code, text(error.get("message")));
    }
    (element("Code"), element("Message"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::options::StorageOptions;

    fn generic(text: &str) -> Error {
        Error::Generic { store: "S3", source: text.into() }
    }

    fn secrets() -> Secrets {
        let options = StorageOptions::new("s3://bucket".to_owned());
        Secrets::collect(&options.without_environment().option("session_token", "hunter22"))
    }

    /// Returns the full error text that a user sees.
    fn explained_chain(error: Error, request: RequestKind) -> String {
        let error = explained(error, request, &secrets());
        crate::Error::with_source(crate::ErrorKind::Storage, "x", error).chain()
    }

    #[test]
    fn an_error_contains_the_status_code_and_message_of_the_response_but_no_secret() {
        let body = "<?xml version=\"1.0\"?><Error><Code>InvalidToken</Code>\
                    <Message>The token hunter22 is\nno good</Message>\
                    <Token-0>hunter22</Token-0><StringToSign>GET /</StringToSign></Error>";
        let text = format!(
            "Error performing GET http://h/b in 1ms - Server returned non-2xx status code: 400 Bad Request: \
             {body}"
        );
        let chain = explained_chain(generic(&text), RequestKind::Bucket);
        assert_eq!(
            chain,
            "x: Generic S3 error: Error performing GET http://h/b in 1ms - 400 Bad Request (InvalidToken): \
             The token … is no good; check the credentials, the region and the endpoint"
        );
    }

    /// Returns the error text of an XML response, as `object_store` formats it.
    fn xml_error_text(status: &str, code: &str) -> String {
        format!(
            "Error performing PUT http://h/b in 1ms - Server returned non-2xx status code: {status}: \
             <Error><Code>{code}</Code><Message>No.</Message></Error>"
        )
    }

    #[test]
    fn each_error_code_has_a_remedy_that_does_not_depend_on_the_status() {
        for (status, code, request, remedy) in [
            ("403 Forbidden", "RequestTimeTooSkewed", RequestKind::File, "set the clock"),
            ("400 Bad Request", "RequestTimeTooSkewed", RequestKind::Bucket, "set the clock"),
            ("403 Forbidden", "AuthenticationFailed", RequestKind::Bucket, "AZURE_STORAGE_ACCOUNT_KEY"),
            ("403 Forbidden", "InvalidObjectState", RequestKind::File, "first restore the file"),
            ("409 Conflict", "BlobArchived", RequestKind::File, "first restore the file"),
            ("409 Conflict", "BlobBeingRehydrated", RequestKind::File, "first restore the file"),
            ("501 Not Implemented", "NotImplemented", RequestKind::Creation, "If-None-Match"),
            ("400 Bad Request", "NotImplemented", RequestKind::Creation, "If-None-Match"),
            ("501 Not Implemented", "NotImplemented", RequestKind::Bucket, "does not support this request"),
            ("501 Not Implemented", "Odd", RequestKind::Creation, "If-None-Match"),
            ("400 Bad Request", "InvalidRequest", RequestKind::Write, "checksum_algorithm"),
            ("400 Bad Request", "MissingContentMD5", RequestKind::Upload, "checksum_algorithm"),
            ("400 Bad Request", "InvalidRequest", RequestKind::Bucket, "check the credentials, the region"),
            ("403 Forbidden", "InvalidAccessKeyId", RequestKind::Bucket, "AWS_ACCESS_KEY_ID"),
            ("403 Forbidden", "SignatureDoesNotMatch", RequestKind::Bucket, "AWS_SECRET_ACCESS_KEY"),
            ("400 Bad Request", "ExpiredToken", RequestKind::Bucket, "AWS_SESSION_TOKEN"),
            ("400 Bad Request", "AuthorizationHeaderMalformed", RequestKind::Bucket, "another region"),
            (
                "403 Forbidden",
                "AccessDenied",
                RequestKind::Write,
                "permissions to list, read, write and delete",
            ),
        ] {
            let error = match status.get(..3) {
                Some("409") => {
                    Error::AlreadyExists { path: "p".into(), source: xml_error_text(status, code).into() }
                }
                Some("403") => {
                    Error::PermissionDenied { path: "p".into(), source: xml_error_text(status, code).into() }
                }
                _ => generic(&xml_error_text(status, code)),
            };
            let error = explained(error, request, &secrets());
            assert!(!matches!(error, Error::AlreadyExists { .. }), "{code}");
            assert!(crate::storage::is_refusal(&error), "the request would be retried after {code}");
            let chain = crate::Error::with_source(crate::ErrorKind::Storage, "x", error).chain();
            assert!(chain.contains(remedy) && chain.contains(code), "{status} {code}: {chain}");
        }
        let invalid_grant = r#"{"error":"invalid_grant","error_description":"Invalid JWT"}"#;
        let text = format!("Server returned non-2xx status code: 400 Bad Request: {invalid_grant}");
        let google = explained_chain(generic(&text), RequestKind::Bucket);
        assert!(
            google.contains("GOOGLE_APPLICATION_CREDENTIALS") && google.contains("Invalid JWT"),
            "{google}"
        );
    }

    #[test]
    fn the_error_for_missing_credentials_contains_the_variables_but_not_the_metadata_address() {
        for (request, variable) in [
            ("PUT http://169.254.169.254/latest/api/token", "AWS_SECRET_ACCESS_KEY"),
            (
                "GET http://169.254.169.254/latest/meta-data/iam/security-credentials/",
                "AWS_SECRET_ACCESS_KEY",
            ),
            ("GET http://169.254.169.254/metadata/identity/oauth2/token?x=y", "AZURE_STORAGE_ACCOUNT_KEY"),
            (
                "GET http://metadata.google.internal/computeMetadata/v1/instance/x",
                "GOOGLE_APPLICATION_CREDENTIALS",
            ),
        ] {
            for ending in ["error sending request", "Server returned non-2xx status code: 404 Not Found: "] {
                let text = format!("Error performing {request} in 1s, after 4 retries - {ending}");
                let error = explained(generic(&text), RequestKind::Bucket, &secrets());
                assert!(crate::storage::is_refusal(&error), "{text}");
                assert!(error.to_string().contains(variable), "{text}: {error}");
                assert!(!error.to_string().contains("169.254"), "{error}");
            }
        }
    }

    #[test]
    fn a_json_response_is_parsed_and_a_response_in_an_unknown_format_is_not_shown() {
        let status = "Server returned non-2xx status code: 403 Forbidden: ";
        let denied = |body: &str| Error::PermissionDenied {
            path: "p".to_owned(),
            source: format!("{status}{body}").into(),
        };
        let json = explained_chain(
            denied(r#"{"error": {"status": "DENIED", "message": "no access"}}"#),
            RequestKind::File,
        );
        assert!(json.contains("403 Forbidden (DENIED): no access; check the credentials"), "{json}");
        let html = explained_chain(denied("<html>hunter2 and more</html>"), RequestKind::File);
        assert!(html.contains("403 Forbidden; check the credentials") && !html.contains("html"), "{html}");
    }

    #[test]
    fn a_missing_bucket_is_distinguished_from_a_missing_file() {
        let missing = |code: &str| Error::NotFound {
            path: "p".to_owned(),
            source: format!("Server returned non-2xx status code: 404 Not Found: <Code>{code}</Code>").into(),
        };
        let file = explained(missing("NoSuchKey"), RequestKind::File, &secrets());
        assert!(matches!(file, Error::NotFound { .. }), "{file:?}");
        for (code, request) in [
            ("NoSuchBucket", RequestKind::File),
            ("ContainerNotFound", RequestKind::File),
            ("", RequestKind::Bucket),
        ] {
            let bucket = explained(missing(code), request, &secrets());
            assert!(crate::storage::is_refusal(&bucket), "{code}");
            assert!(bucket.to_string().contains("the bucket does not exist"), "{code}: {bucket}");
        }
        let listing = generic("Server returned non-2xx status code: 404 Not Found: ");
        let bucket = explained(listing, RequestKind::Bucket, &secrets());
        assert!(bucket.to_string().contains("the bucket does not exist"), "{bucket}");
    }

    #[test]
    fn only_errors_of_the_store_or_the_network_are_retried() {
        for (text, is_refused) in [
            ("Server returned non-2xx status code: 503 Slow Down: ", false),
            ("Server returned non-2xx status code: 429 Too Many Requests: ", false),
            ("Server returned non-2xx status code: 400 Bad Request: ", true),
            ("Received redirect without LOCATION", true),
            ("error sending request: connection refused", false),
        ] {
            let error = explained(generic(text), RequestKind::File, &secrets());
            assert_eq!(crate::storage::is_refusal(&error), is_refused, "{text}");
        }
    }
}

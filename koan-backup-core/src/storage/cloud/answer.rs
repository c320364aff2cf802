//! What a store answered, in a sentence that holds no secret and says what to check.

use object_store::Error;

use super::hints::{self, Sort};
use super::secrets::Secrets;

/// What a store answered when it did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(in crate::storage) struct Answer {
    text: String,
    is_final: bool,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A file that may not be there.
    File,
    /// Something that takes no more than a bucket.
    Bucket,
    /// That a file is written, which takes no more than a bucket.
    Write,
    /// That a file is written that is not there yet.
    Creation,
    /// That a part of an upload is written or that an upload ends, which may be gone.
    Upload,
}

/// The longest of a store's own words that are shown.
const MOST_CHARS: usize = 300;

impl Answer {
    /// Whether asking again would not help.
    pub(in crate::storage) fn is_final(&self) -> bool {
        self.is_final
    }
}

/// The error with nothing in it but what was asked, what was answered, and what to check. What a store answers may repeat what it was
/// sent, a session token for one.
pub(super) fn cleaned(error: Error, asked: Asked, secrets: &Secrets) -> Error {
    let whole = chain(&error);
    if let Some(missing) = asked_machine(&whole).and_then(hints::missing_credentials) {
        let source = Box::new(Answer { text: missing.to_owned(), is_final: true });
        return Error::Generic { store: "object store", source };
    }
    let told = Told::of(&whole);
    let missing_bucket = told.is_missing_bucket(asked, matches!(error, Error::NotFound { .. }));
    let hint = told.code.as_deref().filter(|_| !missing_bucket).and_then(|code| hints::of_code(code, asked));
    let hint = hint.or_else(|| hints::of_status(told.status, missing_bucket, asked, &error));
    let mut text = secrets.hidden_in(told.text);
    if let Some(hint) = hint {
        text = format!("{text}; {}", hint.text);
    }
    let is_refused = hint.is_some_and(|hint| hint.sort == Sort::Refused);
    let refused = matches!(told.status, Some(300..=428 | 430..=499)) && told.status != Some(408);
    let source = Box::new(Answer { text, is_final: refused || missing_bucket || is_refused });
    match error {
        // A file that is missing is an answer; a bucket that is missing is a mistake, and must not pass for it.
        Error::NotFound { path, .. } if !missing_bucket => Error::NotFound { path, source },
        Error::NotFound { .. } => Error::Generic { store: "object store", source },
        // Azure answers 409, as for a file that is there already, where one cannot be read.
        Error::AlreadyExists { .. } | Error::Precondition { .. } if is_refused => {
            Error::Generic { store: "object store", source }
        }
        Error::AlreadyExists { path, .. } => Error::AlreadyExists { path, source },
        Error::Precondition { path, .. } => Error::Precondition { path, source },
        Error::NotModified { path, .. } => Error::NotModified { path, source },
        Error::PermissionDenied { path, .. } => Error::PermissionDenied { path, source },
        Error::Unauthenticated { path, .. } => Error::Unauthenticated { path, source },
        Error::NotSupported { .. } => Error::NotSupported { source },
        Error::Generic { store, .. } => Error::Generic { store, source },
        // Those that hold nothing of what was sent or answered.
        other => other,
    }
}

/// What the error and its sources say, each once.
fn chain(error: &Error) -> String {
    let mut text = String::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let told = cause.to_string();
        if !text.contains(&told) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&told);
        }
        source = cause.source();
    }
    if text.is_empty() { error.to_string() } else { text }
}

/// The requests in which the client says that it failed, up to what was answered.
fn asked_machine(text: &str) -> Option<&str> {
    let before = text.split("Server returned").next().unwrap_or_default();
    before.contains("Error performing ").then_some(before)
}

/// A text taken apart.
struct Told {
    text: String,
    status: Option<u16>,
    code: Option<String>,
}

impl Told {
    fn of(text: &str) -> Self {
        const STATUS: &str = "Server returned non-2xx status code: ";
        const RESPONSE: &str = "Server returned error response: ";
        if let Some((before, answer)) = text.split_once(STATUS) {
            let (status, body) = answer.split_once(':').unwrap_or((answer, ""));
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
        let (code, message) = words(body);
        let mut text = head.to_owned();
        if let Some(code) = &code {
            text.push_str(&format!(" ({code})"));
        }
        if let Some(message) = message {
            let plain = message.chars().map(|c| if c.is_control() { ' ' } else { c });
            text.push_str(": ");
            text.extend(plain.take(MOST_CHARS));
        }
        Self { text, status, code }
    }

    fn is_missing_bucket(&self, asked: Asked, not_found: bool) -> bool {
        let not_found = not_found || self.status == Some(404);
        let named =
            self.code.as_deref().is_some_and(|code| code.contains("Bucket") || code.contains("Container"));
        not_found && (named || matches!(asked, Asked::Bucket | Asked::Write | Asked::Creation))
    }
}

/// The code and the message of an answer in XML or JSON; of another, nothing.
fn words(body: &str) -> (Option<String>, Option<String>) {
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
        Secrets::of(&options.without_environment().option("session_token", "hunter22"))
    }

    fn told(error: Error, asked: Asked) -> String {
        let error = cleaned(error, asked, &secrets());
        crate::Error::with_source(crate::ErrorKind::Storage, "x", error).chain()
    }

    #[test]
    fn an_answer_is_told_by_status_code_and_message_and_repeats_nothing_that_was_sent() {
        let body = "<?xml version=\"1.0\"?><Error><Code>InvalidToken</Code><Message>The token hunter22 is\nno good</Message>\
                    <Token-0>hunter22</Token-0><StringToSign>GET /</StringToSign></Error>";
        let text = format!(
            "Error performing GET http://h/b in 1ms - Server returned non-2xx status code: 400 Bad Request: {body}"
        );
        let told = told(generic(&text), Asked::Bucket);
        assert_eq!(
            told,
            "x: Generic S3 error: Error performing GET http://h/b in 1ms - 400 Bad Request (InvalidToken): The token … is no good; \
             check the credentials, the region and the endpoint"
        );
    }

    /// An answer in XML, as object_store tells of it.
    fn answered(status: &str, code: &str) -> String {
        format!(
            "Error performing PUT http://h/b in 1ms - Server returned non-2xx status code: {status}: \
             <Error><Code>{code}</Code><Message>No.</Message></Error>"
        )
    }

    #[test]
    fn each_code_has_a_remedy_of_its_own_whatever_the_status() {
        for (status, code, asked, remedy) in [
            ("403 Forbidden", "RequestTimeTooSkewed", Asked::File, "set the clock"),
            ("400 Bad Request", "RequestTimeTooSkewed", Asked::Bucket, "set the clock"),
            ("403 Forbidden", "AuthenticationFailed", Asked::Bucket, "AZURE_STORAGE_ACCOUNT_KEY"),
            ("403 Forbidden", "InvalidObjectState", Asked::File, "restore it there first"),
            ("409 Conflict", "BlobArchived", Asked::File, "restore it there first"),
            ("409 Conflict", "BlobBeingRehydrated", Asked::File, "restore it there first"),
            ("501 Not Implemented", "NotImplemented", Asked::Creation, "If-None-Match"),
            ("400 Bad Request", "NotImplemented", Asked::Creation, "If-None-Match"),
            ("501 Not Implemented", "NotImplemented", Asked::Bucket, "does not know this request"),
            ("501 Not Implemented", "Odd", Asked::Creation, "If-None-Match"),
            ("400 Bad Request", "InvalidRequest", Asked::Write, "checksum_algorithm"),
            ("400 Bad Request", "MissingContentMD5", Asked::Upload, "checksum_algorithm"),
            ("400 Bad Request", "InvalidRequest", Asked::Bucket, "check the credentials, the region"),
            ("403 Forbidden", "InvalidAccessKeyId", Asked::Bucket, "AWS_ACCESS_KEY_ID"),
            ("403 Forbidden", "SignatureDoesNotMatch", Asked::Bucket, "AWS_SECRET_ACCESS_KEY"),
            ("400 Bad Request", "ExpiredToken", Asked::Bucket, "AWS_SESSION_TOKEN"),
            ("400 Bad Request", "AuthorizationHeaderMalformed", Asked::Bucket, "another region"),
            ("403 Forbidden", "AccessDenied", Asked::Write, "they must list, read, write and delete"),
        ] {
            let error = match status.get(..3) {
                Some("409") => {
                    Error::AlreadyExists { path: "p".into(), source: answered(status, code).into() }
                }
                Some("403") => {
                    Error::PermissionDenied { path: "p".into(), source: answered(status, code).into() }
                }
                _ => generic(&answered(status, code)),
            };
            let error = cleaned(error, asked, &secrets());
            assert!(!matches!(error, Error::AlreadyExists { .. }), "{code}");
            assert!(crate::storage::is_refusal(&error), "{code} would be asked again");
            let told = crate::Error::with_source(crate::ErrorKind::Storage, "x", error).chain();
            assert!(told.contains(remedy) && told.contains(code), "{status} {code}: {told}");
        }
        let wrong = r#"{"error":"invalid_grant","error_description":"Invalid JWT"}"#;
        let text = format!("Server returned non-2xx status code: 400 Bad Request: {wrong}");
        let google = told(generic(&text), Asked::Bucket);
        assert!(
            google.contains("GOOGLE_APPLICATION_CREDENTIALS") && google.contains("Invalid JWT"),
            "{google}"
        );
    }

    #[test]
    fn credentials_that_were_asked_of_the_machine_name_the_variables_and_not_the_address() {
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
                let error = cleaned(generic(&text), Asked::Bucket, &secrets());
                assert!(crate::storage::is_refusal(&error), "{text}");
                assert!(error.to_string().contains(variable), "{text}: {error}");
                assert!(!error.to_string().contains("169.254"), "{error}");
            }
        }
    }

    #[test]
    fn json_is_understood_and_what_is_not_is_left_out() {
        let status = "Server returned non-2xx status code: 403 Forbidden: ";
        let denied = |body: &str| Error::PermissionDenied {
            path: "p".to_owned(),
            source: format!("{status}{body}").into(),
        };
        let json = told(denied(r#"{"error": {"status": "DENIED", "message": "no access"}}"#), Asked::File);
        assert!(json.contains("403 Forbidden (DENIED): no access; check the credentials"), "{json}");
        let html = told(denied("<html>hunter2 and more</html>"), Asked::File);
        assert!(html.contains("403 Forbidden; check the credentials") && !html.contains("html"), "{html}");
    }

    #[test]
    fn a_missing_bucket_does_not_pass_for_a_missing_file() {
        let missing = |code: &str| Error::NotFound {
            path: "p".to_owned(),
            source: format!("Server returned non-2xx status code: 404 Not Found: <Code>{code}</Code>").into(),
        };
        let file = cleaned(missing("NoSuchKey"), Asked::File, &secrets());
        assert!(matches!(file, Error::NotFound { .. }), "{file:?}");
        for (code, asked) in
            [("NoSuchBucket", Asked::File), ("ContainerNotFound", Asked::File), ("", Asked::Bucket)]
        {
            let bucket = cleaned(missing(code), asked, &secrets());
            assert!(crate::storage::is_refusal(&bucket), "{code}");
            assert!(bucket.to_string().contains("no such bucket"), "{code}: {bucket}");
        }
        let listed = generic("Server returned non-2xx status code: 404 Not Found: ");
        assert!(cleaned(listed, Asked::Bucket, &secrets()).to_string().contains("no such bucket"));
    }

    #[test]
    fn only_what_the_store_or_the_network_did_is_worth_another_try() {
        for (text, refused) in [
            ("Server returned non-2xx status code: 503 Slow Down: ", false),
            ("Server returned non-2xx status code: 429 Too Many Requests: ", false),
            ("Server returned non-2xx status code: 400 Bad Request: ", true),
            ("Received redirect without LOCATION", true),
            ("error sending request: connection refused", false),
        ] {
            let error = cleaned(generic(text), Asked::File, &secrets());
            assert_eq!(crate::storage::is_refusal(&error), refused, "{text}");
        }
    }
}

//! Errors as `application/problem+json`, in the form of [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use koan_backup_core::{Error, ErrorKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The kind of a problem. Its code is the last part of the `type` of the response and does not change between versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProblemKind {
    /// The request has no valid form: its JSON, its path or its headers.
    Malformed,
    /// A field or parameter is unknown, or its value is not allowed.
    Invalid,
    /// The request has no valid token or session.
    Unauthenticated,
    /// The role of the caller does not permit the request, or the request comes from another site.
    Forbidden,
    /// There is no such route, backup, entity, profile or operation.
    NotFound,
    /// The route exists, but not for this method.
    MethodNotAllowed,
    /// The request contradicts the current state.
    Conflict,
    /// Another process works on the same subject.
    Busy,
    /// The body is larger than the limit.
    TooLarge,
    /// The body has another media type than JSON.
    UnsupportedMediaType,
    /// The body was not received within the time limit.
    SlowRequest,
    /// The requested range is not part of the archive.
    RangeNotSatisfiable,
    /// Too many requests or operations.
    TooManyRequests,
    /// A key that decrypts or encrypts is missing.
    Key,
    /// An archive or manifest is damaged, or this version cannot read it.
    Archive,
    /// Records do not fit their types or their target.
    Records,
    /// A database refused an operation or cannot be reached.
    Provider,
    /// A storage profile refused an operation or cannot be reached.
    Storage,
    /// The work exceeded its time limit.
    Timeout,
    /// The work was cancelled.
    Cancelled,
    /// The server is stopping.
    Unavailable,
    /// The operation is not supported.
    Unsupported,
    /// An error of koan-backup itself.
    Internal,
}

impl ProblemKind {
    /// All kinds.
    const ALL: [Self; 23] = [
        Self::Malformed,
        Self::Invalid,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::Busy,
        Self::TooLarge,
        Self::SlowRequest,
        Self::UnsupportedMediaType,
        Self::RangeNotSatisfiable,
        Self::TooManyRequests,
        Self::Key,
        Self::Archive,
        Self::Records,
        Self::Provider,
        Self::Storage,
        Self::Timeout,
        Self::Cancelled,
        Self::Unavailable,
        Self::Unsupported,
        Self::Internal,
    ];

    /// Returns the last part of the `type`.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed-request",
            Self::Invalid => "invalid-request",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::Conflict => "conflict",
            Self::Busy => "busy",
            Self::TooLarge => "body-too-large",
            Self::UnsupportedMediaType => "unsupported-media-type",
            Self::SlowRequest => "request-too-slow",
            Self::RangeNotSatisfiable => "range-not-satisfiable",
            Self::TooManyRequests => "too-many-requests",
            Self::Key => "key-missing",
            Self::Archive => "archive-unreadable",
            Self::Records => "records-refused",
            Self::Provider => "provider-failed",
            Self::Storage => "storage-failed",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Unavailable => "unavailable",
            Self::Unsupported => "unsupported",
            Self::Internal => "internal",
        }
    }

    /// Returns the status of the response.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Invalid | Self::Unsupported | Self::Records => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict | Self::Busy | Self::Key | Self::Archive | Self::Cancelled => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::SlowRequest => StatusCode::REQUEST_TIMEOUT,
            Self::RangeNotSatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::Provider | Self::Storage => StatusCode::BAD_GATEWAY,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Malformed => "The request is malformed",
            Self::Invalid => "The request is not valid",
            Self::Unauthenticated => "The request has no valid token",
            Self::Forbidden => "The request is not permitted",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "The method is not allowed",
            Self::Conflict => "The request contradicts the current state",
            Self::Busy => "Another process works on the same subject",
            Self::TooLarge => "The body is too large",
            Self::UnsupportedMediaType => "The media type is not supported",
            Self::SlowRequest => "The body was not received in time",
            Self::RangeNotSatisfiable => "The range is not part of the archive",
            Self::TooManyRequests => "Too many requests",
            Self::Key => "A key is missing",
            Self::Archive => "The archive cannot be read",
            Self::Records => "Records were refused",
            Self::Provider => "The database failed",
            Self::Storage => "The storage failed",
            Self::Timeout => "The time limit was exceeded",
            Self::Cancelled => "The work was cancelled",
            Self::Unavailable => "The server is stopping",
            Self::Unsupported => "Not supported",
            Self::Internal => "An internal error occurred",
        }
    }
}

impl From<ErrorKind> for ProblemKind {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Configuration | ErrorKind::InvalidName | ErrorKind::Inventory => Self::Invalid,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Corrupt | ErrorKind::Incompatible => Self::Archive,
            ErrorKind::Record | ErrorKind::Constraint => Self::Records,
            ErrorKind::Provider => Self::Provider,
            ErrorKind::Storage => Self::Storage,
            ErrorKind::Busy => Self::Busy,
            ErrorKind::Conflict => Self::Conflict,
            ErrorKind::Encryption => Self::Key,
            ErrorKind::Cancelled => Self::Cancelled,
            ErrorKind::Timeout => Self::Timeout,
            ErrorKind::Unsupported => Self::Unsupported,
            _ => Self::Internal,
        }
    }
}

/// A problem that ends a request.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    kind: ProblemKind,
    detail: String,
    help: Option<String>,
    others: Vec<String>,
    retry_after_seconds: Option<u64>,
}

impl Problem {
    /// Creates a problem. `detail` names the object, and contains no secret and no content of a record.
    pub(crate) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), help: None, others: Vec::new(), retry_after_seconds: None }
    }

    /// Sets the remedy.
    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Lists what the request could also refer to, for example the backups of the same second.
    pub(crate) fn with_others(mut self, others: impl IntoIterator<Item = String>) -> Self {
        self.others = others.into_iter().collect();
        self
    }

    /// Sets after how many seconds the request can be repeated.
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// Returns the kind.
    pub(crate) fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// Creates the problem that a stored document describes.
    pub(crate) fn from_document(document: &serde_json::Value) -> Option<Self> {
        let document: ProblemDocument = serde_json::from_value(document.clone()).ok()?;
        let code = document.kind.rsplit(':').next()?;
        let kind = ProblemKind::ALL.into_iter().find(|kind| kind.code() == code)?;
        let problem = Self::new(kind, document.detail).with_others(document.others);
        Some(match document.help {
            Some(help) => problem.with_help(help),
            None => problem,
        })
    }

    /// Returns what a person reads.
    pub(crate) fn text(&self) -> ProblemText<'_> {
        ProblemText { detail: &self.detail, help: self.help.as_deref(), others: &self.others }
    }

    /// Returns the body of the response.
    pub(crate) fn document(&self) -> ProblemDocument {
        ProblemDocument {
            kind: format!("urn:koan-backup:problem:{}", self.kind.code()),
            title: self.kind.title().to_owned(),
            status: self.kind.status().as_u16(),
            detail: self.detail.clone(),
            help: self.help.clone(),
            others: self.others.clone(),
        }
    }
}

/// What a person reads about a problem.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProblemText<'a> {
    /// What happened, with the name of the object.
    pub(crate) detail: &'a str,
    /// What to do.
    pub(crate) help: Option<&'a str>,
    /// What the request could also refer to.
    pub(crate) others: &'a [String],
}

/// An error of koan-backup, with its causes. Errors contain neither secrets nor the content of records.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let mut detail = error.message().to_owned();
        let mut cause = std::error::Error::source(&error);
        while let Some(source) = cause {
            let text =
                source.downcast_ref::<Error>().map_or_else(|| source.to_string(), |e| e.message().to_owned());
            detail = format!("{detail}: {text}");
            cause = source.source();
        }
        let problem = Self::new(error.kind().into(), detail);
        match error.help() {
            Some(help) => problem.with_help(help),
            None => problem,
        }
    }
}

/// The body of a response with an error.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemDocument {
    /// A URN that identifies the kind of the problem, for example `urn:koan-backup:problem:not-found`.
    #[serde(rename = "type")]
    kind: String,
    /// The kind of the problem as text.
    title: String,
    /// The status of the response.
    status: u16,
    /// What happened, with the name of the object.
    detail: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    /// What the request could also refer to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    others: Vec<String>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.kind.status();
        if status.is_server_error() {
            tracing::warn!(target: "koan::backup::http", kind = self.kind.code(), detail = %self.detail, "a request failed");
        }
        let body = serde_json::to_vec(&self.document()).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.kind == ProblemKind::Unauthenticated {
            let scheme = HeaderValue::from_static("Bearer realm=\"koan-backup\"");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        // The web page presents the problem in its own form.
        response.extensions_mut().insert(self);
        response
    }
}

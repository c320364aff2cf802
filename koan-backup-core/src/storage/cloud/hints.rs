//! The hints on what to check after an error. A hint is selected by the error code of the store, or by the
//! status if the code is unknown.

use object_store::Error;

use super::request_kind::RequestKind;

/// A hint on what to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hint {
    pub(super) text: &'static str,
    pub(super) kind: HintKind,
}

/// The meaning of a response for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HintKind {
    /// The status of the response determines its meaning.
    ByStatus,
    /// The store refused the request, and a retry would not help. Callers do not expect this response, in
    /// contrast to a response such as "the file exists".
    Refused,
}

impl Hint {
    const fn refused(text: &'static str) -> Self {
        Self { text, kind: HintKind::Refused }
    }

    const fn by_status(text: &'static str) -> Self {
        Self { text, kind: HintKind::ByStatus }
    }
}

const CLOCK: &str = "this machine's clock differs too much from the clock of the store: set the clock, and \
                     synchronize it with NTP";
const CONDITIONAL_WRITES: &str = "the store does not support conditional writes (`If-None-Match`), without \
                                  which two processes would replace each other's manifests and leases: use a \
                                  store, or a version of this store, that supports conditional writes";
const NOT_IMPLEMENTED: &str =
    "the store does not support this request: use another store, or another version of this store";
const ARCHIVE_CLASS: &str = "the file is in a storage class that cannot be read immediately (Glacier, \
                             Archive): first restore the file in the store, and exclude `manifests/` and \
                             `leases/` from rules that move files to such classes";
const CHECKSUM: &str = "if the bucket has Object Lock, uploads need a checksum: set \
                        `.option(\"checksum_algorithm\", \"sha256\")` on the storage";
const REGION: &str = "the bucket is in another region: check the region and the endpoint";
const PERMISSIONS: &str =
    "check the credentials: they need the permissions to list, read, write and delete files in the bucket";

/// Returns the hint for the error code of a store.
pub(super) fn for_code(code: &str, request: RequestKind) -> Option<Hint> {
    Some(match code {
        "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => Hint::refused(CLOCK),
        "InvalidObjectState" | "BlobArchived" | "BlobBeingRehydrated" | "ObjectArchived" => {
            Hint::refused(ARCHIVE_CLASS)
        }
        "NotImplemented" | "UnsupportedHeader" if request == RequestKind::Creation => {
            Hint::refused(CONDITIONAL_WRITES)
        }
        "NotImplemented" | "UnsupportedHeader" => Hint::refused(NOT_IMPLEMENTED),
        "MissingContentMD5" => Hint::refused(CHECKSUM),
        "InvalidRequest" if matches!(request, RequestKind::Creation | RequestKind::Write) => {
            Hint::refused(CHECKSUM)
        }
        // Azure uses one code for wrong credentials and a wrong clock.
        "AuthenticationFailed" => Hint::refused(
            "check the credentials (`AZURE_STORAGE_ACCOUNT_NAME`, `AZURE_STORAGE_ACCOUNT_KEY`) and this \
             machine's clock, which must not differ by more than 15 minutes from the clock of the store",
        ),
        // Google also uses one code for wrong credentials and a wrong clock.
        "invalid_grant" => Hint::refused(
            "the key of the service account was revoked, or this machine's clock is wrong: check \
             `GOOGLE_APPLICATION_CREDENTIALS` and the clock",
        ),
        "InvalidAccessKeyId" => Hint::refused(
            "check the credentials: the store does not know the access key (`AWS_ACCESS_KEY_ID`); check the \
             endpoint as well",
        ),
        "SignatureDoesNotMatch" => Hint::refused(
            "check the credentials: the secret key (`AWS_SECRET_ACCESS_KEY`) does not belong to the access \
             key, or was not copied completely",
        ),
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => Hint::refused(
            "the session token has expired: get new credentials, and set `AWS_SESSION_TOKEN` to the new token as well",
        ),
        "AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException" => {
            Hint::refused(REGION)
        }
        "AccessDenied"
        | "AuthorizationPermissionMismatch"
        | "AuthorizationFailure"
        | "InsufficientAccountPermissions" => Hint::by_status(PERMISSIONS),
        "QuotaExceeded" | "XMinioStorageFull" => {
            Hint::refused("the store is full: delete files, or increase its quota")
        }
        _ => return None,
    })
}

/// Returns the hint for a status without a known code.
pub(super) fn for_status(
    status: Option<u16>,
    missing_bucket: bool,
    request: RequestKind,
    error: &Error,
) -> Option<Hint> {
    let text = match (status, error) {
        _ if missing_bucket => "the bucket does not exist: check its name, the region and the endpoint",
        (Some(501), _) if request == RequestKind::Creation => return Some(Hint::refused(CONDITIONAL_WRITES)),
        (Some(501), _) => return Some(Hint::refused(NOT_IMPLEMENTED)),
        (_, Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotModified { .. }) => {
            return None;
        }
        (_, Error::NotFound { .. }) => return None,
        (Some(401 | 403), _) => "check the credentials and their permissions, the region and the endpoint",
        (Some(300..=399), _) => "check the region and the endpoint",
        (Some(400), _) => "check the credentials, the region and the endpoint",
        (Some(429 | 500..=599), _) => "the store is busy or unavailable: try again later",
        (None, Error::Generic { .. }) => "check the endpoint, the network and the credentials",
        _ => return None,
    };
    Some(Hint::by_status(text))
}

/// Returns the hint for a failed request to the metadata service of a cloud. The client requests credentials
/// from this service if none are configured, and the service responds only on machines of that cloud.
pub(super) fn missing_credentials(request: &str) -> Option<&'static str> {
    let contains_any = |parts: &[&str]| parts.iter().any(|part| request.contains(part));
    if contains_any(&["/latest/api/token", "/latest/meta-data/iam/"]) {
        Some(
            "no credentials are configured, and this machine does not provide any: set `AWS_ACCESS_KEY_ID` \
             and `AWS_SECRET_ACCESS_KEY` in the environment, or set them with `.credentials(id, secret)`",
        )
    } else if contains_any(&["/metadata/identity/oauth2/token"]) {
        Some(
            "no credentials are configured, and this machine does not provide any: set \
             `AZURE_STORAGE_ACCOUNT_KEY` or `AZURE_STORAGE_SAS_TOKEN` in the environment, or set them with \
             `.credentials(account, key)`",
        )
    } else if contains_any(&["/computeMetadata/v1/"]) {
        Some(
            "no credentials are configured, and this machine does not provide any: set \
             `GOOGLE_APPLICATION_CREDENTIALS` to the file of a service account, or set the path of the file \
             with `.option(\"service_account\", path)`",
        )
    } else {
        None
    }
}

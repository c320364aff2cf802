//! What to check, by the code that a store answered; by its status only where it gave no code that is known.

use object_store::Error;

use super::answer::Asked;

/// What a store answered and what to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hint {
    pub(super) text: &'static str,
    pub(super) sort: Sort,
}

/// What an answer means for whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// What the status says.
    ByStatus,
    /// It would be answered again, and it is none of the answers that callers expect, such as "there is one already".
    Refused,
}

impl Hint {
    const fn refused(text: &'static str) -> Self {
        Self { text, sort: Sort::Refused }
    }

    const fn by_status(text: &'static str) -> Self {
        Self { text, sort: Sort::ByStatus }
    }
}

const CLOCK: &str =
    "this machine's clock differs too much from that of the store: set the clock, and keep it right by NTP";
const CONDITIONAL: &str = "the store has no conditional writes (`If-None-Match`), without which two processes would replace each \
                           other's manifests and leases: use a store, or a version of it, that has them";
const NOT_IMPLEMENTED: &str =
    "the store does not know this request: use a store, or a version of it, that does";
const COLD: &str = "the file is in a storage class that cannot be read at once (Glacier, Archive): restore it there first, and exclude \
                    `manifests/` and `leases/` from rules that move files to such classes";
const CHECKSUM: &str = "if the bucket has Object Lock, uploads need a checksum: set `.option(\"checksum_algorithm\", \"sha256\")` on the \
                        storage";
const REGION: &str = "the bucket is in another region: check the region and the endpoint";
const LIMITED: &str =
    "check the credentials and what they may do there: they must list, read, write and delete files";

/// The hint for a code that a store answered.
pub(super) fn of_code(code: &str, asked: Asked) -> Option<Hint> {
    Some(match code {
        "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => Hint::refused(CLOCK),
        "InvalidObjectState" | "BlobArchived" | "BlobBeingRehydrated" | "ObjectArchived" => {
            Hint::refused(COLD)
        }
        "NotImplemented" | "UnsupportedHeader" if asked == Asked::Creation => Hint::refused(CONDITIONAL),
        "NotImplemented" | "UnsupportedHeader" => Hint::refused(NOT_IMPLEMENTED),
        "MissingContentMD5" => Hint::refused(CHECKSUM),
        "InvalidRequest" if matches!(asked, Asked::Creation | Asked::Write) => Hint::refused(CHECKSUM),
        // Azure has one code for both.
        "AuthenticationFailed" => Hint::refused(
            "check the credentials (`AZURE_STORAGE_ACCOUNT_NAME`, `AZURE_STORAGE_ACCOUNT_KEY`) and this machine's clock, which may not \
             differ by more than 15 minutes from that of the store",
        ),
        // Google as well.
        "invalid_grant" => Hint::refused(
            "the key of the service account was revoked, or this machine's clock is wrong: check \
             `GOOGLE_APPLICATION_CREDENTIALS` and the clock",
        ),
        "InvalidAccessKeyId" => Hint::refused(
            "check the credentials: the access key is not known there (`AWS_ACCESS_KEY_ID`); check the endpoint as well",
        ),
        "SignatureDoesNotMatch" => Hint::refused(
            "check the credentials: the secret key (`AWS_SECRET_ACCESS_KEY`) does not belong to the access key, or was not copied \
             whole",
        ),
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => Hint::refused(
            "the session token has expired: get new credentials, and set `AWS_SESSION_TOKEN` with them",
        ),
        "AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException" => {
            Hint::refused(REGION)
        }
        "AccessDenied"
        | "AuthorizationPermissionMismatch"
        | "AuthorizationFailure"
        | "InsufficientAccountPermissions" => Hint::by_status(LIMITED),
        "QuotaExceeded" | "XMinioStorageFull" => Hint::refused("the store is full: make room there"),
        _ => return None,
    })
}

/// The hint for a status without a code that is known.
pub(super) fn of_status(
    status: Option<u16>,
    missing_bucket: bool,
    asked: Asked,
    error: &Error,
) -> Option<Hint> {
    let text = match (status, error) {
        _ if missing_bucket => "there is no such bucket: check its name, the region and the endpoint",
        (Some(501), _) if asked == Asked::Creation => return Some(Hint::refused(CONDITIONAL)),
        (Some(501), _) => return Some(Hint::refused(NOT_IMPLEMENTED)),
        (_, Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotModified { .. }) => {
            return None;
        }
        (_, Error::NotFound { .. }) => return None,
        (Some(401 | 403), _) => {
            "check the credentials and what they may do there, the region and the endpoint"
        }
        (Some(300..=399), _) => "check the region and the endpoint",
        (Some(400), _) => "check the credentials, the region and the endpoint",
        (Some(429 | 500..=599), _) => "the store is busy or out of order: try again later",
        (None, Error::Generic { .. }) => "check the endpoint, the network and the credentials",
        _ => return None,
    };
    Some(Hint::by_status(text))
}

/// What to say where credentials were asked of the machine, because none were given. Every cloud has an address for that, which
/// answers on its own machines only.
pub(super) fn missing_credentials(request: &str) -> Option<&'static str> {
    let is_asked = |parts: &[&str]| parts.iter().any(|part| request.contains(part));
    if is_asked(&["/latest/api/token", "/latest/meta-data/iam/"]) {
        Some(
            "no credentials were given, and this machine has none of its own: set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` in \
             the environment, or give them with `.credentials(id, secret)`",
        )
    } else if is_asked(&["/metadata/identity/oauth2/token"]) {
        Some(
            "no credentials were given, and this machine has none of its own: set `AZURE_STORAGE_ACCOUNT_KEY` or \
             `AZURE_STORAGE_SAS_TOKEN` in the environment, or give them with `.credentials(account, key)`",
        )
    } else if is_asked(&["/computeMetadata/v1/"]) {
        Some(
            "no credentials were given, and this machine has none of its own: set `GOOGLE_APPLICATION_CREDENTIALS` to the file of a \
             service account, or give it with `.option(\"service_account\", path)`",
        )
    } else {
        None
    }
}

//! Downloads of archives, in ranges.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use koan_backup_core::report::StoredArchive;

use crate::access::extractor::Admin;
use crate::backups::{self, Accepted};
use crate::problem::{Problem, ProblemDocument, ProblemKind};
use crate::requests::profile::ProfileParameter;
use crate::requests::range::{Requested, requested};
use crate::requests::{BackupPath, EntityPath, QueryParameters};
use crate::state::{AppState, Shared};

/// Returns the archive of a backup, as it is stored. A range of its bytes can be requested, so that an interrupted
/// download can be continued.
#[utoipa::path(
    get, path = "/api/backup/manifests/{backup}/download", tag = "backups", operation_id = "download",
    params(("backup" = String, Path, description = "An id, its last eight digits, or a name"), ProfileParameter),
    responses(
        (status = 200, description = "The archive", body = Vec<u8>, content_type = "application/zip"),
        (status = 206, description = "The requested range", body = Vec<u8>, content_type = "application/zip"),
        (status = 304, description = "The client has this archive"),
        (status = 404, description = "There is no such backup or profile", body = ProblemDocument),
        (status = 409, description = "The backup has no archive, or it is damaged", body = ProblemDocument),
        (status = 416, description = "The range is not part of the archive", body = ProblemDocument),
    )
)]
pub(super) async fn of_backup(
    _: Admin,
    State(shared): AppState,
    backup: BackupPath,
    method: Method,
    headers: HeaderMap,
    QueryParameters(parameters): QueryParameters<ProfileParameter>,
) -> Result<Response, Problem> {
    let profile = parameters.storage_profile.as_deref();
    let id = backups::find(&shared.koan, &backup, profile, Accepted::WithArchive, &[]).await?.id;
    send(&shared, id, profile, &method, &headers).await
}

/// Returns the archive of a backup that contains the entity. The archive may contain other entities as well.
#[utoipa::path(
    get, path = "/backup/{entity}/{at}/download", tag = "entities", operation_id = "downloadOfEntity",
    params(
        ("entity" = String, Path, description = "The name of the entity or of its table"),
        ("at" = String, Path, description = "An id, its last eight digits, `latest`, or a time such as 2025-10-02T15-30-45Z"),
        ProfileParameter,
    ),
    responses(
        (status = 200, description = "The archive", body = Vec<u8>, content_type = "application/zip"),
        (status = 206, description = "The requested range", body = Vec<u8>, content_type = "application/zip"),
        (status = 304, description = "The client has this archive"),
        (status = 404, description = "There is no such entity, backup or profile", body = ProblemDocument),
        (status = 409, description = "Several backups started in this second, or the archive is damaged", body = ProblemDocument),
        (status = 416, description = "The range is not part of the archive", body = ProblemDocument),
    )
)]
pub(super) async fn of_entity(
    _: Admin,
    State(shared): AppState,
    EntityPath(entity): EntityPath,
    backup: BackupPath,
    method: Method,
    headers: HeaderMap,
    QueryParameters(parameters): QueryParameters<ProfileParameter>,
) -> Result<Response, Problem> {
    let profile = parameters.storage_profile.as_deref();
    let id = backups::find_of_entity(&shared.koan, &entity.name, &backup, profile).await?.id;
    send(&shared, id, profile, &method, &headers).await
}

async fn send(
    shared: &Shared,
    id: koan_backup_core::BackupId,
    profile: Option<&str>,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let mut archive = shared.koan.archive(id);
    if let Some(profile) = profile {
        archive = archive.from_profile(profile);
    }
    let archive = archive.await?;
    let tag = format!("\"{}\"", archive.sha256().rsplit(':').next().unwrap_or_default());
    let size = archive.size_bytes();
    let (status, range) = match requested(headers, &tag, size) {
        Requested::Unchanged => return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response()),
        Requested::Nothing => {
            let text = format!("the requested range is not part of the archive, which has {size} bytes");
            let mut response = Problem::new(ProblemKind::RangeNotSatisfiable, text).into_response();
            insert(response.headers_mut(), header::CONTENT_RANGE, &format!("bytes */{size}"));
            return Ok(response);
        }
        Requested::Everything => (StatusCode::OK, 0..size),
        Requested::Range(range) => (StatusCode::PARTIAL_CONTENT, range),
    };
    let body = match *method {
        Method::HEAD => Body::empty(),
        _ => Body::from_stream(archive.read(range.clone())),
    };
    let mut response = (status, body).into_response();
    let answered = response.headers_mut();
    answered.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    answered.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    answered.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    insert(answered, header::ETAG, &tag);
    insert(answered, header::CONTENT_DISPOSITION, &disposition(&archive));
    if status == StatusCode::PARTIAL_CONTENT {
        insert(answered, header::CONTENT_RANGE, &format!("bytes {}-{}/{size}", range.start, range.end - 1));
    }
    Ok(response)
}

/// Returns the header that names the file. Characters that the header cannot contain are replaced.
fn disposition(archive: &StoredArchive) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name: String = archive.file_name().chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    format!("attachment; filename=\"{name}\"")
}

fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

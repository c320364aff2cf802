//! Downloads of archives.

use koan_backup_http_tests::{ADMIN, OPERATOR};
use reqwest::{Method, StatusCode, header};

use crate::client::{Client, answer};

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_is_downloaded_in_ranges_that_join_to_the_stored_file() {
    let client = Client::start().await;
    let id = client.backup("nightly").await;
    let path = format!("/api/backup/manifests/{id}/download");
    let whole = client.request(Method::GET, &path, ADMIN).send().await.expect("the server answers");
    assert_eq!(whole.status(), StatusCode::OK);
    let headers = whole.headers().clone();
    assert_eq!(headers[header::CONTENT_TYPE], "application/zip");
    let tag = headers[header::ETAG].to_str().expect("a tag").to_owned();
    let bytes = whole.bytes().await.expect("the body");
    assert!(bytes.starts_with(b"PK"), "the archive is a ZIP file");
    let stored = client.get(&format!("/api/backup/manifests/{id}")).await.body["archive"].clone();
    let file = client.folder.path().join("backups").join(stored["file"].as_str().expect("a file"));
    assert_eq!(bytes, std::fs::read(file).expect("the archive"), "the download is the stored file");

    let range = |value: &str| client.request(Method::GET, &path, ADMIN).header(header::RANGE, value);
    let first = range("bytes=0-99").header(header::IF_RANGE, &tag).send().await.expect("the server answers");
    assert_eq!(first.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(first.headers()[header::CONTENT_RANGE], format!("bytes 0-99/{}", bytes.len()));
    let mut joined = first.bytes().await.expect("the body").to_vec();
    joined.extend(
        range("bytes=100-").send().await.expect("the server answers").bytes().await.expect("the body"),
    );
    assert_eq!(joined, bytes, "the ranges join to the file");
    let changed =
        range("bytes=100-").header(header::IF_RANGE, "\"other\"").send().await.expect("the server answers");
    assert_eq!(changed.status(), StatusCode::OK, "another file is sent from its beginning");
    let outside = answer(range("bytes=99999999-")).await;
    outside.problem(StatusCode::RANGE_NOT_SATISFIABLE, "range-not-satisfiable");
    let known = client.request(Method::GET, &path, ADMIN).header(header::IF_NONE_MATCH, &tag);
    assert_eq!(known.send().await.expect("the server answers").status(), StatusCode::NOT_MODIFIED);
    let head = client.request(Method::HEAD, &path, ADMIN).send().await.expect("the server answers");
    assert_eq!(head.headers()[header::CONTENT_LENGTH], bytes.len().to_string().as_str());
    answer(client.request(Method::GET, &path, OPERATOR)).await.problem(StatusCode::FORBIDDEN, "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_archive_does_not_end_as_a_complete_download() {
    let client = Client::start().await;
    let id = client.backup("nightly").await;
    let stored = client.get(&format!("/api/backup/manifests/{id}")).await.body["archive"].clone();
    let file = client.folder.path().join("backups").join(stored["file"].as_str().expect("a file"));
    let mut bytes = std::fs::read(&file).expect("the archive");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).expect("the archive is damaged");
    let path = format!("/backup/users/{id}/download");
    // A short archive may end before the client has received the head of the response.
    let damaged = match client.request(Method::GET, &path, ADMIN).send().await {
        Ok(answer) => answer.bytes().await,
        Err(error) => Err(error),
    };
    assert!(damaged.is_err(), "the connection ends before the last byte of a damaged archive");
}

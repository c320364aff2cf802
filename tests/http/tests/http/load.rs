//! Many clients, slow clients and large archives.

use futures::future::join_all;
use koan_backup_http_tests::{ADMIN, Server};
use reqwest::{Method, Response, StatusCode};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::archives;
use crate::client::{Client, Remote};
use crate::process::ServerProcess;

/// The number of clients that download at the same time.
const CLIENTS: usize = 200;
/// The number of clients that stop reading, which is more than the server has threads for requests.
const SLOW_CLIENTS: usize = 16;
/// The size of the large archive in mebibytes.
const LARGE: u64 = 1 << 10;
/// By how much a download of the large archive may increase the peak memory of the server.
const MAX_GROWTH_BYTES: u64 = 24 << 20;

async fn download(remote: &Remote, id: &str) -> Response {
    let path = format!("/api/backup/manifests/{id}/download");
    let response = remote.request(Method::GET, &path, ADMIN).send().await.expect("the server answers");
    assert_eq!(response.status(), StatusCode::OK);
    response
}

/// Reads a body to its end, and returns its size and its hash.
async fn read(mut response: Response) -> (u64, String) {
    let (mut size, mut hash) = (0, Sha256::new());
    while let Some(chunk) = response.chunk().await.expect("the body can be read") {
        size += u64::try_from(chunk.len()).expect("the size fits");
        hash.update(&chunk);
    }
    (size, archives::hex(&hash.finalize()))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_concurrent_downloads_are_all_complete() {
    let client = Client::start().await;
    let id = client.backup("nightly").await;
    let hash = archives::replace(&client.folder.path().join("backups"), &id, 2);
    // Every download has begun before the first one is read.
    let begun = join_all((0..CLIENTS).map(|_| download(&client, &id))).await;
    assert_eq!(begun.len(), CLIENTS);
    let read =
        join_all(begun.into_iter().map(async |response| response.bytes().await.expect("the body"))).await;
    assert_eq!(archives::sha256(&read[0]), hash, "the download is the stored file");
    let different = read.iter().filter(|bytes| **bytes != read[0]).count();
    assert_eq!(different, 0, "all downloads are equal");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_do_not_read_block_nobody_and_lose_nothing() {
    let client = Client::start().await;
    let (id, _) = (client.backup("nightly").await, client.backup("nightly").await);
    let hash = archives::replace(&client.folder.path().join("backups"), &id, 24);
    // The archive is larger than the buffers of a connection, so the server has to wait for these clients.
    let mut slow = Vec::new();
    for _ in 0..SLOW_CLIENTS {
        let mut response = download(&client, &id).await;
        let first = response.chunk().await.expect("the body can be read").expect("a first chunk");
        slow.push((response, first));
    }
    assert_eq!(read(download(&client, &id).await).await.1, hash, "another client reads the whole archive");
    client.backup("meanwhile").await;
    assert_eq!(client.get("/api/backup/manifests").await.body["totalCount"], 3);
    let path = format!("/api/backup/manifests/{id}");
    let deleted = client.request(Method::DELETE, &path, ADMIN).send().await.expect("the server answers");
    assert_eq!(deleted.status(), StatusCode::CONFLICT, "an archive that is being downloaded is not deleted");
    for (mut response, first) in slow {
        let mut whole = Sha256::new();
        whole.update(&first);
        while let Some(chunk) = response.chunk().await.expect("the body can be read") {
            whole.update(&chunk);
        }
        assert_eq!(archives::hex(&whole.finalize()), hash, "the slow client received every byte");
    }
}

/// The server of the test below, in another process.
#[tokio::test(flavor = "multi_thread")]
async fn the_server_of_downloads() {
    let Some(folder) = ServerProcess::folder() else { return };
    let server = Server::open(&folder, |options| options, |builder| builder).await;
    ServerProcess::serve(server.expect("the server starts")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_of_the_server_does_not_grow_with_the_size_of_a_download() {
    let folder = TempDir::new().expect("a folder");
    // This server creates the database and ends before the other one starts.
    drop(Server::start(folder.path()).await.expect("the server starts"));
    let server = ServerProcess::start("load::the_server_of_downloads", folder.path());
    let id = server.remote.backup("nightly").await;
    let backups = folder.path().join("backups");
    let small = archives::replace(&backups, &id, 1);
    assert_eq!(read(download(&server.remote, &id).await).await, (1 << 20, small));
    let before = server.peak_memory_bytes();
    let large = archives::replace(&backups, &id, LARGE);
    assert_eq!(read(download(&server.remote, &id).await).await, (LARGE << 20, large));
    let growth = server.peak_memory_bytes() - before;
    assert!(growth < MAX_GROWTH_BYTES, "a download of 1 GiB took {growth} bytes more than one of 1 MiB");
    let listed = server.remote.get("/api/backup/manifests").await.body;
    assert_eq!(
        listed["items"][0]["sizeBytes"],
        json!(LARGE << 20),
        "the changed manifest is listed: {listed}"
    );
}

//! Paths that try to leave the folder of the backups.

use std::collections::BTreeMap;
use std::path::Path;

use koan_backup_http_tests::ADMIN;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::Client;

/// Values of a part of a path, as they are sent.
const TRICKS: &[&str] = &[
    ".",
    "..",
    "%2e%2e",
    "%2e%2e%2f",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%252e%252e%252fetc%252fpasswd",
    "%2fetc%2fpasswd",
    "..%5c..%5cwindows",
    "..;",
    "....%2f%2f",
    "%c0%ae%c0%ae%c0%af",
    "%e0%80%ae%e0%80%ae",
    "%00",
    "nightly%00.json",
    "%0d%0aset-cookie:%20a=b",
    "%ff%fe",
    "%",
    "%zz",
    "manifests%2f..%2fleases",
    "shop.db",
    "..%2fstate%2foperations.sqlite",
    "%e2%80%ae",
    "*",
    "latest%20",
];

/// Sends a request whose path is not changed by a client, and returns the status and the response.
async fn send(address: &str, method: &str, target: &str) -> (u16, String) {
    let mut connection = TcpStream::connect(address).await.expect("a connection");
    let body = if method == "GET" || method == "DELETE" { "" } else { "{}" };
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADMIN}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(request.as_bytes()).await.expect("the request is sent");
    let mut response = Vec::new();
    // A server that refuses the head may close the connection before it has read the body.
    let _ = connection.read_to_end(&mut response).await;
    let text = String::from_utf8_lossy(&response).into_owned();
    let status = text.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_default();
    (status, text)
}

/// Returns the sizes of all files below a folder, except those of the operations and the leases.
fn files(folder: &Path) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry")) {
            let (path, meta) = (entry.path(), entry.metadata().expect("the metadata"));
            if meta.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.display().to_string(), meta.len());
            }
        }
    }
    found.retain(|path, _| !path.contains("/state/") && !path.contains("/leases/"));
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_of_a_path_parameter_leaves_the_backups() {
    let (client, _) = Client::with_streams().await;
    let id = client.backup("nightly").await;
    let single = client.stream_backup("order", "order-1").await;
    let address = client.server.application_url.trim_start_matches("http://").to_owned();
    let before = files(client.folder.path());
    let document = client.get("/openapi.json").await.body;
    let long = "x".repeat(20_000);
    let tricks: Vec<&str> = TRICKS.iter().copied().chain([long.as_str()]).collect();
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        let parameters: Vec<&str> =
            path.split('/').filter(|part| part.starts_with('{') && part.ends_with('}')).collect();
        for method in item.as_object().expect("methods").keys() {
            for parameter in &parameters {
                for trick in &tricks {
                    let target = path.replace(parameter, trick).replace("{entity}", "users");
                    let target = match path.contains("stream") {
                        true => target
                            .replace("{object}", "order")
                            .replace("{id}", "order-1")
                            .replace("{backup}", &single),
                        false => target,
                    };
                    let target = ["{at}", "{backup}", "{id}", "{before}", "{after}"]
                        .iter()
                        .fold(target, |target, name| target.replace(name, &id));
                    let method = method.to_uppercase();
                    let (status, text) = send(&address, &method, &format!("/ops{target}")).await;
                    assert!((400..500).contains(&status), "{method} {target}: {text}");
                    for leaked in ["root:", "SQLite format"] {
                        assert!(!text.contains(leaked), "{method} {target}: {text}");
                    }
                    let head = text.split("\r\n\r\n").next().unwrap_or_default();
                    assert!(!head.contains("set-cookie"), "{method} {target}: {text}");
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 500, "every parameter was tried: {tried}");
    for trick in TRICKS {
        for target in [
            format!("/ops/api/backup/manifests?storageProfiles={trick}"),
            format!("/ops/api/backup/manifests/{id}?storageProfile={trick}"),
        ] {
            let (status, text) = send(&address, "GET", &target).await;
            assert!((400..500).contains(&status), "{target}: {text}");
        }
    }
    assert_eq!(files(client.folder.path()), before, "no file was changed, created or removed");
    let operations = client.get("/api/backup/operations").await.body;
    assert_eq!(operations["items"].as_array().map(Vec::len), Some(2), "nothing was started: {operations}");
}

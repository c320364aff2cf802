//! The limits of the server, each of which is an option.

use std::io::{Read as _, Write as _};

use super::client::{Answer, Serving};
use crate::shop::Shop;

/// Requests on one connection whose responses do not fit into the buffers of the connection.
const UNREAD_REQUESTS: usize = 400;

#[test]
fn a_connection_that_sends_its_head_slowly_is_closed() {
    let shop = Shop::new(1);
    let server = Serving::start(&shop, &["--client-timeout", "1s"]);
    let mut slow = server.connect();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost: ").expect("a part of a head");
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer).ok();
    let answer = Answer::parse(&answer);
    assert!([0, 408].contains(&answer.status), "the connection is closed without a result: {answer:?}");
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn a_client_that_reads_nothing_is_closed_and_its_place_is_free() {
    let shop = Shop::new(1);
    let server = Serving::start(&shop, &["--client-timeout", "1s", "--max-connections", "1"]);
    let mut greedy = server.connect();
    let request = server.request("GET", "/openapi.json", &["Connection: keep-alive"], "");
    let writer = {
        let mut greedy = greedy.try_clone().expect("a connection");
        std::thread::spawn(move || {
            for _ in 0..UNREAD_REQUESTS {
                // The server may close the connection before all requests are sent.
                if greedy.write_all(request.as_bytes()).is_err() {
                    break;
                }
            }
        })
    };
    // The only place is taken, so this request is answered when the server has closed the other connection.
    assert_eq!(server.get("/healthz").status, 200);
    let mut received = Vec::new();
    greedy.read_to_end(&mut received).ok();
    let responses = received.windows(12).filter(|bytes| *bytes == b"HTTP/1.1 200").count();
    assert!(responses < UNREAD_REQUESTS, "all responses were sent, so the connection did not stall");
    writer.join().expect("the requests end");
}

#[test]
fn connections_beyond_the_limit_wait_for_a_place() {
    let shop = Shop::new(1);
    let server = Serving::start(&shop, &["--max-connections", "1"]);
    let mut first = server.connect();
    let keep = server.request("GET", "/healthz", &["Connection: keep-alive"], "");
    first.write_all(keep.as_bytes()).expect("a request");
    let mut start = [0; 12];
    first.read_exact(&mut start).expect("an answer");
    assert_eq!(&start, b"HTTP/1.1 200");
    let mut second = server.connect();
    second.write_all(server.request("GET", "/healthz", &[], "").as_bytes()).expect("a request");
    // While the first connection is served again and again, the second one receives nothing.
    for _ in 0..100 {
        first.write_all(keep.as_bytes()).expect("a request");
        let mut answer = Vec::new();
        while !answer.windows(12).skip(1).any(|window| window == b"HTTP/1.1 200")
            && !answer.starts_with(&start)
        {
            let mut bytes = [0; 1024];
            let length = first.read(&mut bytes).expect("an answer");
            assert!(length > 0, "the first connection was closed");
            answer.extend_from_slice(&bytes[..length]);
        }
    }
    second.set_nonblocking(true).expect("the socket does not wait");
    let early = second.peek(&mut start).expect_err("a second connection is served");
    assert_eq!(early.kind(), std::io::ErrorKind::WouldBlock);
    second.set_nonblocking(false).expect("the socket waits");
    drop(first);
    second.read_exact(&mut start).expect("the place is free");
    assert_eq!(&start, b"HTTP/1.1 200");
}

#[test]
fn a_large_body_and_too_many_operations_are_refused() {
    let shop = Shop::new(3);
    std::fs::write(shop.gate(), "").expect("the gate is closed");
    let options = ["--role", "admin", "--max-body", "100", "--max-running", "1", "--max-queued", "1"];
    let server = Serving::start(&shop, &options);
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(100));
    assert_eq!(server.post("/api/backup/all", &large).status, 413);
    assert_eq!(server.post("/api/backup/all", "{\"name\": \"a\"}").status, 202);
    shop.wait_for_the_gate();
    assert_eq!(server.post("/api/backup/all", "{\"name\": \"b\"}").status, 202, "the second one waits");
    let third = server.post("/api/backup/all", "{\"name\": \"c\"}");
    assert_eq!(third.status, 429, "{third:?}");
    let running = server.get("/api/backup/operations?state=running").body;
    assert_eq!(running.matches("\"operationId\"").count(), 1, "{running}");
    shop.open_the_gate();
}

#[test]
fn routes_are_below_the_public_path_and_scripts_of_allowed_sites_may_ask() {
    let shop = Shop::new(1);
    let arguments = ["--public-path", "/ops", "--allow-origin", "https://admin.example.org"];
    let server = Serving::start(&shop, &arguments);
    assert!(server.line.contains("/ops;"), "{}", server.line);
    let document = server.get("/openapi.json");
    assert_eq!(document.status, 200, "{document:?}");
    assert!(document.body.contains("\"url\":\"/ops\""), "{}", document.body);
    let origin = "Origin: https://admin.example.org";
    let answer = server.send("GET", "/healthz", &[origin], "");
    assert!(answer.head.contains("access-control-allow-origin: https://admin.example.org"), "{answer:?}");
    let other = server.send("GET", "/healthz", &["Origin: https://other.example.org"], "");
    assert!(!other.head.contains("access-control-allow-origin"), "{other:?}");
}

#[test]
fn operations_of_several_replicas_are_stored_in_the_storage_profile() {
    let shop = Shop::new(3);
    let state = shop.directory().join("storage/state/operations.sqlite");
    let server = Serving::start(&shop, &["--role", "admin", "--several-replicas"]);
    assert_eq!(server.post("/api/backup/all?wait=true", "{}").status, 200);
    assert!(!state.exists(), "the operations are in the state directory");
    drop(server);
    let server = Serving::start(&shop, &["--several-replicas"]);
    let operations = server.get("/api/backup/operations").body;
    assert!(operations.contains("\"status\":\"completed\""), "another process sees them: {operations}");
    drop(server);
    drop(Serving::start(&shop, &[]));
    assert!(state.exists(), "without the option, they are in the state directory");
}

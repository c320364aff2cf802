//! What is no list of files is never taken for an empty one.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use koan_backup::prelude::*;
use koan_backup::{Expectations, Retention};
use koan_backup_tests::stores::{AZURITE_KEY, amazon, google};

use crate::rig::{koan, shop};

/// A server that answers every request with status 200 and one body.
struct Portal {
    port: u16,
    body: Arc<Mutex<String>>,
}

impl Portal {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let body = Arc::new(Mutex::new(String::new()));
        let answered = Arc::clone(&body);
        std::thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let body = answered.lock().expect("a body").clone();
                std::thread::spawn(move || {
                    let mut request = Vec::new();
                    let mut chunk = [0; 4096];
                    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
                        match client.read(&mut chunk) {
                            Ok(0) | Err(_) => return,
                            Ok(read) => request.extend_from_slice(&chunk[..read]),
                        }
                    }
                    let head = format!(
                        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n",
                        body.len()
                    );
                    let _ =
                        client.write_all(head.as_bytes()).and_then(|()| client.write_all(body.as_bytes()));
                });
            }
        });
        Self { port, body }
    }

    fn answers(&self, body: &str) {
        *self.body.lock().expect("a body") = body.to_owned();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_no_list_is_an_error_and_not_an_empty_list() {
    let portal = Portal::open();
    let azure = Storage::options("az://backups/shop")
        .without_environment()
        .endpoint(format!("http://127.0.0.1:{}/devstoreaccount1", portal.port))
        .credentials("devstoreaccount1", AZURITE_KEY);
    for options in [amazon("shop", portal.port), google("shop", portal.port), azure] {
        let storage = options.open().expect("a profile");
        let place = storage.location().to_owned();
        let koan = koan(shop(0), [("store", storage)]).await;
        for body in [
            "",
            "OK",
            "{\"items\": []}",
            "<html><head><title>Log in</title></head><body></body></html>",
            "<!DOCTYPE html>\n<html></html>",
            "<?xml version=\"1.0\"?><ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>",
            "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code></Error>",
            "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
            "<?xml version=\"1.0\"?><ListBucketResult>",
            "<?xml version=\"1.0\"?><EnumerationResults>",
        ] {
            portal.answers(body);
            for error in [
                koan.backups().await.expect_err(body),
                koan.catalog().all().await.expect_err(body),
                koan.catalog().health(&Expectations::new()).await.expect_err(body),
                koan.catalog().recover().await.map(drop).expect_err(body),
                koan.restore("nightly").await.expect_err(body),
                koan.retention(Retention::new().keep_last(1)).plan().await.expect_err(body),
            ] {
                assert_eq!(error.kind(), ErrorKind::Storage, "{place} {body}: {error:?}");
            }
            let ran = koan.maintenance().await.expect("ran");
            assert!(!ran.is_clean() && ran.profiles[0].leftovers.is_empty(), "{place} {body}: {ran:?}");
        }
    }
}

//! A response that is not a list of files is never treated as an empty list.

use std::sync::{Arc, Mutex};

use koan_backup::prelude::*;
use koan_backup::{Retention, catalog::Expectations};
use koan_backup_tests::stores::{AZURITE_KEY, google, s3_storage, start_responder};

use crate::fixture::{koan, shop};

/// The mark of a profile. With this mark the profile can be opened, and its files are listed.
const MARK: &str =
    r#"{"formatVersion":1,"id":"01a22903-1183-703a-88d8-dd0b0a095f25","createdAt":"2026-08-01T00:00:00Z"}"#;

/// A server that responds to every request with status 200, like a captive portal. The response to a request
/// for the mark is the mark, and all other responses have the same body.
struct Portal {
    port: u16,
    body: Arc<Mutex<String>>,
}

impl Portal {
    fn open() -> Self {
        let body = Arc::new(Mutex::new(String::new()));
        let response_body = Arc::clone(&body);
        let port = start_responder(move |request| match request.target.contains("profile") {
            true => (200, MARK.to_owned()),
            false => (200, response_body.lock().expect("the lock is not poisoned").clone()),
        });
        Self { port, body }
    }

    fn set_body(&self, body: &str) {
        *self.body.lock().expect("the lock is not poisoned") = body.to_owned();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_is_not_a_list_is_an_error_and_not_an_empty_list() {
    let portal = Portal::open();
    let azure = Storage::options("az://backups/shop")
        .without_environment()
        .endpoint(format!("http://127.0.0.1:{}/devstoreaccount1", portal.port))
        .credentials("devstoreaccount1", AZURITE_KEY);
    for options in [s3_storage("shop", portal.port), google("shop", portal.port), azure] {
        let storage = options.open().expect("a profile");
        let location = storage.location().to_owned();
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
            portal.set_body(body);
            for error in [
                koan.backups().await.expect_err(body),
                koan.catalog().all().await.expect_err(body),
                koan.catalog().health(&Expectations::new()).await.expect_err(body),
                koan.catalog().recover().await.map(drop).expect_err(body),
                koan.restore("nightly").await.expect_err(body),
                koan.retention(Retention::new().keep_last(1)).plan().await.expect_err(body),
            ] {
                assert_eq!(error.kind(), ErrorKind::Storage, "{location} {body}: {error:?}");
            }
            let report = koan.maintenance().await.expect("maintenance completed");
            assert!(
                !report.is_clean() && report.profiles[0].removed_files.is_empty(),
                "{location} {body}: {report:?}"
            );
        }
    }
}

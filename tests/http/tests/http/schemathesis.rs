//! The requests that schemathesis derives from the OpenAPI document.

use std::path::PathBuf;

use koan_backup_http_tests::ADMIN;
use koan_backup_tests::not_run::not_run;
use koan_backup_tests::random_seed::rounds;
use tokio::process::Command;

use crate::client::Client;

/// The environment variable with the path of the program.
const PROGRAM: &str = "KOAN_TEST_SCHEMATHESIS";
/// Where tests/setup installs the program.
const INSTALLED: &str = "/opt/koan-backup-test/schemathesis/bin/schemathesis";
/// The checks of each response.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,response_headers_conformance";
/// The time for which requests are sent, which is multiplied by [`rounds`].
const SECONDS: u32 = 40;

#[tokio::test(flavor = "multi_thread")]
async fn every_response_to_a_request_of_schemathesis_is_declared_and_no_error_of_the_server() {
    let program = std::env::var_os(PROGRAM).map_or_else(|| PathBuf::from(INSTALLED), PathBuf::from);
    if !program.is_file() {
        let program = program.display();
        return not_run(&format!("schemathesis is not at {program}; run tests/setup, or set {PROGRAM}"));
    }
    let (client, _) = Client::with_streams().await;
    client.backup("nightly").await;
    client.stream_backup("order", "order-1").await;
    let output = Command::new(program)
        .args(["run", &format!("{}/openapi.json", client.server.url), "--checks", CHECKS, "--no-color"])
        .args(["--header", &format!("Authorization: Bearer {ADMIN}")])
        // A stream of events ends with its operation, and other tests read it.
        .args(["--exclude-path-regex", "/events$"])
        .args(["--max-examples", "10", "--max-time", &(SECONDS * rounds()).to_string()])
        .current_dir(client.folder.path())
        .output()
        .await
        .expect("schemathesis starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("generated"), "requests were sent: {text}");
}

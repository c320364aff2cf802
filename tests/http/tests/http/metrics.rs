//! The metrics of the context.

use std::time::Duration;

use koan_backup::catalog::Expectations;
use koan_backup::metrics::Metrics;
use koan_backup_http_tests::{ADMIN, OPERATOR, Server, VIEWER};
use reqwest::{Method, StatusCode};

use crate::client::{Client, answer};

async fn client() -> Client {
    let metrics = Metrics::new();
    let (of_options, listener) = (metrics.clone(), metrics.listener());
    let client = Client::open(
        |options| options.metrics(of_options),
        |builder| {
            let expected = Expectations::new().backup_every("nightly", Duration::from_secs(86_400));
            builder.observe(listener).expectations(expected)
        },
    )
    .await;
    let server: &Server = &client.server;
    metrics.attach(&server.koan).await;
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_reads_the_metrics_and_a_name_that_never_succeeded_is_there() {
    let client = client().await;
    for token in [VIEWER, OPERATOR, ADMIN] {
        let request = client.request(Method::GET, "/metrics", token);
        let response = request.send().await.expect("the server answers");
        assert_eq!(response.status(), StatusCode::OK);
        let media_type = response.headers()["content-type"].to_str().expect("text").to_owned();
        assert!(media_type.starts_with("application/openmetrics-text"), "{media_type}");
        let text = response.text().await.expect("text");
        let never = "koan_backup_last_success_timestamp_seconds{name=\"nightly\"} 0\n";
        assert!(text.contains(never) && text.ends_with("# EOF\n"), "{text}");
    }
    let anonymous = answer(client.bare(Method::GET, "/ops/metrics")).await;
    anonymous.problem(StatusCode::UNAUTHORIZED, "unauthenticated");
    client.backup("nightly").await;
    let text = client.get("/metrics").await.body;
    let counted = "koan_backup_runs_total{name=\"nightly\",outcome=\"completed\"} 1\n";
    assert!(text.as_str().expect("text").contains(counted), "a backup of the API is counted: {text}");
    let document = client.get("/openapi.json").await.body;
    assert_eq!(document["paths"]["/metrics"]["get"]["x-koan-role"], "viewer");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_metrics_there_is_no_such_route() {
    let client = Client::start().await;
    client.get("/metrics").await.problem(StatusCode::NOT_FOUND, "not-found");
    assert!(client.get("/openapi.json").await.body["paths"]["/metrics"].is_null());
}

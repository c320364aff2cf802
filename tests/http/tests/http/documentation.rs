//! The OpenAPI document and the page that shows it.

use std::collections::BTreeSet;

use koan_backup_http_tests::VIEWER;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::client::{Client, answer};

/// The problems that every operation for which a caller is needed can answer.
const PROBLEMS: [&str; 8] = ["400", "401", "403", "404", "408", "413", "429", "503"];

fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().expect("methods");
            methods.iter().map(move |(method, operation)| (format!("{method} {path}"), operation))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_declares_its_problems_with_their_media_type() {
    let client = Client::start().await;
    let document = client.get("/openapi.json").await.body;
    for (name, operation) in operations(&document) {
        let responses = operation["responses"].as_object().expect("responses");
        let is_public = !operation["security"].is_null();
        for status in PROBLEMS.iter().filter(|_| !is_public) {
            assert!(responses.contains_key(*status), "{name} does not declare {status}");
        }
        if !operation["requestBody"].is_null() {
            assert!(responses.contains_key("415"), "{name} has a body, and does not declare 415");
        }
        for (status, response) in responses.iter().filter(|(status, _)| status.starts_with(['4', '5'])) {
            if name == "get /readyz" && status == "503" {
                continue;
            }
            let types: Vec<_> = response["content"].as_object().expect("a content").keys().collect();
            assert_eq!(types, ["application/problem+json"], "{name}: {status}");
        }
    }
    assert_eq!(document["paths"]["/session"]["post"]["security"], serde_json::json!([{}]));
    assert!(
        document["components"]["schemas"]["SessionRequest"].is_object(),
        "the body of a sign-in is described"
    );
}

/// Collects the references in a value.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reference_of_the_document_leads_to_a_type() {
    let client = Client::start().await;
    let document = client.get("/openapi.json").await.body;
    let mut found = Vec::new();
    references(&document, &mut found);
    found.retain(|reference| document.pointer(reference.trim_start_matches('#')).is_none());
    assert!(found.is_empty(), "these references lead nowhere: {found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_every_operation_and_loads_nothing_from_other_hosts() {
    let client = Client::start().await;
    let document = client.get("/openapi.json").await.body;
    let response = client.request(Method::GET, "/docs", VIEWER).send().await.expect("the server answers");
    assert_eq!(response.status(), StatusCode::OK);
    let policy = response.headers()["content-security-policy"].to_str().expect("text").to_owned();
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    let page = response.text().await.expect("a page");
    for (name, operation) in operations(&document) {
        let id = operation["operationId"].as_str().expect("an id");
        assert!(page.contains(&format!("<h3 id=\"{id}\">")), "{name} is not on the page");
    }
    for schema in document["components"]["schemas"].as_object().expect("schemas").keys() {
        assert!(page.contains(&format!("<h3 id=\"type-{schema}\">")), "{schema} is not on the page");
    }
    for forbidden in ["<script", "style=", "<style", "http://", "https://", " src="] {
        assert!(!page.contains(forbidden), "the page contains {forbidden}");
    }
    assert!(page.contains("href=\"/ops/docs/style.css\""), "the style has the public path");
    let style = answer(client.request(Method::GET, "/docs/style.css", VIEWER)).await;
    assert_eq!(style.status, StatusCode::OK);
    let ids: Vec<_> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let different: BTreeSet<_> = ids.iter().collect();
    assert_eq!(ids.len(), different.len(), "two elements have the same id");
    for anchor in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(page.contains(&format!("id=\"{anchor}\"")), "the link to {anchor} leads nowhere");
    }
}

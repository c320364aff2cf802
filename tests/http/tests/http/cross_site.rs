//! Requests that another site makes a browser send.

use koan_backup_http_tests::ADMIN;
use reqwest::{Method, StatusCode, header};
use serde_json::json;

use crate::client::{Client, answer};

/// Returns the cookie of a new session of an admin.
async fn sign_in(client: &Client) -> String {
    let signed_in = client.bare(Method::POST, "/ops/session").json(&json!({ "token": ADMIN })).send().await;
    let signed_in = signed_in.expect("the server answers");
    assert!(signed_in.status().is_success() || signed_in.status().is_redirection(), "{signed_in:?}");
    let cookie = signed_in.headers()[header::SET_COOKIE].to_str().expect("text");
    cookie.split(';').next().expect("a name and a value").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_changes_anything_for_another_site_with_the_cookie_of_a_session() {
    let (client, _) = Client::with_streams().await;
    let id = client.backup("nightly").await;
    let cookie = sign_in(&client).await;
    let document = client.get("/openapi.json").await.body;
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in item.as_object().expect("methods").keys() {
            let is_change = method != "get" || path.ends_with("/create");
            if !is_change || path.starts_with("/session") {
                continue;
            }
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
            let address = ["{at}", "{backup}", "{id}", "{before}", "{after}"].iter().fold(
                format!("/ops{path}").replace("{entity}", "users").replace("{object}", "order"),
                |path, name| path.replace(name, &id),
            );
            for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://other.example")] {
                let request = client.bare(method.clone(), &address).header(header::COOKIE, &cookie);
                if method == Method::GET && name == "origin" {
                    continue; // For a link, only the header `Sec-Fetch-Site` contains the site.
                }
                let refused = answer(request.header(name, value).json(&json!({}))).await;
                assert_eq!(refused.status, StatusCode::FORBIDDEN, "{method} {path} with {name}: {refused:?}");
                tried += 1;
            }
        }
    }
    assert!(tried > 30, "the changing routes were tried: {tried}");
    let operations = client.get("/api/backup/operations").await.body;
    assert_eq!(operations["items"].as_array().map(Vec::len), Some(1), "only the first backup was made");
    let listed = client.get("/api/backup/manifests").await.body;
    assert_eq!(listed["items"][0]["id"], id.as_str(), "the backup still exists: {listed}");
    let own = client.bare(Method::GET, "/ops/backup/capabilities").header(header::COOKIE, &cookie);
    assert_eq!(answer(own).await.status, StatusCode::OK, "the session is valid");
}

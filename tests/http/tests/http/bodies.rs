//! Bodies of any content.

use std::sync::LazyLock;

use koan_backup_http_tests::ADMIN;
use koan_backup_tests::random_seed::rounds;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reqwest::Method;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

use crate::client::{Client, answer};

/// The number of bodies for each route, which is multiplied by [`rounds`].
const BODIES: u32 = 24;

/// A route that has a body, and the names of its fields.
#[derive(Clone, Debug)]
struct Route {
    method: Method,
    path: String,
    fields: Vec<String>,
}

/// A body as it is sent.
#[derive(Clone, Debug)]
enum Body {
    /// JSON with known and unknown fields.
    Fields(Map<String, Value>),
    /// Bytes, with the media type of JSON.
    Bytes(Vec<u8>),
}

/// Returns the routes with a body, according to the OpenAPI document.
fn routes(document: &Value) -> Vec<Route> {
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            // An optional body is either null or the type.
            let alternatives = schema["oneOf"].as_array().into_iter().flatten().chain([schema]);
            let reference = alternatives.filter_map(|schema| schema["$ref"].as_str()).next();
            let name = reference.and_then(|reference| reference.rsplit('/').next());
            if method == "get" || path == "/session" {
                continue;
            }
            let properties = name.map(|name| &document["components"]["schemas"][name]["properties"]);
            let fields = properties.and_then(Value::as_object).map(|fields| fields.keys().cloned().collect());
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
            routes.push(Route { method, path: path.clone(), fields: fields.unwrap_or_default() });
        }
    }
    routes
}

/// Returns any JSON value of little depth.
fn any_value() -> impl Strategy<Value = Value> {
    static TEXTS: LazyLock<Vec<&str>> = LazyLock::new(|| {
        vec![
            "",
            "User",
            "users",
            "nightly",
            "local",
            "main",
            "Fast",
            "skip",
            "overwrite",
            "data",
            "vectors",
            "events",
            "order-2",
            "\u{0}",
        ]
    });
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_i64..200).prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        any::<String>().prop_map(Value::from),
        proptest::sample::select(TEXTS.clone()).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_body(fields: Vec<String>) -> impl Strategy<Value = Body> {
    let name = if fields.is_empty() {
        any::<String>().boxed()
    } else {
        prop_oneof![8 => proptest::sample::select(fields), 1 => any::<String>()].boxed()
    };
    prop_oneof![
        4 => proptest::collection::btree_map(name, any_value(), 0..5)
            .prop_map(|map| Body::Fields(map.into_iter().collect())),
        1 => proptest::collection::vec(any::<u8>(), 0..200).prop_map(Body::Bytes),
        1 => any_value().prop_map(|value| Body::Bytes(value.to_string().into_bytes())),
    ]
}

/// What a refused request must not change.
async fn state(client: &Client) -> (Value, Value, Value, i64) {
    let operations = client.get("/api/backup/operations").await.body["items"][0]["operationId"].clone();
    let backups = client.get("/api/backup/manifests").await.body["totalCount"].clone();
    let single = client.get("/api/stream-backups").await.body["totalCount"].clone();
    let database = client.server.database().expect("the database opens");
    let users = database.query_row("SELECT count(*) FROM users", [], |row| row.get(0));
    (operations, backups, single, users.expect("the users are counted"))
}

/// Waits until nothing runs that an earlier request started.
async fn idle(client: &Client) {
    koan_backup_tests::wait::until("all operations have ended", async || {
        client.get("/api/backup/status").await.body["operations"] == json!([])
    })
    .await;
}

async fn check(
    client: &Client,
    route: &Route,
    (id, single): &(String, String),
    body: &Body,
) -> Result<(), TestCaseError> {
    let path = match route.path.contains("stream") {
        true => {
            route.path.replace("{object}", "order").replace("{id}", "order-1").replace("{backup}", single)
        }
        false => ["{at}", "{backup}", "{id}"]
            .iter()
            .fold(route.path.replace("{entity}", "users"), |path, name| path.replace(name, id)),
    };
    let bytes = match body {
        Body::Fields(fields) => Value::Object(fields.clone()).to_string().into_bytes(),
        Body::Bytes(bytes) => bytes.clone(),
    };
    let before = state(client).await;
    let request = client.request(route.method.clone(), &path, ADMIN);
    let answered = answer(request.header("content-type", "application/json").body(bytes)).await;
    prop_assert!(!answered.status.is_server_error(), "{} {path}: {answered:?}", route.method);
    if answered.status.is_success() {
        if let Body::Fields(fields) = body
            && !route.fields.is_empty()
        {
            let unknown = fields.keys().find(|name| !route.fields.contains(name));
            prop_assert!(unknown.is_none(), "{} {path} accepted `{unknown:?}`", route.method);
        }
        idle(client).await;
    } else {
        let is_problem =
            answered.body["type"].as_str().is_some_and(|kind| kind.starts_with("urn:koan-backup:"));
        prop_assert!(is_problem, "{} {path}: {answered:?}", route.method);
        prop_assert_eq!(
            state(client).await,
            before,
            "{} {} changed something: {:?}",
            &route.method,
            path,
            answered
        );
    }
    Ok(())
}

#[test]
fn no_body_causes_an_error_of_the_server_or_a_change_that_is_not_reported() {
    let runtime = Runtime::new().expect("a runtime");
    let (client, ids, routes) = runtime.block_on(async {
        let (client, _) = Client::with_streams().await;
        let id = client.backup("nightly").await;
        let single = client.stream_backup("order", "order-1").await;
        let routes = routes(&client.get("/openapi.json").await.body);
        (client, (id, single), routes)
    });
    assert!(routes.iter().filter(|route| !route.fields.is_empty()).count() > 10, "{routes:?}");
    for route in routes.iter().filter(|route| route.method != Method::DELETE) {
        let config = Config { cases: BODIES * rounds(), failure_persistence: None, ..Config::default() };
        let tested = TestRunner::new(config).run(&any_body(route.fields.clone()), |body| {
            runtime.block_on(check(&client, route, &ids, &body))
        });
        tested.unwrap_or_else(|error| panic!("{} {}: {error}", route.method, route.path));
    }
}

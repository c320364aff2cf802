//! The vector stores of other test suites start, run beside each other, and return vectors as documented.
#![cfg(unix)]

use koan_backup_tests::stores::{Elasticsearch, ElasticsearchVersion, Weaviate, send_json};
use serde_json::{Value, json};

/// Components that change when they are normalised and rebuilt.
const VECTOR: [f32; 3] = [0.3, 0.4, 0.5];

/// Sends a request with a JSON body, requires success, and returns the JSON of the response.
fn call(port: u16, method: &str, target: &str, body: Value) -> Value {
    let (status, answer) = send_json(port, method, target, &body);
    assert!((200..300).contains(&status), "{method} {target}: {status} {answer}");
    answer
}

/// Returns the vector in a JSON array.
fn vector(array: &Value) -> Vec<f32> {
    serde_json::from_value(array.clone()).unwrap_or_else(|error| panic!("{array} is not a vector: {error}"))
}

/// Starts two servers at the same time.
fn two<T: Send>(start: impl Fn() -> T + Sync) -> [T; 2] {
    std::thread::scope(|scope| {
        let other = scope.spawn(&start);
        [start(), other.join().expect("the server starts")]
    })
}

#[test]
fn weaviate_returns_vectors_bit_for_bit() {
    if !Weaviate::is_installed() {
        return;
    }
    let servers = two(Weaviate::start);
    let port = servers[0].port();
    let class =
        json!({ "class": "Films", "vectorizer": "none", "vectorIndexConfig": { "distance": "cosine" } });
    call(port, "POST", "/v1/schema", class);
    let id = "6f1c7c1e-3d1f-4a57-9d0c-0f0e4a6f7a01";
    let object =
        json!({ "class": "Films", "id": id, "properties": { "title": "The Tide Clock" }, "vector": VECTOR });
    call(port, "POST", "/v1/objects", object);
    let read = call(port, "GET", &format!("/v1/objects/Films/{id}?include=vector"), Value::Null);
    assert_eq!(vector(&read["vector"]), VECTOR);
    assert_eq!(read["properties"]["title"], "The Tide Clock");
    let other = call(servers[1].port(), "GET", "/v1/schema", Value::Null);
    assert_eq!(other["classes"], json!([]), "the servers share no data");
}

/// Writes the vector into an index of Elasticsearch with this similarity.
fn index_vector(port: u16, index: &str, similarity: &str) {
    let mapping = json!({ "type": "dense_vector", "dims": 3, "index": true, "similarity": similarity });
    let settings = json!({ "number_of_replicas": 0 });
    let index_options = json!({ "settings": settings, "mappings": { "properties": { "v": mapping } } });
    call(port, "PUT", &format!("/{index}"), index_options);
    let document = json!({ "title": "The Tide Clock", "v": VECTOR });
    call(port, "PUT", &format!("/{index}/_doc/1?refresh=true"), document);
}

/// Returns the source of the only document of an index.
fn source(port: u16, index: &str, search: Value) -> Value {
    call(port, "POST", &format!("/{index}/_search"), search)["hits"]["hits"][0]["_source"].take()
}

#[test]
fn elasticsearch_9_5_returns_vectors_only_on_request_and_rebuilds_those_of_cosine_fields() {
    if !Elasticsearch::is_installed(ElasticsearchVersion::V9_5) {
        return;
    }
    let servers = two(|| Elasticsearch::start(ElasticsearchVersion::V9_5));
    let port = servers[0].port();
    index_vector(port, "exact", "l2_norm");
    index_vector(port, "normalised", "cosine");
    assert_eq!(
        source(port, "exact", json!({})),
        json!({ "title": "The Tide Clock" }),
        "vectors are excluded"
    );
    let with_vectors = json!({ "_source": { "exclude_vectors": false } });
    assert_eq!(vector(&source(port, "exact", with_vectors.clone())["v"]), VECTOR);
    let rebuilt = vector(&source(port, "normalised", with_vectors)["v"]);
    assert_ne!(rebuilt, VECTOR, "vectors of cosine fields are rebuilt from their normalised form");
    assert!(
        rebuilt.iter().zip(VECTOR).all(|(rebuilt, written)| (rebuilt - written).abs() < 1e-6),
        "{rebuilt:?}"
    );
    let other = call(servers[1].port(), "GET", "/_all", Value::Null);
    assert_eq!(other, json!({}), "the servers share no data");
}

//! The vector stores of other test suites start, run beside each other, and return vectors as documented.
#![cfg(unix)]

use koan_backup_tests::stores::{
    Chroma, Elasticsearch, ElasticsearchVersion, MilvusLite, OpenSearch, Weaviate, send_json,
};
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
    assert_eq!(call(servers[1].port(), "GET", "/_all", Value::Null), json!({}), "the servers share no data");
}

#[test]
fn elasticsearch_8_15_returns_the_vectors_that_were_written() {
    if !Elasticsearch::is_installed(ElasticsearchVersion::V8_15) {
        return;
    }
    let servers = two(|| Elasticsearch::start(ElasticsearchVersion::V8_15));
    let port = servers[0].port();
    index_vector(port, "exact", "l2_norm");
    index_vector(port, "normalised", "cosine");
    assert_eq!(vector(&source(port, "exact", json!({}))["v"]), VECTOR);
    assert_eq!(vector(&source(port, "normalised", json!({}))["v"]), VECTOR);
    assert_eq!(call(servers[1].port(), "GET", "/_all", Value::Null), json!({}), "the servers share no data");
}

#[test]
fn opensearch_returns_the_vectors_that_were_written() {
    if !OpenSearch::is_installed() {
        return;
    }
    let servers = two(OpenSearch::start);
    let port = servers[0].port();
    let method = json!({ "name": "hnsw", "engine": "lucene", "space_type": "cosinesimil" });
    let mapping = json!({ "type": "knn_vector", "dimension": 3, "method": method });
    let settings = json!({ "index.knn": true, "number_of_replicas": 0 });
    call(
        port,
        "PUT",
        "/films",
        json!({ "settings": settings, "mappings": { "properties": { "v": mapping } } }),
    );
    call(port, "PUT", "/films/_doc/1?refresh=true", json!({ "title": "The Tide Clock", "v": VECTOR }));
    assert_eq!(vector(&source(port, "films", json!({}))["v"]), VECTOR);
    let nearest = json!({ "query": { "knn": { "v": { "vector": VECTOR, "k": 1 } } } });
    assert_eq!(source(port, "films", nearest)["title"], "The Tide Clock", "k-NN finds the vector");
    assert_eq!(call(servers[1].port(), "GET", "/_all", Value::Null), json!({}), "the servers share no data");
}

#[test]
fn chroma_returns_vectors_bit_for_bit() {
    if !Chroma::is_installed() {
        return;
    }
    let servers = two(Chroma::start);
    let port = servers[0].port();
    let collections = "/api/v2/tenants/default_tenant/databases/default_database/collections";
    let created = json!({ "name": "films", "configuration": { "hnsw": { "space": "l2" } } });
    let created = call(port, "POST", collections, created);
    let collection = format!("{collections}/{}", created["id"].as_str().expect("an id"));
    let records =
        json!({ "ids": ["1"], "embeddings": [VECTOR], "metadatas": [{ "title": "The Tide Clock" }] });
    call(port, "POST", &format!("{collection}/add"), records);
    let read = json!({ "include": ["embeddings", "metadatas"] });
    let read = call(port, "POST", &format!("{collection}/get"), read);
    assert_eq!(vector(&read["embeddings"][0]), VECTOR);
    assert_eq!(read["metadatas"][0]["title"], "The Tide Clock");
    assert_eq!(
        call(servers[1].port(), "GET", collections, Value::Null),
        json!([]),
        "the servers share no data"
    );
}

#[test]
fn two_servers_of_milvus_lite_accept_connections() {
    if !MilvusLite::is_installed() {
        return;
    }
    let [first, second] = two(MilvusLite::start);
    assert_ne!(first.address(), second.address());
}

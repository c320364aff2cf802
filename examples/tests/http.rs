//! The example `http` mounts the API beside its own routes.

#[path = "../http.rs"]
#[expect(dead_code, reason = "the test does not call `main` of the example")]
mod http;

use http::Place;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The running example.
struct Running {
    address: String,
    token: String,
    client: reqwest::Client,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Running {
    async fn start(place: Place) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder is created");
        http::create_users(folder.path()).expect("the database is created");
        let application = http::application(folder.path(), place).await.expect("the application starts");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let token = application.token.clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            let stopped = async move { stopped.await.unwrap_or_default() };
            http::serve(application, listener, stopped).await.expect("the server stops without an error");
        });
        Self { address, token, client: reqwest::Client::new(), stop, server, _folder: folder }
    }

    /// Returns the status and the body of a response to a request without a token.
    async fn visit(&self, path: &str) -> (u16, String) {
        let response = self.client.get(format!("{}{path}", self.address)).send().await;
        let response = response.expect("the server answers");
        (response.status().as_u16(), response.text().await.expect("the body is text"))
    }

    /// Returns the status and the body of a response to a request with the token of the admin.
    async fn get(&self, path: &str) -> (u16, Value) {
        let request = self.client.get(format!("{}{path}", self.address)).bearer_auth(&self.token);
        let response = request.send().await.expect("the server answers");
        (response.status().as_u16(), response.json().await.expect("the body is JSON"))
    }

    async fn back_up(&self, path: &str) {
        let request = self.client.post(format!("{}{path}", self.address)).bearer_auth(&self.token);
        let made = request.json(&json!({ "name": "nightly" })).send().await.expect("the server answers");
        assert_eq!(made.status(), 200, "the backup is made");
    }

    async fn stop(self) {
        self.stop.send(()).expect("the server waits for the signal");
        self.server.await.expect("the server has stopped");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn below_a_path_the_api_is_apart_from_the_application() {
    let running = Running::start(Place::Nested).await;
    assert_eq!(running.visit("/about").await, (200, "the application".to_owned()));
    assert_eq!(running.visit("/api/users/7").await, (200, "user 7".to_owned()));
    running.back_up("/ops/backup/create?wait=true").await;
    let (status, listed) = running.get("/ops/api/users/backups").await;
    assert_eq!((status, &listed["totalCount"]), (200, &json!(1)), "{listed}");
    let (_, operations) = running.get("/ops/api/backup/operations").await;
    let link = operations["items"][0]["statusUrl"].as_str().expect("a link").to_owned();
    assert_eq!(running.get(&link).await.0, 200, "a link contains the path of the API: {link}");
    assert_eq!(running.visit("/ops/healthz").await.0, 200);
    assert_eq!(running.visit("/ops/api/users/backups").await.0, 401, "the API needs a token");
    assert_eq!(running.get("/ops/nothing").await.0, 404);
    let unknown = running.visit("/nothing").await;
    assert_eq!(unknown, (404, "the application has no page /nothing".to_owned()));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_root_the_routes_of_both_work_and_the_application_answers_the_others() {
    let running = Running::start(Place::Merged).await;
    assert_eq!(running.visit("/about").await, (200, "the application".to_owned()));
    assert_eq!(running.visit("/api/users/7").await, (200, "user 7".to_owned()));
    running.back_up("/api/users/backup?wait=true").await;
    for path in ["/api/users/backups", "/api/User/backups", "/backup/users", "/api/backup/manifests"] {
        let (status, listed) = running.get(path).await;
        assert_eq!((status, &listed["totalCount"]), (200, &json!(1)), "{path}: {listed}");
        assert_eq!(running.visit(path).await.0, 401, "{path} needs a token");
    }
    let unknown = running.visit("/nothing/at/all").await;
    assert_eq!(unknown, (404, "the application has no page /nothing/at/all".to_owned()));
    running.stop().await;
}

//! The web page without a browser: who may do what, what is refused, and what is escaped.

use koan_backup::prelude::*;
use koan_backup::{Koan, KoanBuilder, Storage};
use koan_backup_http_tests::{ADMIN, OPERATOR, Server, VIEWER};
use reqwest::header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder, Response, StatusCode};

use crate::client::Client;

/// A browser without JavaScript, which follows no redirect.
pub(crate) struct Browser<'a> {
    client: &'a Client,
    http: reqwest::Client,
    session: Option<String>,
}

impl<'a> Browser<'a> {
    fn new(client: &'a Client) -> Self {
        let http = reqwest::Client::builder().redirect(Policy::none()).build().expect("a client");
        Self { client, http, session: None }
    }

    pub(crate) async fn signed_in(client: &'a Client, token: &str) -> Self {
        let mut browser = Self::new(client);
        let answer = browser.send(browser.form("/ui/sign-in", &[("token", token)])).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "the sign-in succeeds");
        let cookie = answer.headers()[SET_COOKIE].to_str().expect("text").to_owned();
        browser.session = cookie.split(';').next().map(str::to_owned);
        browser
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.client.server.url));
        match &self.session {
            Some(session) => request.header(COOKIE, session),
            None => request,
        }
    }

    /// A form that the page itself sends.
    pub(crate) fn form(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        self.request(Method::POST, path).header(ORIGIN, &self.client.server.application_url).form(fields)
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Response {
        request.send().await.expect("the server answers")
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, String) {
        let answer = self.send(self.request(Method::GET, path)).await;
        let status = answer.status();
        (status, answer.text().await.expect("the page can be read"))
    }
}

pub(crate) fn location(answer: &Response) -> String {
    answer.headers()[LOCATION].to_str().expect("text").to_owned()
}

/// The screens that need no backup. Each needs the role `viewer`.
const SCREENS: &[&str] =
    &["/ui", "/ui/coverage", "/ui/backups", "/ui/streams", "/ui/restore", "/ui/operations"];

/// The screens of something that does not exist.
const MISSING: &[&str] = &[
    "/ui/backups/absent",
    "/ui/compare?before=absent&after=absent",
    "/ui/restore?backup=absent",
    "/ui/operations/0199b2f2-6f1c-7d34-a0b1-5d2f77c0f4aa",
    "/ui/streams/0199b2f2-6f1c-7d34-a0b1-5d2f77c0f4aa",
    "/ui/operations/0199b2f2-6f1c-7d34-a0b1-5d2f77c0f4aa/progress",
    "/ui/absent",
];

/// The fields of a form.
type Fields = &'static [(&'static str, &'static str)];

/// Every action with the role that it needs and the fields of its form.
const ACTIONS: &[(&str, &str, Fields)] = &[
    ("/ui/coverage/refresh", OPERATOR, &[("surprise", "x")]),
    ("/ui/backup", OPERATOR, &[("visit", "1"), ("name", "/")]),
    ("/ui/backups/absent/verify", OPERATOR, &[("visit", "1"), ("profile", "local")]),
    ("/ui/backups/absent/copy", OPERATOR, &[("visit", "1"), ("profile", "local"), ("to", "x")]),
    ("/ui/backups/absent/pin", OPERATOR, &[("profile", "local"), ("reason", "x")]),
    ("/ui/backups/absent/unpin", ADMIN, &[("profile", "local")]),
    ("/ui/backups/absent/acknowledge", ADMIN, &[("profile", "local"), ("reason", "x")]),
    ("/ui/backups/absent/delete", ADMIN, &[("profile", "local"), ("confirmed", "yes")]),
    ("/ui/restore/check", OPERATOR, &[("visit", "1"), ("backup", "absent")]),
    ("/ui/restore/preview", OPERATOR, &[("visit", "1"), ("backup", "absent")]),
    ("/ui/restore/start", ADMIN, &[("visit", "1"), ("backup", "absent")]),
    ("/ui/streams/backup", OPERATOR, &[("visit", "1"), ("object", "absent"), ("id", "x")]),
    (
        "/ui/streams/0199b2f2-6f1c-7d34-a0b1-5d2f77c0f4aa/verify",
        OPERATOR,
        &[("visit", "1"), ("profile", "local")],
    ),
    (
        "/ui/streams/0199b2f2-6f1c-7d34-a0b1-5d2f77c0f4aa/restore",
        ADMIN,
        &[("visit", "1"), ("profile", "local")],
    ),
    (
        "/ui/streams/0199b2f2-6f1c-7d34-a0b1-5d2f77c0f4aa/clone",
        ADMIN,
        &[("visit", "1"), ("profile", "local"), ("target", "x")],
    ),
    ("/ui/streams/0199b2f2-6f1c-7d34-a0b1-5d2f77c0f4aa/delete", ADMIN, &[("profile", "local")]),
    ("/ui/operations/0199b2f2-6f1c-7d34-a0b1-5d2f77c0f4aa/cancel", OPERATOR, &[]),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_screen_and_every_action_needs_its_role() {
    let client = Client::start().await;
    let anonymous = Browser::new(&client);
    for path in SCREENS.iter().chain(MISSING) {
        let answer = anonymous.send(anonymous.request(Method::GET, path)).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path} without a session");
        assert!(location(&answer).starts_with("/ops/ui/sign-in?to=%2Fui"), "{path}: {}", location(&answer));
        assert!(answer.headers().contains_key("content-security-policy"), "{path}");
    }
    for (path, _, fields) in ACTIONS {
        let answer = anonymous.send(anonymous.form(path, fields)).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path} without a session");
        assert!(location(&answer).starts_with("/ops/ui/sign-in"), "{path}");
    }
    for token in [VIEWER, OPERATOR, ADMIN] {
        let browser = Browser::signed_in(&client, token).await;
        for path in SCREENS {
            let (status, page) = browser.get(path).await;
            assert_eq!(status, StatusCode::OK, "{path}: {page}");
            assert!(page.starts_with("<!DOCTYPE html>"), "{path}");
        }
        for path in MISSING {
            let (status, page) = browser.get(path).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{path}: {page}");
            assert!(page.contains("signed in as") && !page.contains("koan."), "{path}: {page}");
            let folder = client.folder.path().to_string_lossy();
            assert!(!page.contains(folder.as_ref()), "{path} shows a path of the server: {page}");
        }
        for (path, role, fields) in ACTIONS {
            let answer = browser.send(browser.form(path, fields)).await;
            let is_permitted = token == ADMIN || *role == token;
            let status = answer.status();
            let page = answer.text().await.expect("a page");
            assert_eq!(
                status == StatusCode::FORBIDDEN,
                !is_permitted,
                "{path} with {token}: {status} {page}"
            );
            // A permitted action fails, because its backup does not exist or a field is not valid.
            assert!(status.is_client_error(), "{path} with {token}: {status}");
            assert!(page.starts_with("<!DOCTYPE html>"), "{path}: the problem is a page");
        }
    }
    assert!(client.server.koan.backups().await.expect("the backups are listed").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_site_is_refused() {
    let client = Client::start().await;
    let browser = Browser::signed_in(&client, ADMIN).await;
    let own = &client.server.application_url;
    for (origin, site) in
        [("https://evil.example", "cross-site"), ("null", "cross-site"), (own.as_str(), "cross-site")]
    {
        let form = browser.request(Method::POST, "/ui/backup").form(&[("visit", "1")]);
        let answer = browser.send(form.header(ORIGIN, origin).header("sec-fetch-site", site)).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{origin} {site}");
        let sign_in = browser.request(Method::POST, "/ui/sign-in").form(&[("token", VIEWER)]);
        let answer = browser.send(sign_in.header(ORIGIN, origin).header("sec-fetch-site", site)).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "the sign-in from {origin}");
    }
    assert!(client.server.koan.backups().await.expect("the backups are listed").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sign_in_leads_back_to_the_screen_and_to_no_other_site() {
    let client = Client::start().await;
    let browser = Browser::new(&client);
    for (to, expected) in [
        ("/ui/backups?name=a", "/ops/ui/backups?name=a"),
        ("//evil.example", "/ops/ui"),
        ("/ui//evil.example", "/ops/ui"),
        ("https://evil.example/ui", "/ops/ui"),
        ("/ui\\evil", "/ops/ui"),
        ("/api/backup/status", "/ops/ui"),
    ] {
        let answer = browser.send(browser.form("/ui/sign-in", &[("token", VIEWER), ("to", to)])).await;
        assert_eq!(location(&answer), expected, "{to}");
    }
    let wrong = "koan_wrong-wrong-wrong-wrong-wrong-wrong-wrong-w";
    let answer =
        browser.send(browser.form("/ui/sign-in", &[("token", wrong), ("to", "/ui\"><script>")])).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(!answer.headers().contains_key(SET_COOKIE));
    let page = answer.text().await.expect("a page");
    assert!(!page.contains(wrong) && !page.contains("<script>") && page.contains("name=\"token\""), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clicks_start_one_operation_and_another_content_starts_another() {
    let client = Client::start().await;
    let browser = Browser::signed_in(&client, OPERATOR).await;
    let click = async |visit: &str, name: &str| {
        let answer = browser.send(browser.form("/ui/backup", &[("visit", visit), ("name", name)])).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{visit} {name}");
        location(&answer)
    };
    let first = click("a1", "one").await;
    assert_eq!(click("a1", "one").await, first, "the second click has started another operation");
    assert_ne!(click("a1", "two").await, first, "another content has not started an operation");
    assert_ne!(click("b2", "one").await, first, "another visit has not started an operation");
    let without = browser.send(browser.form("/ui/backup", &[("visit", "")])).await;
    assert_eq!(without.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let unknown = browser.send(browser.form("/ui/backup", &[("visit", "c3"), ("surprise", "x")])).await;
    assert_eq!(unknown.status(), StatusCode::UNPROCESSABLE_ENTITY, "an unknown field is refused");
    let json = browser.request(Method::POST, "/ui/backup").header(ORIGIN, &client.server.application_url);
    let json = browser.send(json.header("content-type", "application/json").body("{}")).await;
    assert_eq!(json.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_people_and_names_of_tables_are_escaped() {
    let mut client = Client::start().await;
    let database = client.server.database().expect("the database opens");
    database.execute_batch("CREATE TABLE \"<img src=x>\" (id INTEGER PRIMARY KEY)").expect("a table");
    drop(database);
    let opened = Server::open(client.folder.path(), |options| options, |builder| builder).await;
    client.server = opened.expect("the server starts again");
    let browser = Browser::signed_in(&client, ADMIN).await;
    let evil = "<script>alert(1)</script>\"'&";
    let fields = [("visit", "1"), ("name", "nightly"), ("description", evil), ("reason", evil)];
    let answer = browser.send(browser.form("/ui/backup", &fields)).await;
    let operation = location(&answer);
    let operation = operation.trim_start_matches("/ops").to_owned();
    let id = operation.rsplit('/').next().expect("an id");
    client.ended(&serde_json::json!({ "operationId": id })).await;
    let backup = client.server.koan.backups().await.expect("a list")[0].id;
    let pages =
        [operation, format!("/ui/backups/{backup}"), "/ui/coverage".to_owned(), "/ui/operations".to_owned()];
    let mut all = String::new();
    for path in &pages {
        let (status, page) = browser.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {page}");
        assert!(
            !page.contains("<script>alert") && !page.contains("<img"),
            "{path} contains the text as HTML: {page}"
        );
        all.push_str(&page);
    }
    assert!(
        all.contains("&lt;script&gt;alert(1)") && all.contains("&lt;img src=x&gt;"),
        "the texts are shown"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_is_confirmed_by_the_name_of_its_database_also_if_it_deletes_nothing() {
    let client = Client::start().await;
    let backup = client.backup("nightly").await;
    let database = client.server.database().expect("the database opens");
    database.execute("UPDATE users SET name = 'damaged' WHERE id = 7", []).expect("an update");
    let browser = Browser::signed_in(&client, ADMIN).await;
    let name = || -> String {
        database.query_row("SELECT name FROM users WHERE id = 7", [], |row| row.get(0)).expect("a row")
    };
    for confirm in ["", "shop", "SHOP.DB", "main"] {
        let fields = [("visit", "1"), ("backup", backup.as_str()), ("entity", "User"), ("confirm", confirm)];
        let answer = browser.send(browser.form("/ui/restore/start", &fields)).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{confirm:?}");
    }
    // A form without an entity would otherwise restore all of them.
    let none = [("visit", "1"), ("backup", backup.as_str()), ("confirm", "shop.db")];
    let answer = browser.send(browser.form("/ui/restore/start", &none)).await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "no entity is selected");
    assert_eq!(name(), "damaged");
    let fields = [
        ("visit", "1"),
        ("backup", &backup),
        ("entity", "User"),
        ("mode", "overwrite"),
        ("confirm", "shop.db"),
    ];
    let answer = browser.send(browser.form("/ui/restore/start", &fields)).await;
    let id = location(&answer).rsplit('/').next().expect("an id").to_owned();
    let ended = client.ended(&serde_json::json!({ "operationId": id })).await;
    assert_eq!(ended["status"], "completed", "{ended}");
    assert_eq!(name(), "user 7");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_with_the_check_of_another_backup_does_not_show_it() {
    let client = Client::start().await;
    let (one, other) = (client.backup("one").await, client.backup("two").await);
    let browser = Browser::signed_in(&client, ADMIN).await;
    let fields = [("visit", "1"), ("backup", one.as_str()), ("entity", "User")];
    let answer = browser.send(browser.form("/ui/restore/check", &fields)).await;
    let shown =
        location(&answer).trim_start_matches("/ops").split('#').next().expect("an address").to_owned();
    let proof = shown.split("check=").nth(1).expect("the address has the check");
    let id = proof.split('.').next().expect("an id").to_owned();
    client.ended(&serde_json::json!({ "operationId": id })).await;
    let (_, page) = browser.get(&shown).await;
    assert!(page.contains("It would not be refused."), "{page}");
    let (_, page) = browser.get(&shown.replace(&one, &other)).await;
    assert!(!page.contains("It would not be refused."), "the check of another backup is shown: {page}");
    // The same backup with other choices was not checked either.
    let (_, page) = browser.get(&shown.replace("entity=User", "entity=Order")).await;
    assert!(!page.contains("It would not be refused."), "the check of other choices is shown: {page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_kept_by_browsers_and_screens_are_not() {
    let client = Client::start().await;
    let browser = Browser::new(&client);
    let (_, page) = browser.get("/ui/sign-in").await;
    let files: Vec<_> = page.split('"').filter(|text| text.contains("/ui/assets/")).collect();
    assert_eq!(files.len(), 5, "{page}");
    for file in &files {
        let path = file.trim_start_matches("/ops");
        let answer = browser.send(browser.request(Method::GET, path)).await;
        assert_eq!(answer.status(), StatusCode::OK, "{file}");
        assert_eq!(answer.headers()["cache-control"], "public, max-age=31536000, immutable", "{file}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        let name = path.rsplit('/').next().expect("a name");
        let old = browser.send(browser.request(Method::GET, &format!("/ui/assets/0000/{name}"))).await;
        assert_eq!(old.headers()["cache-control"], "no-store", "the file of another release");
    }
    let (status, _) = browser.get("/ui/assets/0000/..%2f..%2ftokens.toml").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let answer = browser.send(browser.request(Method::GET, "/ui/sign-in")).await;
    assert_eq!(answer.headers()["cache-control"], "no-store");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_screen_without_a_session_loads_the_screen_again() {
    let client = Client::start().await;
    let browser = Browser::new(&client);
    let part = browser.request(Method::GET, "/ui/operations").header("hx-request", "true");
    let answer = browser.send(part).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(answer.headers()["hx-refresh"], "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_an_address_is_not_repeated_and_leads_into_no_loop() {
    let client = Client::start().await;
    let anonymous = Browser::new(&client);
    let signed_in = Browser::signed_in(&client, ADMIN).await;
    for browser in [&anonymous, &signed_in] {
        for path in ["/ui", "/ui/backups", "/ui/sign-in"] {
            let answer = browser.send(browser.request(Method::GET, &format!("{path}?token={ADMIN}"))).await;
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
            let page = answer.text().await.expect("a page");
            assert!(page.contains("eplace the token") && !page.contains(ADMIN), "{path}: {page}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_and_the_list_do_not_count_backups_of_other_applications() {
    let client = Client::start().await;
    let builder = Koan::builder()
        .application("shop")
        .environment("staging")
        .provider(Sqlite::open(client.folder.path().join("shop.db")).expect("the database opens"))
        .storage(Storage::local(client.folder.path().join("backups")).expect("the storage opens"))
        .state_directory(client.folder.path().join("state of staging"));
    let staging = builder.build().await.expect("a context");
    let id = staging.backup("nightly").await.expect("a backup").id().to_string();
    let browser = Browser::signed_in(&client, ADMIN).await;
    for path in ["/ui", "/ui/backups", "/ui/restore", "/ui/coverage"] {
        let (_, page) = browser.get(path).await;
        assert!(!page.contains("nightly") && !page.contains(&id), "{path}: {page}");
    }
    assert!(browser.get("/ui").await.1.contains("There is no good backup"));
    let (_, page) = browser.get("/ui/backups?all=yes").await;
    assert!(page.contains("of shop, staging"), "{page}");
    let (_, page) = browser.get(&format!("/ui/backups/{id}")).await;
    assert!(page.contains("It belongs to another application"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_backup_is_neither_good_nor_unverified() {
    let client = Client::start().await;
    let id = client.backup("nightly").await;
    let archives = client.folder.path().join("backups/archives");
    let archive =
        std::fs::read_dir(archives).expect("a folder").next().expect("an archive").expect("an entry");
    let mut bytes = std::fs::read(archive.path()).expect("the archive can be read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(archive.path(), bytes).expect("the archive can be written");
    let started = client.post(&format!("/api/backup/verify/{id}"), &serde_json::json!({})).await;
    let ended = client.ended(&started.body).await;
    assert_eq!(ended["status"], "failed", "{ended}");
    let browser = Browser::signed_in(&client, ADMIN).await;
    let (_, page) = browser.get("/ui").await;
    assert!(page.contains("There is no good backup") && !page.contains("was never verified"), "{page}");
    let (_, page) = browser.get("/ui/backups").await;
    assert!(page.contains("damaged") && page.contains("found damage"), "{page}");
    let (_, page) = browser.get(&format!("/ui/backups/{id}")).await;
    assert!(page.contains("damage was found") && !page.contains("never verified"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_in_another_profile_is_reached_from_every_screen() {
    let client = Client::start().await;
    let offsite = Storage::local(client.folder.path().join("offsite")).expect("the storage opens");
    let configure = |builder: KoanBuilder| builder.named_storage("offsite", offsite);
    let opened = Server::open(client.folder.path(), |options| options, configure).await;
    let mut client = client;
    client.server = opened.expect("the server starts again");
    let browser = Browser::signed_in(&client, ADMIN).await;
    let fields = [("visit", "1"), ("name", "far"), ("profile", "offsite")];
    let operation = location(&browser.send(browser.form("/ui/backup", &fields)).await);
    let operation = operation.trim_start_matches("/ops").to_owned();
    let id = operation.rsplit('/').next().expect("an id").to_owned();
    client.ended(&serde_json::json!({ "operationId": id })).await;
    let mut path = operation;
    for link in ["/ui/backups/", "/ui/restore?backup="] {
        let (status, page) = browser.get(&path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {page}");
        let mut links = page.split('"').filter(|text| text.contains(link));
        path =
            links.next().expect("the link is on the screen").trim_start_matches("/ops").replace("&amp;", "&");
    }
    let (status, page) = browser.get(&path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {page}");
    let backup = client.server.koan.catalog().all().await.expect("a list")[0].id();
    let (status, page) = browser.get(&format!("/ui/restore?backup={backup}%40offsite")).await;
    assert_eq!(status, StatusCode::OK, "the list of backups selects the profile: {page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_is_asked_for_by_this_site_only() {
    let client = Client::start().await;
    let id = client.backup("nightly").await;
    let browser = Browser::signed_in(&client, VIEWER).await;
    for path in [format!("/ui/compare?before={id}&after={id}"), format!("/api/backup/diff/{id}/{id}")] {
        let own = browser.send(browser.request(Method::GET, &path)).await;
        assert_eq!(own.status(), StatusCode::OK, "{path}");
        let other = browser.request(Method::GET, &path).header("sec-fetch-site", "cross-site");
        assert_eq!(browser.send(other).await.status(), StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_is_no_restore_for_the_overview() {
    let client = Client::start().await;
    let id = client.backup("nightly").await;
    let browser = Browser::signed_in(&client, ADMIN).await;
    let body = serde_json::json!({ "dryRun": true });
    let dry = client.post(&format!("/api/backup/restore/{id}?wait=true"), &body).await;
    assert_eq!(dry.status, StatusCode::OK, "{dry:?}");
    assert!(browser.get("/ui").await.1.contains("No restore is recorded"));
    let restored = client.post(&format!("/api/backup/restore/{id}?wait=true"), &serde_json::json!({})).await;
    assert_eq!(restored.status, StatusCode::OK, "{restored:?}");
    for _ in 0..3 {
        client.backup("nightly").await;
    }
    assert!(browser.get("/ui").await.1.contains("Last restore"), "later operations hide the restore");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_path_of_the_router_leads_to_the_page() {
    let client = Client::start().await;
    let browser = Browser::new(&client);
    let answer = browser.send(browser.request(Method::GET, "")).await;
    assert_eq!((answer.status(), location(&answer).as_str()), (StatusCode::SEE_OTHER, "/ops/ui"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_created_since_is_a_gap_after_the_databases_were_described_again() {
    let client = Client::start().await;
    let database = client.server.database().expect("the database opens");
    database.execute_batch("CREATE TABLE drafts (id INTEGER PRIMARY KEY)").expect("a table");
    let browser = Browser::signed_in(&client, OPERATOR).await;
    assert!(browser.get("/ui/coverage").await.1.contains("Everything is covered"));
    let answer = browser.send(browser.form("/ui/coverage/refresh", &[])).await;
    assert_eq!(location(&answer), "/ops/ui/coverage");
    assert!(browser.get("/ui/coverage").await.1.contains(".ignore_table("));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sign_out_ends_the_session() {
    let client = Client::start().await;
    let browser = Browser::signed_in(&client, ADMIN).await;
    assert_eq!(browser.get("/ui").await.0, StatusCode::OK);
    let answer = browser.send(browser.form("/ui/sign-out", &[])).await;
    assert_eq!(location(&answer), "/ops/ui/sign-in");
    assert_eq!(browser.get("/ui").await.0, StatusCode::SEE_OTHER, "the session is still valid");
}

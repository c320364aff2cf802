//! The end of the server.

use std::io::{Read as _, Write as _};

use super::client::Serving;
use crate::shop::Shop;

/// Starts a server and a backup that is held at the gate. Returns the path of the operation.
fn at_the_gate(shop: &Shop) -> (Serving, String) {
    std::fs::write(shop.gate(), "").expect("the gate is closed");
    let server = Serving::start(shop, &["--role", "admin"]);
    let started = server.post("/api/backup/all", "{\"name\": \"nightly\"}");
    assert_eq!(started.status, 202, "{started:?}");
    shop.wait_for_the_gate();
    let operation: serde_json::Value = serde_json::from_str(&started.body).expect("an operation");
    let path = operation["statusUrl"].as_str().expect("an address").to_owned();
    (server, path)
}

#[test]
fn an_interruption_cancels_what_runs_ends_streams_and_exits_with_130() {
    for signal in ["INT", "TERM"] {
        let shop = Shop::new(3);
        let (server, operation) = at_the_gate(&shop);
        let mut events = server.connect();
        let request = server.request("GET", &format!("{operation}/events"), &[], "");
        events.write_all(request.as_bytes()).expect("a request");
        let mut first = [0; 12];
        events.read_exact(&mut first).expect("the stream begins");
        assert_eq!(&first, b"HTTP/1.1 200");
        server.signal(signal);
        server.until_line("interrupted");
        // The status is 0 if the server has ended already.
        let refused = server.post("/api/backup/all", "{}");
        assert!(
            [0, 503].contains(&refused.status),
            "no operation begins while the server stops: {refused:?}"
        );
        shop.open_the_gate();
        let mut rest = String::new();
        events.read_to_string(&mut rest).expect("the stream ends");
        assert!(rest.contains("event: end") && rest.contains("\"status\":\"cancelled\""), "{rest}");
        assert_eq!(server.ended().code(), Some(130));
        assert_eq!(shop.ids(), [] as [String; 0], "nothing was published");
    }
}

#[test]
fn the_second_interruption_ends_the_server_at_once() {
    let shop = Shop::new(3);
    let (server, _) = at_the_gate(&shop);
    server.signal("INT");
    server.until_line("interrupted");
    server.signal("INT");
    assert_eq!(server.ended().code(), Some(130));
}

//! A store that accepts connections and never answers.

use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};

use crate::shop::Shop;

/// Starts the store, and returns its port and the connections, which stay open until they are dropped.
fn silent_store() -> (u16, Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            if sender.send(connection).is_err() {
                return;
            }
        }
    });
    (port, receiver)
}

/// Returns a shop whose only storage profile is in this store.
fn shop(port: u16) -> Shop {
    let shop = Shop::new(3);
    let configuration = format!(
        "application = \"shop\"\nenvironment = \"test\"\n[providers]\nmain = \"sqlite:shop.db\"\n\
         [storage.local]\nurl = \"s3://backups/shop\"\nendpoint = \"http://127.0.0.1:{port}\"\n\
         region = \"us-east-1\"\naccess_key_id = \"koan\"\nsecret_access_key = {{ env = \"SHOP_KEY\" }}\n\
         [encryption]\nrecipients = [{:?}]\n",
        shop.recipient()
    );
    std::fs::write(shop.directory().join("koan.toml"), configuration).expect("a configuration");
    shop
}

#[test]
fn ctrl_c_ends_a_command_whose_store_does_not_answer() {
    let (port, connections) = silent_store();
    let shop = shop(port);
    for mut command in [
        shop.configured_by_file(&["list"]),
        shop.configured_by_file(&["backup", "nightly"]),
        shop.program(&["list"]),
        shop.program(&["verify", "latest"]),
    ] {
        let child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let connection = connections.recv().expect("the program connects to the store");
        let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(killed.is_ok_and(|status| status.success()), "the process exists");
        let output = child.wait_with_output().expect("the program ends");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(130), "{command:?}: {errors}");
        drop(connection);
        // Connections of the program that has ended are not those of the next one.
        while connections.try_recv().is_ok() {}
    }
}

#[test]
fn a_backup_with_a_time_limit_and_doctor_end_although_the_store_does_not_answer() {
    let (port, _connections) = silent_store();
    let shop = shop(port);
    let output = shop.configured_by_file(&["backup", "--timeout", "1s"]).output().expect("the shop runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("time limit of 1s, which `--timeout …` sets"), "the limit is named: {errors}");
    let output = shop.program(&["doctor", "--timeout", "1s"]).output().expect("the program runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("problem  storage local") && text.contains("did not respond"), "{text}");
}

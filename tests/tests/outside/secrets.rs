//! No error, debug output or log contains a password, however the address is written.

use std::sync::{Arc, Mutex};

use koan_backup::prelude::*;
use serde::{Deserialize, Serialize};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Entity)]
#[entity_backup]
struct Item {
    id: i64,
    name: String,
}

/// The log output of this thread, at every level.
#[derive(Clone, Default)]
struct Trace(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Trace {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("the lock is not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Trace {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

const SECRET: &str = "hunter2";

fn addresses() -> Vec<String> {
    let server = "127.0.0.1:1/test";
    let mut addresses = vec![
        format!("postgres://ann@{server}?password=x{SECRET}"),
        format!("postgresql://ann:{SECRET}@{server}?sslmode=verify-full&sslrootcert=/nowhere"),
        format!("host=127.0.0.1 port=1 user=ann password={SECRET}"),
        format!("host=127.0.0.1 port=1 user=ann password='a {SECRET} \\' b' dbname=test"),
        format!("host=127.0.0.1 port=1 user=ann password = {SECRET} nonsense=1"),
        format!("host=127.0.0.1 port=one user=ann password={SECRET}"),
        format!("host=127.0.0.1 port=1 user=ann password={SECRET} sslmode=odd"),
        format!("postgres://ann:{SECRET}@no-such-host.invalid/test"),
        format!("postgres://ann:{SECRET}@127.0.0.1:port/test"),
        format!("postgres://ann:{SECRET}@127.0.0.1:1/test?sslmode={SECRET}"),
        format!("postgres://ann:{SECRET}@127.0.0.1:1/test?nonsense={SECRET}"),
        format!("postgres://ann:{SECRET}@127.0.0.1:1/test?connect_timeout={SECRET}"),
        format!("postgres://ann:{SECRET}@127.0.0.1:1,127.0.0.1:2/test"),
        format!("postgres://ann:{SECRET}@/test"),
        format!("postgres:ann:{SECRET}@{server}"),
        format!("mysql://ann:{SECRET}@{server}"),
        format!("ann:{SECRET}@{server}"),
        format!(" postgres://ann:{SECRET}@{server}"),
        format!("POSTGRES://ann:{SECRET}@{server}"),
        format!("postgres://ann:%{SECRET}@{server}"),
        format!("jdbc:postgresql://127.0.0.1:1/test?user=ann&password={SECRET}"),
    ];
    for special_character in
        ["@", ":", "/", "#", "%25", "%", " ", "?", "&", "=", "'", "\\", "[", "]", "\n", "é", "%40", "%2F"]
    {
        addresses.push(format!("postgres://ann:x{special_character}{SECRET}@{server}"));
        addresses.push(format!("postgres://ann:{SECRET}{special_character}x@{server}"));
    }
    addresses
}

fn assert_contains_no_secret(output: &str, text: &str) {
    assert!(!text.contains(SECRET), "{output}: {text}");
}

#[tokio::test]
async fn a_password_is_shown_nowhere_however_the_address_is_written() {
    let trace = Trace::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(trace.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let (mut accepted, mut leaks) = (0, Vec::new());
    for address in addresses() {
        let mut check = |output: &str, text: String| {
            if text.contains(SECRET) {
                leaks.push(format!("{address} {output}: {text}"));
            }
        };
        let options = Postgres::options(address.clone()).schema("sales").ignore_table("x", "y");
        check("options", format!("{options:?} {options:#?}"));
        match options.connect() {
            Err(error) => check("refused address", format!("{error} {error:?} {}", error.chain())),
            Ok(database) => {
                accepted += 1;
                check("provider", format!("{database:?}"));
                let builder = Koan::builder().only_registered().register::<Item>().provider(database);
                let builder = builder.storage(Storage::memory());
                check("builder", format!("{builder:?}"));
                match builder.build().await {
                    Err(error) => check("context", format!("{error} {error:?} {}", error.chain())),
                    Ok(koan) => {
                        check("koan", format!("{koan:?} {:?}", koan.inventory()));
                        let error =
                            koan.backup("nightly").await.expect_err("no server listens at the address");
                        check("backup", format!("{error} {error:?} {}", error.chain()));
                        for manifest in koan.backups().await.expect("listed") {
                            check("manifest", serde_json::to_string(&manifest).expect("JSON"));
                        }
                    }
                }
            }
        }
    }
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    assert!(accepted > 10, "only {accepted} addresses were accepted");
    assert_contains_no_secret(
        "the log",
        &String::from_utf8_lossy(&trace.0.lock().expect("the lock is not poisoned")),
    );
}

#[test]
fn a_secret_key_of_a_store_is_shown_nowhere_however_it_is_passed() {
    let urls = [
        format!("s3://AKIA:{SECRET}@bucket/shop"),
        format!("s3://bucket/shop?secret_access_key={SECRET}"),
        format!("s3://bucket:{SECRET}/shop"),
        format!("https://ann:{SECRET}@bucket.s3.example.org/shop"),
        format!("az://container/shop?sig={SECRET}"),
        format!("abfss://container:{SECRET}@account.dfs.core.windows.net/shop"),
        format!("gs://{SECRET}@bucket/shop"),
        format!("ftp://ann:{SECRET}@example.org/shop"),
        format!("memory://ann:{SECRET}@x"),
    ];
    for url in urls {
        let show = |built: Result<Storage, Error>| match built {
            Ok(storage) => format!("{storage:?} {}", storage.location()),
            Err(error) => format!("{error} {error:?} {}", error.chain()),
        };
        assert_contains_no_secret(&url, &show(Storage::url(url.clone())));
        assert_contains_no_secret(&url, &format!("{:?}", Storage::options(url.clone())));
    }
    for (name, value) in [
        ("secret_access_key", SECRET.to_owned()),
        ("aws_session_token", SECRET.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ("endpoint", format!("https://ann:{SECRET}@store.example.org")),
        ("proxy_url", format!("http://ann:{SECRET}@proxy.example.org")),
        ("account_key", SECRET.to_owned()),
        ("sas_key", format!("sv=1&sig={SECRET}")),
        ("service_account_key", format!("{{\"private_key\": \"{SECRET}\"}}")),
        ("nonsense", SECRET.to_owned()),
        ("allow_http", SECRET.to_owned()),
        ("checksum_algorithm", SECRET.to_owned()),
    ] {
        for url in ["s3://bucket/shop", "az://container/shop", "gs://bucket/shop"] {
            let options = Storage::options(url).without_environment().option(name, value.clone());
            // The value of an unknown option, or of an option that holds no secret, may appear in the error
            // that refuses it.
            let is_secret = !["nonsense", "allow_http", "checksum_algorithm"].contains(&name);
            let shown = format!("{options:?}");
            let opened = match options.open() {
                Ok(storage) => format!("{storage:?} {}", storage.location()),
                Err(error) => format!("{error} {error:?} {}", error.chain()),
            };
            if is_secret {
                assert_contains_no_secret(name, &format!("{shown} {opened}"));
            }
        }
    }
}

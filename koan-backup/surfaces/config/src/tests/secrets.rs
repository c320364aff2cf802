//! Secrets are read from their references, and never printed.

use age::secrecy::ExposeSecret as _;

use super::fixture::{Card, Folder, builder};
use crate::loaded::Loaded;
use crate::secret::CommandLimits;
use crate::{Configuration, ConfigurationSources, build};

const SECRET: &str = "hunter2-is-long-enough";

#[test]
fn no_output_contains_a_secret() {
    let folder = Folder::new();
    folder.write("secret", &format!("{SECRET}\n"));
    let text = format!(
        "[providers.main]\nurl = \"postgres://ann:{SECRET}@localhost/shop\"\n\
         [providers.other]\nurl = \"postgres://localhost/shop?password={SECRET}&user=ann\"\n\
         [storage.s]\nurl = \"s3://bucket\"\naccess_key_id = \"AKIA\"\n\
         secret_access_key = {{ file = \"{{folder}}/secret\" }}\n\
         [encryption]\nkeys = [{{ command = [\"echo\", \"{SECRET}\"] }}]\n"
    );
    let sources = folder.toml(&text).variables([
        ("KOAN__ENCRYPTION__PASSPHRASE".to_owned(), SECRET.to_owned()),
        ("KOAN__STORAGE__S__OPTIONS__SESSION_TOKEN".to_owned(), SECRET.to_owned()),
    ]);
    let outputs =
        |name: &str, text: String| assert!(!text.contains("hunter2"), "{name} contains the secret: {text}");
    outputs("the sources", format!("{sources:?}"));
    outputs("the problems", format!("{:?}", sources.check()));
    let configuration = sources.load().expect("the configuration is valid");
    outputs("the effective values", format!("{:?}", configuration.effective()));
    outputs("the configuration", format!("{configuration:?}"));
    outputs("the builder", format!("{:?}", configuration.apply(builder()).expect("the secrets are read")));
    for (key, expected) in [
        ("providers.main.url", "\"postgres://ann:***@localhost/shop\""),
        ("providers.other.url", "\"postgres://localhost/shop?password=***&user=ann\""),
        ("storage.s.secret_access_key", "***"),
        ("storage.s.options.session_token", "***"),
        ("encryption.passphrase", "***"),
        ("storage.s.access_key_id", "\"AKIA\""),
    ] {
        let value = configuration.effective().iter().find(|value| value.key == key).expect("the key is set");
        assert_eq!(value.value, expected, "{key}");
    }
    let origin = configuration.origin("encryption.passphrase").expect("the key is set");
    assert_eq!(origin.to_string(), "variable KOAN__ENCRYPTION__PASSPHRASE");
}

#[test]
fn effective_values_show_no_credentials_in_any_address() {
    let folder = Folder::new();
    let configuration = folder.load(
        "[providers]\nmain = \"postgres:ann:hunter2@db/shop\"\n\
         [providers.other]\nurl = \"postgres://ann@localhost/shop?sslmode=disable\"\n\
         ignore_large_objects = \"see https://ann:hunter2@wiki/page\"\n\
         schemas = [\"http://hunter2@host\"]\n\
         [storage.s]\nurl = \"s3://bucket\"\nendpoint = \"https://ann:hunter2@minio:9000\"\n\
         options = { proxy_url = \"http://hunter2@proxy:3128?access_token=hunter2\", plain = \"hunter2@proxy\" }\n",
    );
    let effective = format!("{:?}", configuration.effective());
    assert!(!effective.contains("hunter2"), "an effective value contains credentials: {effective}");
    for (key, expected) in [
        ("providers.main.url", "\"***\""),
        ("providers.other.url", "\"postgres://ann@localhost/shop?sslmode=disable\""),
        ("storage.s.endpoint", "\"https://***@minio:9000\""),
        ("storage.s.options.proxy_url", "\"http://***@proxy:3128?access_token=***\""),
    ] {
        let value = configuration.effective().iter().find(|value| value.key == key).expect("the key is set");
        assert_eq!(value.value, expected, "{key}");
    }
}

#[test]
fn only_the_host_of_a_notification_is_displayed() {
    let folder = Folder::new();
    folder.write("secret", &format!("{SECRET}\n"));
    let configuration = folder.load(
        "[notifications.a]\nkind = \"health_check\"\nurl = \"https://hc.example.com/hunter2?hunter2\"\n\
         [notifications.b]\nkind = \"webhook\"\nurl = \"https://ann:hunter2@hooks.example.com:8443/hunter2\"\n\
         secret = { file = \"{folder}/secret\" }\n\
         [notifications.c]\nkind = \"email\"\nurl = \"smtps://ann:hunter/2@hunter2@mail\"\nfrom = \"a@b.c\"\nto = [\"a@b.c\"]\n",
    );
    let targets = configuration.notifications().expect("the secrets are read");
    assert_eq!(targets[1].secret.as_deref(), Some(SECRET));
    for text in
        [format!("{configuration:?}"), format!("{targets:?}"), format!("{:?}", configuration.effective())]
    {
        assert!(!text.contains("hunter"), "a secret is displayed: {text}");
    }
    for (key, expected) in [
        ("notifications.a.url", "\"https://hc.example.com/***\""),
        ("notifications.b.url", "\"https://***@hooks.example.com:8443/***\""),
        ("notifications.b.secret", "***"),
        ("notifications.c.url", "\"smtps://***\""),
    ] {
        let value = configuration.effective().iter().find(|value| value.key == key).expect("the key is set");
        assert_eq!(value.value, expected, "{key}");
    }
}

#[test]
fn a_secret_of_a_notification_is_not_read_when_the_configuration_is_applied() {
    let folder = Folder::new();
    let sources = folder.toml(
        "[notifications.a]\nkind = \"webhook\"\nurl = \"https://hooks.example.com\"\nsecret = { file = \"{folder}/absent\" }\n",
    );
    let configuration = sources.clone().load().expect("the configuration is valid");
    assert!(configuration.apply(builder()).is_ok(), "a notification must not prevent a backup");
    assert!(configuration.notifications().is_err(), "the secret cannot be read");
    let problems = folder.texts(&sources.check());
    assert!(problems.len() == 1 && problems[0].contains("notifications.a.secret"), "{problems:?}");
}

#[test]
fn a_malformed_file_does_not_show_its_content() {
    let folder = Folder::new();
    for name in ["bad.toml", "bad.yaml", "bad.json"] {
        let file = folder.write(name, &format!("{{ \"a\": \"{SECRET}\", \"b\": [\"{SECRET}\" : }}"));
        let problems = crate::ConfigurationSources::new().file(file).check();
        assert!(!problems.is_empty() && !format!("{problems:?}").contains("hunter2"), "{name}: {problems:?}");
    }
}

#[test]
fn a_secret_is_read_from_a_file_and_from_a_command() {
    let folder = Folder::new();
    folder.write("secret", "s p\u{e9}c!al\r\n");
    for (reference, expected) in [
        ("{ file = \"{folder}/secret\" }", "s p\u{e9}c!al"),
        ("{ command = [\"cat\", \"{folder}/secret\"] }", "s p\u{e9}c!al"),
        ("{ command = [\"printf\", \"a\\nb\\n\"] }", "a\nb"),
    ] {
        let text = format!("[providers.main]\nurl = \"postgres://h/d\"\npassword = {reference}\n");
        let loaded = Loaded::read(&folder.toml(&text)).expect("the configuration is valid");
        let password = loaded.settings.providers["main"].password.as_ref().expect("the password is set");
        assert_eq!(
            password.read(&CommandLimits::default()).expect("the secret is read"),
            expected,
            "{reference}"
        );
    }
}

#[test]
fn a_secret_that_cannot_be_read_is_a_problem_with_its_place() {
    let folder = Folder::new();
    for (reference, expected) in [
        ("{ file = \"{folder}/none\" }", "cannot be read"),
        ("{ command = [\"false\"] }", "the command `false`, which prints a secret, failed: exit status: 1"),
        (
            "{ command = [\"koan-no-such-program\"] }",
            "`koan-no-such-program`, which prints a secret, could not be started",
        ),
    ] {
        let problems = folder.problems(&format!("[encryption]\npassphrase = {reference}\n"));
        assert!(problems.len() == 1, "{problems:?}");
        assert!(
            problems[0].starts_with("koan.toml:2:14: ") && problems[0].contains(expected),
            "{problems:?}"
        );
    }
}

#[test]
fn a_password_is_added_to_an_address() {
    let folder = Folder::new();
    folder.write("password", "p@ss/w?rd\n");
    let text = "[providers.main]\nurl = \"postgres://ann@localhost/shop?sslmode=disable\"\n\
                password = { file = \"{folder}/password\" }\n";
    let loaded = Loaded::read(&folder.toml(text)).expect("the configuration is valid");
    let settings = &loaded.settings.providers["main"];
    let address = build::address(
        &settings.url.read(&CommandLimits::default()).expect("the URL is in the file"),
        settings,
    );
    let address = address.expect("the password is read");
    assert_eq!(address, "postgres://ann@localhost/shop?sslmode=disable&password=%70%40%73%73%2F%77%3F%72%64");
    build::postgres(&address, settings).connect().expect("the driver accepts the address");
}

#[test]
fn a_passphrase_is_a_recipient_and_a_key() {
    let folder = Folder::new();
    folder.write("passphrase", "correct horse\n");
    let configuration = folder.load("[encryption]\npassphrase = { file = \"{folder}/passphrase\" }\n");
    let recipients =
        configuration.recipients().expect("the passphrase is read").expect("there are recipients");
    let expected = koan_backup::Recipients::passphrase("correct horse").expect("the passphrase is not empty");
    assert_eq!(recipients.key_ids(), expected.key_ids());
    assert_eq!(configuration.keys().expect("the passphrase is read").len(), 1);
    let built = format!("{:?}", configuration.apply(builder()).expect("the passphrase is read"));
    assert!(built.contains("recipients: Some(Recipients") && built.contains("Keys::text"), "{built}");
}

#[tokio::test]
async fn a_passphrase_with_a_line_ending_decrypts_what_it_encrypted_in_each_form() {
    let folder = Folder::new();
    let mark = '\u{feff}';
    folder.write("passphrase", &format!("{mark}correct horse\r\n"));
    let reference = "[encryption]\npassphrase = { file = \"{folder}/passphrase\" }\n";
    let variable = ("KOAN__ENCRYPTION__PASSPHRASE".to_owned(), format!("{mark}correct horse\n"));
    let forms = [
        ("the file", folder.toml(reference)),
        ("the variable", ConfigurationSources::new().variables([variable])),
        ("the value", ConfigurationSources::new().fixed("encryption.passphrase", "correct horse\r\n")),
    ];
    // The three forms are the same text, so one of them shows that the key decrypts what the recipient encrypted. The
    // derivation of a key from a passphrase is slow.
    for (form, sources) in &forms {
        let loaded = Loaded::read(sources).unwrap_or_else(|problems| panic!("{form} is valid: {problems:?}"));
        let passphrase = loaded.settings.encryption.passphrase.expect("the passphrase is set");
        assert_eq!(
            passphrase.read(&CommandLimits::default()).expect("the passphrase is read"),
            "correct horse",
            "{form}"
        );
    }
    let [.., (form, sources)] = forms;
    let configuration = sources.load().expect("the passphrase is valid");
    assert_eq!(
        records_after_a_restore(&folder, &configuration).await,
        1,
        "{form} must decrypt what it encrypted"
    );
}

#[test]
fn a_passphrase_of_several_lines_is_refused() {
    let folder = Folder::new();
    folder.write("passphrase", "correct horse\n\n");
    let problems = folder.problems("[encryption]\npassphrase = { file = \"{folder}/passphrase\" }\n");
    assert!(problems.len() == 1 && problems[0].contains("remove the line ending"), "{problems:?}");
}

/// Backs up a card with a configuration, and returns how many records were restored.
async fn records_after_a_restore(folder: &Folder, configuration: &Configuration) -> u64 {
    let builder = builder().register::<Card>().provider(koan_backup::Memory::new());
    let builder = builder.storage(koan_backup::Storage::memory()).state_directory(folder.path("state"));
    let koan = configuration.apply(builder).expect("the configuration is applied").build().await;
    let koan = koan.expect("the entity can be encrypted");
    let card = Card { id: 1, number: "4711".to_owned() };
    let _ = koan.data::<Card>().upsert_many([card]).await.expect("the card is stored");
    let _ = koan.backup("cards").entity::<Card>().await.expect("the backup succeeds");
    let restored = koan.restore("cards").entity::<Card>().await.expect("the key decrypts the archive");
    restored.entities[0].records
}

#[tokio::test]
async fn a_backup_is_encrypted_for_the_recipients_and_decrypted_with_the_keys() {
    let folder = Folder::new();
    let identity = age::x25519::Identity::generate();
    folder.write("koan.key", identity.to_string().expose_secret());
    let recipients = format!("recipients = [\"{}\"]\n", identity.to_public());
    let text = format!("[encryption]\n{recipients}keys = [{{ file = \"{{folder}}/koan.key\" }}]\n");
    let configuration = folder.load(&text);
    assert_eq!(records_after_a_restore(&folder, &configuration).await, 1);
}

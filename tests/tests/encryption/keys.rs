//! Tests keys that are wrong, missing or invalid, and the sources of keys. No private key appears in any
//! output.

use async_trait::async_trait;
use base64::Engine as _;
use koan_backup::prelude::*;
use koan_backup::{Identities, KeySource};

use crate::clinic::{Clinic, KeyPair, recipients};

#[tokio::test]
async fn without_recipients_no_context_is_built() {
    let clinic = Clinic::with_patients(1);
    let error = clinic.builder().build().await.expect_err("there are no recipients");
    assert_eq!(error.kind(), ErrorKind::Encryption);
    assert!(error.to_string().contains("`Patient`") && error.to_string().contains("encrypt_to"), "{error}");
    assert!(!clinic.backups().join("archives").exists(), "an archive was written");
}

/// Creates a public RSA key with this number of bits, for which no private key exists.
fn rsa(bits: usize) -> String {
    let mut modulus = vec![0xff; bits / 8 + 1];
    modulus[0] = 0;
    let mut blob = Vec::new();
    for element in [b"ssh-rsa".as_slice(), &[1, 0, 1], &modulus] {
        blob.extend_from_slice(
            &u32::try_from(element.len()).expect("the length fits into u32").to_be_bytes(),
        );
        blob.extend_from_slice(element);
    }
    format!("ssh-rsa {}", base64::engine::general_purpose::STANDARD.encode(blob))
}

#[test]
fn the_debug_output_of_keys_shows_only_ids_and_sources() {
    let key = KeyPair::new();
    let recipients = recipients([&key]);
    let [id] = recipients.key_ids().try_into().expect("one key id");
    let identities = Identities::parse(&key.private).expect("a private key");
    assert_eq!(identities.key_ids(), [id.as_str()]);
    assert!(!identities.is_empty() && Identities::default().is_empty());
    for shown in [format!("{recipients:?}"), format!("{identities:?}")] {
        assert!(shown.contains(&id), "{shown}");
    }
    let shown = format!("{:?}", Keys::file("koan.key"));
    assert!(shown.contains("koan.key"), "{shown}");
}

#[tokio::test]
async fn the_output_of_a_key_command_is_limited_to_the_size_of_a_key() {
    let key = KeyPair::new();
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("koan.key");
    let max_bytes = 64 << 10;
    for (length, accepted) in [(max_bytes, true), (max_bytes + 1, false), (3 * max_bytes, false)] {
        let comment = "#".repeat(length - key.private.len() - 1);
        std::fs::write(&path, format!("{}\n{comment}", key.private)).expect("written");
        let read = Keys::command("cat", [path.display().to_string()]).identities().await;
        assert_eq!(read.is_ok(), accepted, "{length}");
        if let Err(error) = read {
            assert!(error.chain().contains("longer than the maximum of 64 KiB"), "{error:?}");
        }
    }
}

#[test]
fn invalid_recipients_are_refused_and_not_shown() {
    let key = KeyPair::new();
    let truncated = &key.public[..key.public.len() - 1];
    let secret_ssh = KeyPair::ssh("ed25519", "").private;
    let (ecdsa, small, large) = (KeyPair::ssh("ecdsa", "").public, rsa(1024), rsa(16_384));
    for (invalid, expected) in [
        (key.private.as_str(), "private key"),
        (secret_ssh.as_str(), "private key"),
        (truncated, "recipient 1"),
        ("ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBA", "recipient 1"),
        (ecdsa.as_str(), "of a type that age does not support"),
        (small.as_str(), "fewer than 2048 bits"),
        (large.as_str(), "larger than age supports"),
        ("", "recipient 1"),
    ] {
        let error = Recipients::keys([invalid]).expect_err(expected);
        assert_eq!(error.kind(), ErrorKind::Encryption);
        assert!(error.chain().contains(expected), "{error}");
        assert!(invalid.is_empty() || !error.chain().contains(invalid), "{error}");
    }
    assert!(Recipients::keys([] as [&str; 0]).is_err());
    assert!(Recipients::passphrase("").is_err());
    assert!(
        Recipients::file("/nowhere/recipients")
            .expect_err("the file does not exist")
            .chain()
            .contains("/nowhere/recipients")
    );
}

#[tokio::test]
async fn more_recipients_than_a_manifest_can_list_are_refused_at_the_start() {
    let clinic = Clinic::with_patients(1);
    let keys: Vec<_> = (0..400).map(|_| KeyPair::new().public).collect();
    for (count, accepted) in [(200, true), (400, false)] {
        let recipients = Recipients::keys(&keys[..count]).expect("public keys");
        let built = clinic.builder().encrypt_to(recipients).build().await;
        assert_eq!(built.is_ok(), accepted, "{count} recipients");
        if let Ok(koan) = built {
            let _ = koan.backup("shared").await.expect("a backup");
            assert!(koan.verify("shared").await.expect("verified").is_valid());
        }
    }
}

#[test]
fn recipients_are_read_from_a_file() {
    let (age, ssh) = (KeyPair::new(), KeyPair::ssh("ed25519", ""));
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), format!("# the operator\n{}\n\n{}\n{}", age.public, ssh.public, age.public))
        .expect("written");
    let recipients = Recipients::file(file.path()).expect("two recipients");
    assert_eq!(recipients.public_keys().len(), 2, "{recipients:?}");
    assert!(
        !recipients.public_keys()[1].contains("example.org"),
        "a public key contains the comment that follows it"
    );
}

#[tokio::test]
async fn keys_are_read_from_a_file_a_command_or_a_text() {
    let key = KeyPair::new();
    let clinic = Clinic::with_patients(3);
    let _ = clinic.koan_without_keys(recipients([&key])).await.backup("nightly").await.expect("a backup");
    let path = clinic.directory.path().join("koan.key");
    std::fs::write(&path, format!("# created: today\n# public key: {}\n{}\n", key.public, key.private))
        .expect("written");
    for source in
        [Keys::file(&path), Keys::command("cat", [path.display().to_string()]), Keys::text(&key.private)]
    {
        let shown = format!("{source:?}");
        let koan =
            clinic.builder().encrypt_to(recipients([&key])).keys(source).build().await.expect("a context");
        let _ = koan.restore("nightly").await.expect(&shown);
        assert!(!shown.contains(&key.private) && !format!("{koan:?}").contains(&key.private), "{shown}");
    }
}

/// A key source that a user defines, for example for a key service.
#[derive(Debug)]
struct Service(String);

#[async_trait]
impl KeySource for Service {
    fn describe(&self) -> String {
        "the key service".to_owned()
    }

    async fn identities(&self) -> Result<Identities, Error> {
        Identities::parse(&self.0)
    }
}

#[tokio::test]
async fn keys_are_read_from_a_source_that_the_user_defines() {
    let (key, other) = (KeyPair::new(), KeyPair::new());
    let clinic = Clinic::with_patients(3);
    let _ = clinic.koan_without_keys(recipients([&key])).await.backup("nightly").await.expect("a backup");
    let builder = clinic.builder().encrypt_to(recipients([&key]));
    let koan =
        builder.keys(Keys::text(&other.private)).keys(Service(key.private)).build().await.expect("a context");
    let _ = koan.restore("nightly").await.expect("the key of the second source decrypts the backup");
}

/// The environment variable with the private key.
const KEY: &str = "KOAN_BACKUP_TEST_KEY";
/// The environment variable with the folder of the child process.
const FOLDER: &str = "KOAN_BACKUP_TEST_FOLDER";

/// Runs the test again in a child process whose environment contains the private key, because a process with
/// several threads cannot set an environment variable safely.
#[tokio::test]
async fn keys_are_read_from_an_environment_variable() {
    if let (Some(folder), Ok(public)) = (std::env::var_os(FOLDER), std::env::var("KOAN_BACKUP_TEST_PUBLIC")) {
        let folder = std::path::Path::new(&folder);
        let koan = Koan::builder()
            .provider(Sqlite::open(folder.join("clinic.db")).expect("opened"))
            .storage(Storage::local(folder.join("backups")).expect("a directory"))
            .encrypt_to(Recipients::keys([public]).expect("a public key"))
            .keys(Keys::variable(KEY))
            .build()
            .await
            .expect("a context");
        let _ = koan.restore("nightly").await.expect("the key of the variable decrypts the backup");
        return;
    }
    let key = KeyPair::new();
    let clinic = Clinic::with_patients(3);
    let _ = clinic.koan_without_keys(recipients([&key])).await.backup("nightly").await.expect("a backup");
    let test = "keys::keys_are_read_from_an_environment_variable";
    let output = koan_backup_tests::test_process::run_test(test, |command| {
        command.env(FOLDER, clinic.directory.path());
        command.env("KOAN_BACKUP_TEST_PUBLIC", &key.public).env(KEY, &key.private);
    });
    assert!(output.status.success(), "the test failed in the child process: {output:?}");
}

#[tokio::test]
async fn an_error_about_an_unavailable_key_names_its_source_and_never_shows_the_key() {
    let key = KeyPair::new();
    let clinic = Clinic::with_patients(3);
    let _ = clinic.koan_without_keys(recipients([&key])).await.backup("nightly").await.expect("a backup");
    let encrypted_ssh = KeyPair::ssh("ed25519", "open sesame").private;
    let half = &key.private[..40];
    for (source, expected) in [
        (Keys::file("/nowhere/koan.key"), "/nowhere/koan.key"),
        (Keys::variable("KOAN_NO_SUCH_VARIABLE"), "KOAN_NO_SUCH_VARIABLE"),
        (Keys::command("koan-no-such-program", [] as [&str; 0]), "koan-no-such-program"),
        (Keys::command("sh", ["-c", "echo AGE-SECRET-KEY-1QUOTED; echo oops >&2; exit 3"]), "exit status: 3"),
        (Keys::text(half), "line 1"),
        (Keys::text("# only a comment"), "no private key"),
        (Keys::text(&encrypted_ssh), "passphrase"),
        (Keys::text("").as_passphrase(), "empty"),
    ] {
        let builder = clinic.builder().encrypt_to(recipients([&key])).keys(source);
        let koan = builder.build().await.expect("keys are not read at startup");
        let restored = koan.restore("nightly").await.expect_err(expected);
        let verified = koan.verify("nightly").await.expect_err(expected);
        for error in [restored, verified] {
            assert_eq!(error.kind(), ErrorKind::Encryption, "{error:?}");
            let text = format!("{} {error:?}", error.chain());
            assert!(text.contains(expected), "{text}");
            assert!(!text.contains("AGE-SECRET-KEY-1") || text.contains("`AGE-SECRET-KEY-1…`"), "{text}");
            assert!(!text.contains("QUOTED") && !text.contains(half), "{text}");
        }
    }
}

#[tokio::test]
async fn a_backup_of_unencrypted_entities_needs_no_key() {
    let key = KeyPair::new();
    let clinic = Clinic::with_patients(3);
    let builder = clinic.builder().encrypt_to(recipients([&key])).keys(Keys::file("/nowhere/koan.key"));
    let koan = builder.build().await.expect("a context");
    let backup = koan.backup("wards").entities(["Ward"]).await.expect("a backup");
    assert!(backup.manifest().encryption.is_none());
    assert!(koan.verify("wards").await.expect("verified").is_valid());
    let _ = koan.restore("wards").await.expect("restored");
}

//! Tests that no value of an encrypted record appears unencrypted in the archive, the manifest, a sidecar
//! file, a log or an error.

use std::io::Read;
use std::path::Path;

use koan_backup::prelude::*;
use koan_backup_tests::log::Log;

use crate::clinic::{Clinic, KeyPair, Patient, files, recipients};

/// Fragments of the values of encrypted records, in the forms of the database and of JSON.
const VALUES: [&str; 8] = [
    "Confidential",
    "number-0000",
    "ZeroNegative",
    "AbPositive",
    "1950-01-",
    "77000",
    "Witness",
    "Leukaemia",
];

/// Checks that an output contains no value of an encrypted record.
pub(super) fn check(output: &str, bytes: &[u8]) {
    for value in VALUES {
        let found = bytes.windows(value.len()).any(|window| window == value.as_bytes());
        assert!(!found, "`{value}` is unencrypted in {output}");
    }
}

/// Checks every file below a directory, and every entry of the ZIP files. Returns the number of files and
/// entries.
pub(super) fn check_files(directory: &Path) -> usize {
    let mut checked = 0;
    for path in files(directory) {
        if path.is_dir() {
            checked += check_files(&path);
            continue;
        }
        let bytes = std::fs::read(&path).expect("readable");
        check(&path.display().to_string(), &bytes);
        checked += 1;
        if path.extension().is_some_and(|extension| extension == "zip") {
            let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("a ZIP");
            for index in 0..archive.len() {
                let mut entry = archive.by_index(index).expect("an entry");
                let mut content = Vec::new();
                entry.read_to_end(&mut content).expect("readable");
                check(&format!("entry {index} of {}", path.display()), &content);
                checked += 1;
            }
        }
    }
    checked
}

#[tokio::test]
async fn no_value_of_an_encrypted_record_is_stored_or_logged_unencrypted() {
    let (log, _guard) = Log::capture();
    let key = KeyPair::new();
    let clinic = Clinic::with_patients(50);
    // Each of these rows causes a warning: a value that its type does not preserve, mixed physical forms, and
    // a value in a form that no restore writes back.
    clinic.sql(
        "UPDATE patients SET blood = 'Leukaemia' WHERE number = 'number-000007';
         UPDATE patients SET insured = 1 WHERE number = 'number-000008';
         UPDATE patients SET fee = ' 770009.250 ' WHERE number = 'number-000009';",
    );
    let koan = clinic.koan_with_keys([&key]).await;
    let backup = koan.backup("nightly").await.expect("a backup");
    assert!(!backup.warnings().is_empty(), "the changed rows cause no warning");
    check("the report", format!("{backup:?}").as_bytes());
    let report = koan.verify("nightly").await.expect("verified");
    check("the verification", format!("{report:?}").as_bytes());
    let _ = koan.restore("nightly").replace_existing().await.expect("restored");
    let checked = check_files(&clinic.backups());
    assert!(checked > 10, "only {checked} files and entries were checked");
    check("the log", log.lines().join("\n").as_bytes());
}

/// Runs the test again in a child process whose `TMPDIR` does not exist, because a process with several
/// threads cannot set an environment variable safely.
#[tokio::test]
async fn nothing_is_written_to_a_temporary_file() {
    const FOLDER: &str = "KOAN_BACKUP_TEST_LEAKS";
    let Some(folder) = std::env::var_os(FOLDER) else {
        let folder = tempfile::tempdir().expect("a directory");
        let test = "leaks::nothing_is_written_to_a_temporary_file";
        let output = koan_backup_tests::test_process::run_test(test, |command| {
            command.env(FOLDER, folder.path()).env("TMPDIR", folder.path().join("no-such-directory"));
        });
        assert!(output.status.success(), "the test failed in the child process: {output:?}");
        return;
    };
    std::fs::File::open(std::env::temp_dir()).expect_err("there is no directory for temporary files");
    let (old, new) = (KeyPair::new(), KeyPair::new());
    let clinic = Clinic::within(tempfile::tempdir_in(folder).expect("a directory"), 20_000);
    let _ = clinic.koan_with_keys([&old]).await.backup("nightly").await.expect("a backup");
    let koan = clinic.builder().encrypt_to(recipients([&new]));
    let koan =
        koan.keys(Keys::text(&old.private)).keys(Keys::text(&new.private)).build().await.expect("a context");
    let _ = koan
        .rekey("nightly")
        .await
        .expect("rekeyed")
        .require_replaced()
        .expect("the old archive was removed");
    assert!(koan.verify("nightly").await.expect("verified").is_valid());
    let _ = koan.restore("nightly").replace_existing().await.expect("restored");
}

#[tokio::test]
async fn no_error_shows_a_value_of_an_encrypted_record() {
    let (log, _guard) = Log::capture();
    let key = KeyPair::new();
    let clinic = Clinic::with_patients(5);
    let koan = clinic.koan_with_keys([&key]).await;
    let _ = koan.backup("nightly").await.expect("a backup");
    clinic.sql("UPDATE patients SET born = 'Witness' WHERE number = 'number-000003'");
    for continue_on_error in [false, true] {
        let backup = koan.backup("broken");
        let result = if continue_on_error { backup.continue_on_error().await } else { backup.await };
        let text = match result {
            Ok(report) => format!("{report:?}"),
            Err(error) => format!("{} {error:?}", error.chain()),
        };
        assert!(text.contains("Patient") && text.contains("number=(hidden)"), "{text}");
        check("an error", text.as_bytes());
    }
    // The restore is refused because records with the same keys exist.
    clinic.sql("UPDATE patients SET born = '1951-01-01'");
    let error = koan.restore("nightly").on_conflict(ConflictMode::Fail).await.expect_err("the records exist");
    assert!(error.chain().contains("number=(hidden)"), "{error:?}");
    check("an error", format!("{} {error:?}", error.chain()).as_bytes());
    // The restored rows would violate a foreign key.
    clinic.sql("PRAGMA foreign_keys = OFF; DELETE FROM wards; DELETE FROM patients");
    let error = koan.restore("nightly").entity::<Patient>().await.expect_err("the wards do not exist");
    assert!(error.chain().contains("wards"), "{error:?}");
    check("an error", format!("{} {error:?}", error.chain()).as_bytes());
    check_files(&clinic.backups());
    check("the log", log.lines().join("\n").as_bytes());
}

#[tokio::test]
async fn no_error_shows_nested_values_of_an_encrypted_record() {
    let key = KeyPair::new();
    for (column, value) in [
        ("results", r#"{"Leukaemia": 1e999}"#),
        ("results", r#"{"Leukaemia": "Witness"}"#),
        ("blood", r#"{"Leukaemia": 1}"#),
        ("born", "Leukaemia"),
    ] {
        let clinic = Clinic::with_patients(3);
        let koan = clinic.koan_with_keys([&key]).await;
        clinic.sql(&format!("UPDATE patients SET {column} = '{value}' WHERE number = 'number-000002'"));
        let error = koan.backup("broken").await.expect_err("the row does not decode");
        check("an error", format!("{} {error:?}", error.chain()).as_bytes());
        assert!(check_files(&clinic.backups()) > 0, "the failure was not recorded");
    }
}

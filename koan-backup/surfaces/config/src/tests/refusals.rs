//! What is refused, with its place and the remedy.

use super::fixture::Folder;
use crate::ConfigurationSources;

#[test]
fn each_problem_has_its_place_and_its_remedy() {
    let folder = Folder::new();
    for (text, expected) in [
        (
            "[backup]\nbatchsize = 5",
            "koan.toml:2:1: unknown key `batchsize` in `backup`; did you mean `batch_size`?",
        ),
        ("aplication = \"x\"", "koan.toml:1:1: unknown key `aplication`; did you mean `application`?"),
        (
            "[retention]\nkeep-daily = 7",
            "koan.toml:2:1: unknown key `keep-daily` in `retention`; did you mean `keep_daily`?",
        ),
        (
            "[discovery]\nzzz = 1",
            "koan.toml:2:1: unknown key `zzz` in `discovery`; the known names are `enabled`, `every`",
        ),
        (
            "[backup]\nbatch_size = \"many\"",
            "koan.toml:2:14: `backup.batch_size` must be a whole number, not a text",
        ),
        ("[backup]\nbatch_size = 0", "koan.toml:2:14: `backup.batch_size` must be at least 1"),
        (
            "[backup]\nbatch_size = 1.5",
            "koan.toml:2:14: `backup.batch_size` must be a whole number, not a number with a fraction",
        ),
        ("backup = 5", "koan.toml:1:10: `backup` must be a table, not a whole number"),
        ("deny_uncovered = \"yes\"", "koan.toml:1:18: `deny_uncovered` must be true or false, not a text"),
        ("application = 7", "koan.toml:1:15: `application` must be a text, not a whole number"),
        (
            "[maintenance]\nprofiles = \"local\"",
            "koan.toml:2:12: `maintenance.profiles` must be a list, not a text",
        ),
        (
            "[maintenance]\nprofiles = [1]",
            "koan.toml:2:13: `maintenance.profiles` must be a text, not a whole number",
        ),
        (
            "[restore]\nlevel = \"fats\"",
            "koan.toml:2:9: `restore.level` cannot be `fats`; did you mean `fast`?",
        ),
        (
            "lease_time = \"fast\"",
            "koan.toml:1:14: `lease_time` must be a length of time such as `90s`, `15m`, `6h`, `7d`, `1h 30m` or `06:00:00`",
        ),
        (
            "lease_time = 60",
            "koan.toml:1:14: `lease_time` must be a length of time such as `90s`, `15m`, `6h`, `7d`, `1h 30m` or `06:00:00`, not a whole number",
        ),
        (
            "lease_time = \"2h\"",
            "koan.toml:1:14: `lease_time` must be from 1 second to 1 hour; set another time",
        ),
        (
            "[backup]\ncompression = \"gzip\"",
            "koan.toml:2:15: `backup.compression` must be `deflate`, `deflate:1` to `deflate:9`, `zstd:1` to `zstd:22`, or `stored`",
        ),
        (
            "[expectations]\nmax_loss_percent = 101",
            "koan.toml:2:20: `expectations.max_loss_percent` must be at most 100",
        ),
        (
            "[providers.main]\nread_only = true",
            "koan.toml:1:1: `providers.main` has no `url`; set `providers.main.url`",
        ),
        (
            "[providers]\nmain = \"shop.db\"",
            "koan.toml:2:8: the URL of provider `main` has no scheme; write `sqlite:shop.db`, `postgres://user@host/database` or `json:./data?layout=lines`; correct it",
        ),
        (
            "[providers]\nmain = \"sqlte:shop.db\"",
            "koan.toml:2:8: the URL of provider `main` has an unknown scheme; did you mean `sqlite`?; correct it",
        ),
        (
            "[providers]\nmain = \"memory:x\"",
            "koan.toml:2:8: the URL of provider `main` contains a path, which memory does not have; correct it",
        ),
        (
            "[providers.main]\nurl = \"memory:\"\nschemas = [\"a\"]",
            "koan.toml:3:11: `providers.main.schemas` has no effect on memory; remove it",
        ),
        (
            "[storage]\nlocal = \"s4://bucket\"",
            "koan.toml:2:9: storage profile `local` has an unknown scheme; did you mean `s3`?",
        ),
        (
            "[storage]\nlocal = \"postgres://host/db\"",
            "koan.toml:2:9: storage profile `local` is a database, which stores no archives; declare it under `providers`: `providers.local = \"…\"`",
        ),
        (
            "[storage.local]\nurl = \"backups\"\nregion = \"x\"",
            "koan.toml:3:10: `storage.local.region` has no effect on a directory; remove it",
        ),
        (
            "[storage]\na = \"x\"\nb = \"y\"",
            "koan.toml:1:1: none of the 2 storage profiles is the default; set `default_storage` to the name of one of them",
        ),
        (
            "[paths]\nbackups = \"x\"\n[storage]\nlocal = \"y\"",
            "koan.toml:2:11: `paths.backups` has no effect, because storage profiles are declared; remove it, or set the URL of a profile to this directory",
        ),
        (
            "[retention]\nexempt_tags = [\"legal\"]",
            "koan.toml:1:1: the retention has neither a rule nor a limit, so it would keep no backup; add one, for example `keep_daily = 14`",
        ),
        (
            "[maintenance]\nevery = \"0s\"",
            "koan.toml:2:9: `maintenance.every` is 0 seconds; set a longer time",
        ),
        ("[discovery]\nevery = \"0s\"", "koan.toml:2:9: `discovery.every` is 0 seconds; set a longer time"),
        (
            "[encryption]\nrecipients = [\"age1x\"]\nrecipients_file = \"{folder}/koan.toml\"",
            "koan.toml:3:19: both `encryption.recipients` and `encryption.recipients_file` set recipients; remove one of them",
        ),
        (
            "[storage.s]\nurl = \"s3://b\"\nsecret_access_key = \"hunter2\"",
            "koan.toml:3:21: `storage.s.secret_access_key` is a secret, which files and flags must not contain; write `{ env = \"…\" }`, `{ file = \"…\" }` or `{ command = [\"…\"] }`",
        ),
        (
            "[encryption]\nkeys = [\"AGE-SECRET-KEY-1\"]",
            "koan.toml:2:9: `encryption.keys` must be a reference to a secret; write `{ env = \"…\" }`, `{ file = \"…\" }` or `{ command = [\"…\"] }`",
        ),
        (
            "[encryption]\npassphrase = { evn = \"X\" }",
            "koan.toml:2:14: `encryption.passphrase` is not a reference to a secret; write `{ env = \"…\" }`, `{ file = \"…\" }` or `{ command = [\"…\"] }`",
        ),
        (
            "[encryption]\npassphrase = { env = \"KOAN_TEST_UNSET\" }",
            "koan.toml:2:14: `encryption.passphrase`: the environment variable `KOAN_TEST_UNSET` is not set or is not Unicode text; set it",
        ),
        (
            "[http]\nlisten = \"localhost\"",
            "koan.toml:2:10: `http.listen` is not an address and a port: `localhost`; for example `127.0.0.1:8484` or `[::1]:8484`",
        ),
        (
            "[http]\npublic_path = \"ops\"",
            "koan.toml:2:15: `http.public_path` does not begin with `/`; for example `/ops`",
        ),
        (
            "[http]\nclient_timeout = \"0s\"",
            "koan.toml:2:18: `http.client_timeout` is 0 seconds; set a longer time",
        ),
        (
            "[http]\ntokens = \"t.toml\"\nrole_without_tokens = \"admin\"",
            "koan.toml:3:23: `http.role_without_tokens` has no effect, because `http.tokens` is set; remove one of them",
        ),
        (
            "[notifications.n]\nkind = \"webhok\"\nurl = \"https://x\"",
            "koan.toml:2:8: `notifications.n.kind` cannot be `webhok`; did you mean `webhook`?",
        ),
        (
            "[notifications.n]\nurl = \"https://x\"",
            "koan.toml:1:1: `notifications.n` has no `kind`; set `notifications.n.kind`",
        ),
        (
            "[notifications.n]\nkind = \"webhook\"\nurl = \"https://x\"",
            "koan.toml:1:1: `notifications.n` is a webhook and has no `secret`; set `notifications.n.secret`",
        ),
        (
            "[notifications.n]\nkind = \"webhook\"\nurl = \"https://x\"\nsecret = \"hunter2\"",
            "koan.toml:4:10: `notifications.n.secret` is a secret, which files and flags must not contain; write `{ env = \"…\" }`, `{ file = \"…\" }` or `{ command = [\"…\"] }`",
        ),
        (
            "[notifications.n]\nkind = \"health_check\"\nurl = \"https://x\"\nto = [\"a@b.c\"]",
            "koan.toml:4:6: `notifications.n.to` has no effect on a check; remove it",
        ),
        (
            "[notifications.n]\nkind = \"email\"\nurl = \"https://x\"\nfrom = \"a@b.c\"\nto = [\"a@b.c\"]",
            "koan.toml:3:7: `notifications.n.url` is not an address of e-mail; it begins with `smtps://` or `smtp://`",
        ),
        (
            "[notifications.n]\nkind = \"health_check\"\nurl = \"https://x\"\nevents = [\"sucess\"]",
            "koan.toml:4:11: `notifications.n.events` cannot be `sucess`; did you mean `success`?",
        ),
        ("a = 1\na = 2", "koan.toml:2:1: the file is not valid TOML: duplicate key"),
        ("[backup\n", "koan.toml:1:8: the file is not valid TOML: unclosed table, expected `]`"),
    ] {
        let problems = folder.problems(text);
        assert!(
            problems.iter().any(|problem| problem == expected),
            "`{text}` has the problems {problems:#?}, and not {expected}"
        );
    }
}

#[test]
fn all_problems_are_returned_and_not_only_the_first() {
    let folder = Folder::new();
    let problems = folder.problems("aplication = 1\n[backup]\nbatch_size = 0\n[restore]\nlevel = \"x\"\n");
    assert_eq!(problems.len(), 3, "{problems:?}");
    let opened = folder.problems(
        "lease_time = \"2h\"\n[providers]\nmain = \"sqlite:missing.db\"\n[storage]\nlocal = \"x9://y\"\n",
    );
    assert_eq!(opened.len(), 3, "{opened:?}");
    let error = folder.toml("aplication = 1\nlease_time = 2\n").load().expect_err("there are two problems");
    assert!(error.to_string().starts_with("the configuration has 2 problems:\n"), "{error}");
}

#[test]
fn a_missing_unreadable_or_malformed_file_is_refused() {
    let folder = Folder::new();
    for (name, content, expected) in [
        ("koan.yaml", "a: [1, 2\nb: 3\n", "koan.yaml:"),
        ("koan.json", "{\n  \"application\": \"shop\",\n}", "koan.json:3:1: the file is not valid JSON"),
        (
            "twice.json",
            "{ \"application\": \"a\", \"application\": \"b\" }",
            "twice.json:1:23: key `application` occurs twice",
        ),
        ("twice.yaml", "application: a\napplication: b\n", "twice.yaml:"),
        ("koan.ini", "", "the format of the configuration"),
    ] {
        let sources = ConfigurationSources::new().file(folder.write(name, content));
        let problems = folder.texts(&sources.check());
        assert!(problems.len() == 1 && problems[0].contains(expected), "{name}: {problems:?}");
    }
    std::fs::write(folder.path("latin.toml"), b"application = \"caf\xe9\"").expect("the file is written");
    for (name, expected) in
        [("latin.toml", "is not text in UTF-8; save it as UTF-8"), ("none.toml", "cannot be read")]
    {
        let problems = ConfigurationSources::new().file(folder.path(name)).check();
        assert!(problems[0].to_string().contains(expected), "{problems:?}");
    }
}

#[test]
fn a_variable_and_a_flag_are_named_in_problems() {
    for (sources, expected) in [
        (
            ConfigurationSources::new().variables([("KOAN__BACKUP__BATCHSIZE".to_owned(), "1".to_owned())]),
            "variable KOAN__BACKUP__BATCHSIZE: unknown key `batchsize` in `backup`; did you mean `batch_size`?",
        ),
        (
            ConfigurationSources::new()
                .variables([("KOAN__BACKUP__BATCH_SIZE".to_owned(), "many".to_owned())]),
            "variable KOAN__BACKUP__BATCH_SIZE: `backup.batch_size` must be a whole number, not a text",
        ),
        (
            ConfigurationSources::new().variables([("KOAN__APPLICATION__NAME".to_owned(), "x".to_owned())]),
            "variable KOAN__APPLICATION__NAME: unknown key `name` in `application`; it has no keys",
        ),
        (
            ConfigurationSources::new().flag("restore.levle", "safe", "--level"),
            "flag --level: unknown key `levle` in `restore`; did you mean `level`?",
        ),
        (
            ConfigurationSources::new().flag("encryption.passphrase", "hunter2", "--passphrase"),
            "flag --passphrase: `encryption.passphrase` is a secret, which files and flags must not contain; write `{ env = \"…\" }`, `{ file = \"…\" }` or `{ command = [\"…\"] }`",
        ),
    ] {
        let problems = sources.check();
        assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    }
}

#[test]
fn several_providers_need_a_default() {
    let folder = Folder::new();
    let text = "[providers]\nsales = \"memory:\"\naudit = \"memory:\"\n";
    assert_eq!(
        folder.problems(text),
        ["koan.toml:1:1: none of the 2 providers is the default; call the default provider `main`"]
    );
    assert!(folder.problems(&format!("{text}main = \"memory:\"\n")).is_empty());
    assert!(folder.problems("[providers]\nsales = \"memory:\"\n").is_empty(), "one provider is the default");
    let builder = super::fixture::builder().provider(koan_backup::Memory::new());
    let _ = folder.load(text).apply(builder).expect("the builder has a default provider");
}

#[test]
fn a_key_without_effect_is_refused_for_a_name_with_a_point() {
    let folder = Folder::new();
    let problems = folder.problems(
        "[providers.\"eu.main\"]\nurl = \"memory:\"\nlayout = \"lines\"\n\
         [storage.\"eu.local\"]\nurl = \"memory:\"\nregion = \"x\"\n",
    );
    let expected = [
        "koan.toml:3:10: `providers.\"eu.main\".layout` has no effect on memory; remove it",
        "koan.toml:6:10: `storage.\"eu.local\".region` has no effect on memory; remove it",
    ];
    assert_eq!(problems, expected);
}

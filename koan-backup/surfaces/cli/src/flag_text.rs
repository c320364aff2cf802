//! Texts of the library in terms of the command line: it names a method of a builder, for which there is a flag or a
//! setting.

mod program;
mod setting;

use std::borrow::Cow;
use std::sync::OnceLock;

pub(crate) use self::program::Program;
use self::setting::setting;

/// The program of this process.
static PROGRAM: OnceLock<Program> = OnceLock::new();

/// Sets the program of this process, once.
pub(crate) fn begin(program: Program) {
    PROGRAM.get_or_init(|| program);
}

/// The flags whose methods the texts of the library name.
pub(crate) const FLAGS: [&str; 16] = [
    "allow-field-loss",
    "allow-idle-rules",
    "allow-partial",
    "create-missing",
    "even-if-last",
    "exclude",
    "from-application",
    "include-unidentified",
    "keep-constraints",
    "keep-indexes",
    "profile",
    "release-entity",
    "replace-existing",
    "series",
    "set",
    "timeout",
];

/// The calls and values whose flags have other names.
const RENAMED: [(&str, &str); 11] = [
    (".to_profile(…)", "--to PROFILE"),
    (".from_profile(…)", "--profile PROFILE"),
    (".include_snapshots()", "--snapshots"),
    (".include_terminated()", "--terminated"),
    (".full()", "--full"),
    (".without_document()", "--no-document"),
    (".without_snapshots()", "--no-snapshots"),
    (".on_conflict(ConflictMode::Overwrite)", "--on-conflict overwrite"),
    ("ConflictMode::Keep", "--on-conflict keep"),
    (".restore(…)", "stream restore BACKUP"),
    (".restore_as(…)", "stream clone BACKUP NEW_ID"),
];

/// Replaces each method of a builder by the flag with the same name, such as `.exclude("User")` by `--exclude User`, or
/// by the setting of the program, such as `.state_directory(…)` by `paths.root`. Other text is unchanged.
pub(crate) fn with_flags(text: &str) -> Cow<'_, str> {
    for_program(PROGRAM.get().copied().unwrap_or(Program::Application), text)
}

fn for_program(program: Program, text: &str) -> Cow<'_, str> {
    let is_paired = text.matches('`').count().is_multiple_of(2);
    if !is_paired || !text.contains("`.") {
        return Cow::Borrowed(text);
    }
    // The parts with an odd index are in backquotes.
    let parts = text.split('`').enumerate().map(|(index, part)| match replacement(program, part) {
        Some(replacement) if index % 2 == 1 => Cow::Owned(replacement),
        _ => Cow::Borrowed(part),
    });
    Cow::Owned(parts.collect::<Vec<_>>().join("`"))
}

/// Returns the setting or the flag for the call of a method, if there is one.
fn replacement(program: Program, call: &str) -> Option<String> {
    if let Some((_, flag)) = RENAMED.iter().find(|(known, _)| *known == call) {
        return Some((*flag).to_owned());
    }
    let (method, arguments) = call.strip_prefix('.')?.strip_suffix(')')?.split_once('(')?;
    setting(program, method, arguments).or_else(|| flag(method, arguments))
}

/// Returns the flag for the call of a method, if there is one.
fn flag(method: &str, arguments: &str) -> Option<String> {
    let flag = method.replace('_', "-");
    // Some methods accept several names, and their flags are repeated.
    let flag = [flag.as_str(), flag.trim_end_matches('s')].into_iter().find(|flag| FLAGS.contains(flag))?;
    let value = match arguments {
        "" => String::new(),
        "…" => " …".to_owned(),
        "name, environment" => " NAME/ENVIRONMENT".to_owned(),
        argument => format!(" {}", argument.strip_prefix('"')?.strip_suffix('"')?),
    };
    Some(format!("--{flag}{value}"))
}

#[cfg(test)]
mod tests {
    use super::{Program, for_program};

    #[test]
    fn a_method_with_a_flag_is_shown_as_the_flag() {
        for (text, expected) in [
            ("restore them with `.allow_partial()`, or", "restore them with `--allow-partial`, or"),
            ("exclude it with `.exclude(\"User\")`", "exclude it with `--exclude User`"),
            ("select one with `.set(\"…\")`", "select one with `--set …`"),
            ("with `.from_application(name, environment)`", "with `--from-application NAME/ENVIRONMENT`"),
            (
                "`.on_conflict(ConflictMode::Overwrite)`, `ConflictMode::Keep`, `.restore_as(…)`",
                "`--on-conflict overwrite`, `--on-conflict keep`, `stream clone BACKUP NEW_ID`",
            ),
            ("omit it, or use `.full()`", "omit it, or use `--full`"),
        ] {
            assert_eq!(for_program(Program::Application, text), expected);
        }
    }

    #[test]
    fn a_method_is_shown_as_the_setting_of_a_program_with_a_configuration() {
        let keys = "add the key with `.keys(Keys::file(\"…\"))`";
        let application = "with `.from_application(name, environment)`";
        for (program, text, expected) in [
            (Program::Configured, keys, "add the key with `encryption.keys = [{ file = \"…\" }]`"),
            (Program::Archives, keys, "add the key with `--identity FILE`"),
            (Program::Configured, application, "with `--from-application NAME/ENVIRONMENT`"),
            (Program::Archives, application, "with `--application NAME/ENVIRONMENT`"),
            (
                Program::Configured,
                "`.encrypt_to(Recipients::key(\"age1…\")?)`",
                "`encryption.recipients = [\"age1…\"]`",
            ),
            (
                Program::Configured,
                "`.provider(Sqlite::open(\"shop.db\")?)`",
                "`providers.main = \"sqlite:shop.db\"`",
            ),
            (Program::Configured, "`.credentials(id, secret)`", "`access_key_id` and `secret_access_key`"),
            (Program::Configured, "`.option(\"allow_http\", \"true\")`", "`options.allow_http = \"true\"`"),
            (Program::Configured, "`.ignore_table(\"coupons\", \"…\")`", "`ignore_tables.coupons`"),
            (Program::Configured, "`.to_profile(…)`", "`--to PROFILE`"),
        ] {
            assert_eq!(for_program(program, text), expected);
        }
    }

    #[test]
    fn other_text_is_unchanged() {
        for text in [
            "set public keys with `.encrypt_to(Recipients::key(\"age1…\")?)`",
            "the entity `.exclude(\"User\")",
            "`User` has a field `.name`",
            "call `.build()`",
            "",
            "`",
            "a `.level(RestoreLevel::Safe)` restore",
        ] {
            assert_eq!(for_program(Program::Application, text), text);
        }
    }
}

//! The settings of the configuration, in place of the methods of builders.

use super::program::Program;

/// Returns the setting or flag for the call of a method, if the program has one.
pub(super) fn setting(program: Program, method: &str, arguments: &str) -> Option<String> {
    if program == Program::Application {
        return None;
    }
    let is_archives = program == Program::Archives;
    let texts = texts(arguments);
    let (first, second) = (texts.first().copied().unwrap_or("…"), texts.get(1).copied().unwrap_or("…"));
    Some(match method {
        "encrypt_to" => "encryption.recipients = [\"age1…\"]".to_owned(),
        "keys" if is_archives => "--identity FILE".to_owned(),
        "keys" => "encryption.keys = [{ file = \"…\" }]".to_owned(),
        "from_application" if is_archives => "--application NAME/ENVIRONMENT".to_owned(),
        "environment" if is_archives => "--application NAME/ENVIRONMENT".to_owned(),
        "environment" => "environment".to_owned(),
        "provider" if texts.is_empty() => "providers.main".to_owned(),
        "provider" => format!("providers.main = \"sqlite:{first}\""),
        "named_provider" => format!("providers.{first}"),
        "named_storage" => format!("storage.{first}"),
        "create_if_missing" => "create_if_missing = true".to_owned(),
        "credentials" => "access_key_id` and `secret_access_key".to_owned(),
        "option" if second == "…" => format!("options.{first}"),
        "option" => format!("options.{first} = \"{second}\""),
        "state_directory" => "paths.root".to_owned(),
        "schema" => "schemas".to_owned(),
        "refresh_materialized_views" => "refresh_materialized_views = true".to_owned(),
        "ignore_table" => format!("ignore_tables.{first}"),
        "ignore_sequence" => format!("ignore_sequences.{first}"),
        "ignore_materialized_view" => format!("ignore_materialized_views.{first}"),
        "ignore_large_objects" => "ignore_large_objects".to_owned(),
        "recomputed_after_restore" => format!("recomputed.\"{first}\""),
        _ => return None,
    })
}

/// Returns the texts in quotation marks of the arguments of a method.
fn texts(arguments: &str) -> Vec<&str> {
    arguments.split('"').skip(1).step_by(2).collect()
}

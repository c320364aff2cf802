//! The user who runs the command line, for the record of who started a backup.

/// The variables that name the user: on Unix systems, and on Windows.
const VARIABLES: [&str; 3] = ["USER", "LOGNAME", "USERNAME"];
/// The maximum number of characters of the name that is recorded.
const MAX_CHARACTERS: usize = 100;

/// Returns who starts an operation from the command line: `command line, user alice`, or only `command line` if the
/// environment does not name the user.
pub(crate) fn command_line() -> String {
    let names = VARIABLES.iter().filter_map(|variable| std::env::var(variable).ok());
    described(names)
}

fn described(mut names: impl Iterator<Item = String>) -> String {
    let is_name = |name: &String| {
        let is_short = name.chars().count() <= MAX_CHARACTERS;
        is_short && !name.trim().is_empty() && !name.contains(char::is_control)
    };
    match names.find(is_name) {
        Some(name) => format!("command line, user {name}"),
        None => "command line".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_named_only_if_the_environment_contains_a_name() {
        let described = |names: &[&str]| described(names.iter().map(|&name| name.to_owned()));
        assert_eq!(described(&["alice", "bob"]), "command line, user alice");
        assert_eq!(described(&["", "bob"]), "command line, user bob");
        assert_eq!(described(&[]), "command line");
        assert_eq!(described(&["\u{1b}[2J", &"x".repeat(101)]), "command line");
    }
}

//! The exit codes.

use std::process::ExitCode;

use koan_backup_core::ErrorKind;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The command did what was asked.
    Done,
    /// The command failed, or a verification found a fault.
    Failed,
    /// The command line or a setting is not valid, or a question cannot be asked.
    Usage,
    /// The result is incomplete, or something needs attention.
    Attention,
    /// A profile, backup, entity or provider does not exist.
    NotFound,
    /// Another process works on the same subject.
    Busy,
    /// A key is missing or wrong.
    Key,
    /// A person or the system interrupted the command.
    Interrupted,
}

impl Exit {
    /// Returns the more important one of two ends of verifications: a fault, then a missing key, then another error.
    pub(crate) fn or_more_important(self, other: Self) -> Self {
        let rank = |exit| match exit {
            Self::Done => 0,
            Self::Failed => 3,
            Self::Key => 2,
            _ => 1,
        };
        if rank(other) > rank(self) { other } else { self }
    }

    /// Returns the exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Attention => 3,
            Self::NotFound => 10,
            Self::Busy => 11,
            Self::Key => 12,
            Self::Interrupted => 130,
        }
    }

    /// Returns how a command ends whose error has this kind.
    pub(crate) fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Configuration | ErrorKind::InvalidName => Self::Usage,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Busy => Self::Busy,
            ErrorKind::Encryption => Self::Key,
            ErrorKind::Cancelled => Self::Interrupted,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    const ALL: [Exit; 8] = [
        Exit::Done,
        Exit::Failed,
        Exit::Usage,
        Exit::Attention,
        Exit::NotFound,
        Exit::Busy,
        Exit::Key,
        Exit::Interrupted,
    ];

    #[test]
    fn the_guide_lists_every_exit_code() {
        let page = include_str!("../../../docs/command-line.md");
        let (_, section) = page.split_once("## Exit codes").expect("the section about exit codes");
        let section = section.split("\n## ").next().expect("the section has text");
        let documented: Vec<u8> = section
            .lines()
            .filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.trim_matches('`').parse().ok())
            .collect();
        assert_eq!(documented, ALL.map(Exit::code), "the table of exit codes in command-line.md");
    }
}

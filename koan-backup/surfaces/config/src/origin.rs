//! Where a value comes from.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// The origin of a value: the layer that set it, and its place in the layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "layer")]
#[non_exhaustive]
pub enum Origin {
    /// The default of the library.
    Default,
    /// The application, as a default that other layers can change.
    Code,
    /// A file.
    #[non_exhaustive]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
    },
    /// An environment variable.
    #[non_exhaustive]
    Variable {
        /// The name of the variable.
        name: String,
    },
    /// A flag of the command line.
    #[non_exhaustive]
    Flag {
        /// The flag, for example `--batch-size`.
        name: String,
    },
    /// The application, as a value that no other layer can change.
    Fixed,
}

/// Formats a place in a file as `koan.toml:3:5`, and other origins in words.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Code => f.write_str("default of the application"),
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Variable { name } => write!(f, "variable {name}"),
            Self::Flag { name } => write!(f, "flag {name}"),
            Self::Fixed => f.write_str("fixed by the application"),
        }
    }
}

/// Converts byte offsets in a file to lines and columns.
#[derive(Debug)]
pub(crate) struct Places<'a> {
    path: PathBuf,
    text: &'a str,
}

impl<'a> Places<'a> {
    pub(crate) fn new(path: PathBuf, text: &'a str) -> Self {
        Self { path, text }
    }

    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// Returns the origin of the text at a byte offset.
    pub(crate) fn at(&self, offset: usize) -> Origin {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let line = before.matches('\n').count() + 1;
        self.at_position(line, before[line_start..].chars().count() + 1)
    }

    /// Returns the origin of the text at a line and column.
    pub(crate) fn at_position(&self, line: usize, column: usize) -> Origin {
        Origin::File { path: self.path.clone(), line, column }
    }
}

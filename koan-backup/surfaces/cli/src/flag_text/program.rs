//! The programs whose users read texts of the library.

/// The program whose user reads the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// An application that builds its context itself. Its users know the methods of the builder.
    Application,
    /// An application whose context comes from the configuration.
    Configured,
    /// The program `koan-backup`.
    Archives,
}

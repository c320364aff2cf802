//! The program `koan-backup`: the commands that need no application.

use std::process::ExitCode;

fn main() -> ExitCode {
    koan_backup::cli::archives_main()
}

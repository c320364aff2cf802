//! The mode of the terminal, which a question changes.

/// The mode of the terminal before a question. It is restored when this value is dropped, because the thread that reads
/// the answer cannot be stopped, and leaves the terminal without echo and line endings.
#[derive(Debug)]
pub(crate) struct TerminalMode {
    #[cfg(unix)]
    mode: Option<rustix::termios::Termios>,
}

impl TerminalMode {
    /// Returns the current mode of the terminal on standard input.
    pub(crate) fn current() -> Self {
        Self {
            #[cfg(unix)]
            mode: rustix::termios::tcgetattr(std::io::stdin()).ok(),
        }
    }
}

impl Drop for TerminalMode {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(mode) = &self.mode {
            // The terminal may not exist any more.
            let _ = rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Now, mode);
        }
        // A question that ends early leaves the cursor hidden.
        let terminal = console::Term::stderr();
        if terminal.features().is_attended() {
            // The process ends or reports an error next, also if the terminal cannot be written.
            drop(terminal.show_cursor());
        }
    }
}

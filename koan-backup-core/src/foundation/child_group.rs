//! The processes of a program that prints a secret.

use std::process::Command;

/// The process group of a running program. The group is killed when this value is dropped, unless the program has
/// ended.
#[derive(Debug)]
pub struct ChildGroup {
    #[cfg(unix)]
    leader: Option<rustix::process::Pid>,
}

impl ChildGroup {
    /// Makes a program the leader of a process group, so that the processes that it starts can be killed with it. This
    /// is not possible in a process with a terminal, because another group than that of the terminal cannot ask for a
    /// passphrase there.
    pub fn prepare(command: &mut Command) {
        #[cfg(unix)]
        if !has_terminal() {
            use std::os::unix::process::CommandExt as _;
            command.process_group(0);
        }
        #[cfg(not(unix))]
        let _ = command;
    }

    /// Returns the group of a program that was [prepared](Self::prepare), by the id of its process. The process must
    /// not have been waited for.
    pub fn of(process: Option<u32>) -> Self {
        #[cfg(unix)]
        {
            let process = process.filter(|_| !has_terminal()).and_then(|id| i32::try_from(id).ok());
            Self { leader: process.and_then(rustix::process::Pid::from_raw) }
        }
        #[cfg(not(unix))]
        {
            let _ = process;
            Self {}
        }
    }

    /// Keeps the processes, because the program has ended: what it has started continues, such as an agent.
    pub fn keep(mut self) {
        #[cfg(unix)]
        {
            self.leader = None;
        }
        #[cfg(not(unix))]
        let _ = &mut self;
    }
}

impl Drop for ChildGroup {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(leader) = self.leader {
            // The processes may have ended meanwhile.
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}

/// Returns whether this process has a controlling terminal.
#[cfg(unix)]
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

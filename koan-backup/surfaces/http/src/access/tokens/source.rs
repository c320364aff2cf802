//! The tokens that are valid at present, which follow the changes of their file.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use koan_backup_core::Error;
use tokio::time::Instant;

use super::list::TokenList;
use super::{LoadedFile, Tokens, at_path, file};

/// How long a change of the file may remain unnoticed.
const FILE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The source of the valid tokens of a server.
#[derive(Debug)]
pub(crate) struct TokenSource {
    declared: TokenList,
    current: RwLock<Arc<TokenList>>,
    file: Option<FollowedFile>,
}

#[derive(Debug)]
struct FollowedFile {
    path: std::path::PathBuf,
    /// Held while the file is read, so that one request reads it and the others wait for its result.
    last: tokio::sync::Mutex<LastRead>,
    /// Why the file cannot be used at present.
    problem: Mutex<Option<String>>,
}

/// The last time when the file was read, and its content, or the error that was logged for it.
#[derive(Debug)]
struct LastRead {
    at: Instant,
    content: Option<Vec<u8>>,
}

impl TokenSource {
    /// Creates the source.
    pub(crate) fn new(tokens: Tokens) -> Result<Self, Error> {
        let Tokens { declared, file } = tokens;
        let Some(LoadedFile { path, content, list }) = file else {
            return Ok(Self { current: RwLock::new(Arc::new(declared.clone())), declared, file: None });
        };
        let joined = declared.joined(&list).map_err(|error| at_path(&path, error))?;
        let last = tokio::sync::Mutex::new(LastRead { at: Instant::now(), content: Some(content) });
        let file = Some(FollowedFile { path, last, problem: Mutex::new(None) });
        Ok(Self { declared, current: RwLock::new(Arc::new(joined)), file })
    }

    /// Returns the valid tokens. Reads the file first if it was not read within the last second.
    pub(crate) async fn current(&self) -> Arc<TokenList> {
        if let Some(file) = &self.file {
            let mut last = file.last.lock().await;
            if last.at.elapsed() >= FILE_CHECK_INTERVAL {
                self.reload(file, &mut last).await;
            }
        }
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns why the file of tokens cannot be used at present, or `None`.
    pub(crate) fn problem(&self) -> Option<String> {
        self.file.as_ref()?.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn reload(&self, file: &FollowedFile, last: &mut LastRead) {
        let path = file.path.clone();
        let read = tokio::task::spawn_blocking(move || file::read(&path)).await;
        last.at = Instant::now();
        let loaded = match read {
            Ok(Ok(content)) if last.content.as_ref() == Some(&content) => return,
            Ok(Ok(content)) => {
                let list = file::parse(&content).and_then(|list| self.declared.joined(&list));
                last.content = Some(content);
                list
            }
            Ok(Err(error)) => {
                last.content = None;
                Err(error)
            }
            // The runtime is stopping.
            Err(_) => return,
        };
        let problem = match loaded {
            Ok(list) => {
                tracing::info!(target: "koan::backup::access", tokens = list.len(), "the file of tokens has changed");
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(list);
                None
            }
            Err(error) => Some(at_path(&file.path, error).chain()),
        };
        let mut shown = file.problem.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(problem) = problem.as_ref().filter(|problem| shown.as_ref() != Some(*problem)) {
            tracing::warn!(
                target: "koan::backup::access",
                problem,
                "the tokens that were read last remain valid until the file of tokens is repaired"
            );
        }
        *shown = problem;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use jiff::Timestamp;

    use super::*;
    use crate::access::role::Role;
    use crate::access::tokens::hash::TokenHash;
    use crate::access::tokens::list::TokenMatch;

    async fn role(source: &TokenSource, secret: &str) -> Option<Role> {
        tokio::time::advance(FILE_CHECK_INTERVAL).await;
        match source.current().await.find(&TokenHash::of(secret.as_bytes()), Timestamp::now()) {
            TokenMatch::Valid(entry) => Some(entry.role()),
            TokenMatch::Expired(_) | TokenMatch::Unknown => None,
        }
    }

    fn entry(name: &str, role: Role) -> (String, String) {
        let (secret, entry) = Tokens::generate(name, role).expect("a token");
        (secret.expose().to_owned(), entry.to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_of_the_file_takes_effect_without_a_restart() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("tokens.toml");
        let ((a, entry_a), (b, entry_b)) = (entry("a", Role::Admin), entry("b", Role::Viewer));
        fs::write(&path, &entry_a).expect("the file is written");
        let source = TokenSource::new(Tokens::file(&path).expect("valid")).expect("valid");
        assert_eq!((role(&source, &a).await, role(&source, &b).await), (Some(Role::Admin), None));
        fs::write(&path, entry_a.replace("admin", "viewer") + &entry_b).expect("the file is written");
        assert_eq!(
            (role(&source, &a).await, role(&source, &b).await),
            (Some(Role::Viewer), Some(Role::Viewer))
        );
        fs::write(&path, &entry_b).expect("the file is written");
        assert_eq!(role(&source, &a).await, None, "the removed token is valid");
        fs::write(&path, "# none\n").expect("the file is written");
        assert_eq!(role(&source, &b).await, None, "a file without tokens revokes none");
        assert_eq!(source.problem(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_invalid_file_keeps_the_tokens_that_were_read_last_and_is_reported() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("tokens.toml");
        let (a, entry_a) = entry("a", Role::Admin);
        fs::write(&path, &entry_a).expect("the file is written");
        let source = TokenSource::new(Tokens::file(&path).expect("valid")).expect("valid");
        for content in [Some("[[token]]\nnam = 1\n"), Some("= ="), None] {
            match content {
                Some(content) => fs::write(&path, content).expect("the file is written"),
                None => fs::remove_file(&path).expect("the file is removed"),
            }
            assert_eq!(role(&source, &a).await, Some(Role::Admin), "{content:?} revokes the token");
            let problem = source.problem().expect("the problem is reported");
            assert!(problem.contains("tokens.toml"), "the file is not named: {problem}");
        }
        fs::write(&path, &entry_a).expect("the file is written");
        assert_eq!(role(&source, &a).await, Some(Role::Admin));
        assert_eq!(source.problem(), None, "the problem of the repaired file is reported");
    }

    #[test]
    fn a_file_without_tokens_or_with_a_declared_name_is_refused_at_the_start() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("tokens.toml");
        fs::write(&path, "").expect("the file is written");
        let error = Tokens::file(&path).expect_err("nobody could use the server");
        assert!(error.chain().contains("the file contains no token"), "{error:?}");
        assert!(Tokens::file(directory.path()).is_err(), "a directory is accepted");
        let (_, entry_a) = entry("a", Role::Admin);
        fs::write(&path, &entry_a).expect("the file is written");
        let (_, same_name) = Tokens::generate("a", Role::Viewer).expect("a token");
        assert!(Tokens::file(&path).expect("valid").entry(same_name).is_err(), "two tokens have one name");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_change_is_refused_and_one_that_they_can_read_is_accepted() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("tokens.toml");
        fs::write(&path, entry("a", Role::Admin).1).expect("the file is written");
        for (mode, is_accepted) in [(0o600, true), (0o644, true), (0o660, false), (0o602, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("the mode is set");
            assert_eq!(Tokens::file(&path).is_ok(), is_accepted, "mode {mode:o}");
        }
    }
}

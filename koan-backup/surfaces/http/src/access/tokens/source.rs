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
                tracing::info!(target: "koan::backup::access", tokens = list.len(), "the file of tokens was read again");
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

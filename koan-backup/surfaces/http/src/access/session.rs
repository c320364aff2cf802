//! Sessions of browsers.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use koan_backup_core::Error;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::tokens::hash::TokenHash;
use super::tokens::secret::random_text;

/// The time after which a session ends that is not used.
pub(crate) const IDLE_LIMIT: Duration = Duration::from_secs(30 * 60);

/// The time after which every session ends.
pub(crate) const LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);

/// How many sessions one token can have. With more, the one that was not used for the longest time ends.
const MAX_SESSIONS_PER_TOKEN: usize = 32;

/// The sessions of a server, in memory only. An id is stored as its SHA-256.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<TokenHash, Session>>);

#[derive(Debug)]
struct Session {
    token: TokenHash,
    started: Instant,
    used: Instant,
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.used) >= IDLE_LIMIT || now.duration_since(self.started) >= LIFETIME
    }
}

impl Sessions {
    /// Starts a session and returns its id, which is always new. `valid` are the hashes of the valid tokens; sessions
    /// of other tokens end.
    pub(crate) fn start(
        &self,
        token: TokenHash,
        valid: &HashSet<TokenHash>,
    ) -> Result<Zeroizing<String>, Error> {
        let id = random_text()?;
        let now = Instant::now();
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| !session.is_over(now) && valid.contains(&session.token));
        let of_token = || sessions.iter().filter(|(_, session)| session.token == token);
        if of_token().count() >= MAX_SESSIONS_PER_TOKEN {
            let oldest = of_token().min_by_key(|(_, session)| session.used).map(|(id, _)| *id);
            oldest.map(|id| sessions.remove(&id));
        }
        sessions.insert(TokenHash::of(id.as_bytes()), Session { token, started: now, used: now });
        Ok(id)
    }

    /// Returns the hash of the token with which a session was started, and notes that the session is used.
    pub(crate) fn token(&self, id: &str) -> Option<TokenHash> {
        let (hash, now) = (TokenHash::of(id.as_bytes()), Instant::now());
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let session = sessions.get_mut(&hash)?;
        if session.is_over(now) {
            sessions.remove(&hash);
            return None;
        }
        session.used = now;
        Some(session.token)
    }

    /// Returns the hash of the token with which a session was started, if the session has not ended. The session is not
    /// used.
    pub(crate) fn peek(&self, id: &str) -> Option<TokenHash> {
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let session = sessions.get(&TokenHash::of(id.as_bytes()))?;
        (!session.is_over(Instant::now())).then_some(session.token)
    }

    /// Ends a session. Returns whether it existed.
    pub(crate) fn end(&self, id: &str) -> bool {
        let hash = TokenHash::of(id.as_bytes());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&hash).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str) -> (TokenHash, HashSet<TokenHash>) {
        let hash = TokenHash::of(name.as_bytes());
        (hash, HashSet::from([hash]))
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_when_it_is_idle_and_when_it_is_too_old() {
        let (sessions, (hash, valid)) = (Sessions::default(), token("a"));
        let idle = sessions.start(hash, &valid).expect("a session starts");
        tokio::time::advance(IDLE_LIMIT).await;
        assert!(sessions.token(&idle).is_none(), "the idle session is valid");
        let old = sessions.start(hash, &valid).expect("a session starts");
        let uses = LIFETIME.as_secs() / (IDLE_LIMIT.as_secs() / 2) - 1;
        for _ in 0..uses {
            tokio::time::advance(IDLE_LIMIT / 2).await;
            assert_eq!(sessions.token(&old), Some(hash), "the session that is used has ended");
        }
        tokio::time::advance(IDLE_LIMIT / 2).await;
        assert!(sessions.token(&old).is_none(), "the old session is valid");
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_sessions_is_limited_for_each_token() {
        let (sessions, (a, _), (b, _)) = (Sessions::default(), token("a"), token("b"));
        let valid = HashSet::from([a, b]);
        let of_b = sessions.start(b, &valid).expect("a session starts");
        let first = sessions.start(a, &valid).expect("a session starts");
        for _ in 0..MAX_SESSIONS_PER_TOKEN {
            tokio::time::advance(Duration::from_secs(1)).await;
            sessions.start(a, &valid).expect("a session starts");
        }
        assert!(
            sessions.token(&first).is_none(),
            "the session that was not used for the longest time is valid"
        );
        assert_eq!(sessions.token(&of_b), Some(b), "the sessions of another token are ended");
        assert_eq!(sessions.0.lock().expect("not poisoned").len(), MAX_SESSIONS_PER_TOKEN + 1);
        sessions.start(b, &HashSet::from([b])).expect("a session starts");
        assert_eq!(sessions.0.lock().expect("not poisoned").len(), 2, "sessions of a revoked token remain");
    }

    #[tokio::test]
    async fn an_id_is_new_and_is_not_stored() {
        let (sessions, (hash, valid)) = (Sessions::default(), token("a"));
        let ids = [(); 2].map(|()| sessions.start(hash, &valid).expect("a session starts"));
        assert_ne!(ids[0], ids[1]);
        assert!(!format!("{sessions:?}").contains(ids[0].as_str()));
        assert!(sessions.end(&ids[0]) && !sessions.end(&ids[0]));
        assert!(sessions.token(&ids[0]).is_none());
        assert_eq!(sessions.token(&ids[1]), Some(hash));
        assert!(sessions.token("chosen-by-the-caller").is_none());
    }
}

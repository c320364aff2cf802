//! The decision who sends a request.

use std::fmt;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::request::Parts;
use jiff::Timestamp;
use koan_backup_core::{Error, ErrorKind};

use super::audit::AuditLog;
use super::audit::entry::{AuditEntry, AuditEvent};
use super::audit::path::ShownObjects;
use super::authenticator::Authenticator;
use super::cookie::{CookiePath, CookieTransport};
use super::credentials::{
    Authorization, authorization, check_token, refuse_query_token, session_cookies, unauthenticated,
};
use super::failed_tokens::FailedTokens;
use super::origins::AllowedOrigins;
use super::peer::{Peer, ProxyTrust};
use super::principal::{Principal, PrincipalOrigin};
use super::request_body::BodyLimits;
use super::role::Role;
use super::session::Sessions;
use super::tokens::Tokens;
use super::tokens::hash::TokenHash;
use super::tokens::list::TokenMatch;
use super::tokens::source::TokenSource;
use crate::problem::{Problem, ProblemKind};

/// The settings of [`Access`].
#[derive(Default)]
pub(crate) struct AccessSettings {
    pub(crate) tokens: Tokens,
    pub(crate) authenticator: Option<Arc<dyn Authenticator>>,
    pub(crate) audit: AuditLog,
    pub(crate) proxy_trust: ProxyTrust,
    /// The prefix below which the application mounts the router.
    pub(crate) public_path: String,
    /// The role of programs on the same machine. Only for a server without tokens and authenticator, which listens on
    /// a loopback address and provides `ConnectInfo<SocketAddr>`.
    pub(crate) loopback: Option<Role>,
    pub(crate) body: BodyLimits,
    /// The sites whose scripts may send requests with a token.
    pub(crate) allow_origins: AllowedOrigins,
    /// Which object ids in paths the audit log contains.
    pub(crate) shown_objects: ShownObjects,
}

/// Decides who sends a request.
pub(crate) struct Access {
    tokens: TokenSource,
    sessions: Sessions,
    failed: FailedTokens,
    authenticator: Option<Arc<dyn Authenticator>>,
    audit: AuditLog,
    proxy_trust: ProxyTrust,
    cookie_path: CookiePath,
    mount: Mount,
    has_tokens: bool,
    loopback: Option<Role>,
    body: BodyLimits,
    allow_origins: AllowedOrigins,
    shown_objects: ShownObjects,
}

/// Where the application mounts the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mount {
    /// It nests the router below a path. Unknown paths there are answered by the router.
    Nested,
    /// It merges the router into its own. Unknown paths are answered by the application.
    Root,
}

/// A started session.
#[derive(Debug)]
pub(crate) struct SignIn {
    pub(crate) principal: Principal,
    /// The header `Set-Cookie`.
    pub(crate) cookie: HeaderValue,
}

impl Access {
    /// Creates the access of a server.
    ///
    /// # Errors
    /// Nobody could use the server, callers on the same machine would bypass the tokens, or a setting is not valid.
    pub(crate) fn new(settings: AccessSettings) -> Result<Self, Error> {
        let is_closed = settings.tokens.is_empty() && settings.authenticator.is_none();
        if is_closed && settings.loopback.is_none() {
            let message = "nobody can use the HTTP API, because it has neither tokens nor an authenticator";
            return Err(Error::new(ErrorKind::Configuration, message)
                .with_help("add `.tokens(Tokens::file(\"tokens.toml\")?)` to the options"));
        }
        if !is_closed && settings.loopback.is_some() {
            let message =
                "programs on this machine would need no token, although there are tokens or an authenticator";
            return Err(Error::new(ErrorKind::Configuration, message)
                .with_help("remove the tokens, or do not open the HTTP API to programs on this machine"));
        }
        Ok(Self {
            has_tokens: !settings.tokens.is_empty(),
            tokens: TokenSource::new(settings.tokens)?,
            sessions: Sessions::default(),
            failed: FailedTokens::default(),
            authenticator: settings.authenticator,
            audit: settings.audit,
            proxy_trust: settings.proxy_trust,
            cookie_path: CookiePath::new(&settings.public_path)?,
            mount: if settings.public_path.trim_matches('/').is_empty() {
                Mount::Root
            } else {
                Mount::Nested
            },
            loopback: settings.loopback,
            body: settings.body,
            allow_origins: settings.allow_origins,
            shown_objects: settings.shown_objects,
        })
    }

    /// Returns the caller of a request.
    ///
    /// A bearer token decides alone: if it is not valid, a session of the same request is not considered. Then follow
    /// the session, the authenticator of the application, and the machine of the caller.
    ///
    /// # Errors
    /// The request proves no caller, contains a token in its query string, or comes from a peer that has exceeded the
    /// limit of failed tokens.
    pub(crate) async fn authenticate(&self, parts: &Parts) -> Result<Principal, Problem> {
        refuse_query_token(parts.uri.query())?;
        if let Authorization::Bearer(token) = authorization(&parts.headers)? {
            return self.bearer(parts, token).await;
        }
        if let Some(principal) = self.session(&parts.headers).await? {
            return Ok(principal);
        }
        if let Some(principal) = self.application(parts).await? {
            return Ok(principal);
        }
        if let Some(role) = self.loopback.filter(|_| self.peer(parts).is_local_request(parts)) {
            return Ok(Principal::of_loopback(role));
        }
        if session_cookies(&parts.headers).next().is_some() {
            return Err(unauthenticated("the session has ended").with_help("sign in again"));
        }
        let detail = match self.loopback {
            Some(_) => {
                "the server has no tokens and accepts only direct requests of this machine to `localhost`"
            }
            None => "the request has no token",
        };
        Err(unauthenticated(detail).with_help("send a token in the header `Authorization: Bearer …`"))
    }

    /// Starts a session for the caller that has a token, with an entry in the audit log. A session of the same browser ends.
    ///
    /// # Errors
    /// The token is not valid, or the peer has exceeded the limit of failed tokens.
    pub(crate) async fn sign_in(&self, parts: &Parts, token: &str) -> Result<SignIn, Problem> {
        let token = token.trim();
        check_token(token)?;
        let peer = self.peer(parts);
        self.failed.check(peer)?;
        let Some((principal, hash)) = self.principal(token, PrincipalOrigin::Session).await? else {
            return Err(self.failure(peer, token).await);
        };
        session_cookies(&parts.headers).for_each(|id| {
            self.sessions.end(id);
        });
        let valid = self.tokens.current().await.valid_hashes(Timestamp::now());
        let id = self.sessions.start(hash, &valid)?;
        let cookie = self.cookie_path.set(&id, CookieTransport::for_answer_to(parts, peer))?;
        let entry = self.audit_entry(parts, &principal);
        // A session changes nothing that must be audited, and an administrator needs it to find the cause.
        self.audit.write(entry.with_event(AuditEvent::Completed)).await.ok();
        Ok(SignIn { principal, cookie })
    }

    /// Ends the sessions of a request, and returns the header `Set-Cookie` that removes the cookie.
    fn sign_out(&self, parts: &Parts) -> Result<HeaderValue, Problem> {
        session_cookies(&parts.headers).for_each(|id| {
            self.sessions.end(id);
        });
        Ok(self.cookie_path.remove(CookieTransport::for_answer_to(parts, self.peer(parts)))?)
    }

    /// Ends the session of the caller, if there is one, with an entry in the audit log, and returns the header `Set-Cookie`
    /// that removes the cookie.
    pub(crate) async fn end_session(&self, parts: &Parts) -> Result<HeaderValue, Problem> {
        if let Ok(Some(principal)) = self.session(&parts.headers).await {
            let entry = self.audit_entry(parts, &principal);
            self.audit().write(entry.with_event(AuditEvent::Completed)).await.ok();
        }
        self.sign_out(parts)
    }

    /// Returns the entry of a request that is about to be handled.
    pub(crate) fn audit_entry(&self, parts: &Parts, principal: &Principal) -> AuditEntry {
        AuditEntry::requested(parts, principal, self.peer(parts), &self.shown_objects)
    }

    /// Returns the caller of the session of a request.
    ///
    /// # Errors
    /// The request has cookies of several sessions.
    pub(crate) async fn session(&self, headers: &HeaderMap) -> Result<Option<Principal>, Problem> {
        let mut found: Option<(&str, Principal)> = None;
        for id in session_cookies(headers) {
            let Some(token) = self.sessions.token(id) else { continue };
            let tokens = self.tokens.current().await;
            let TokenMatch::Valid(entry) = tokens.find(&token, Timestamp::now()) else {
                self.sessions.end(id);
                continue;
            };
            if found.as_ref().is_some_and(|(other, _)| *other != id) {
                let detail = "the request has the cookies of several sessions";
                return Err(
                    unauthenticated(detail).with_help("remove the cookies of this server and sign in again")
                );
            }
            found = Some((id, Principal::of_token(&entry.name, entry.role, PrincipalOrigin::Session)));
        }
        Ok(found.map(|(_, principal)| principal))
    }

    /// Returns whether the caller of a request that is still being answered has the role `viewer`: its token is valid,
    /// or its session has not ended. The check is no use of the session.
    pub(crate) async fn still_permits(&self, parts: &Parts, caller: &Principal) -> bool {
        let hashes: Vec<_> = match caller.origin() {
            PrincipalOrigin::Loopback => return true,
            PrincipalOrigin::Application => {
                return self.application(parts).await.is_ok_and(|found| found.is_some());
            }
            PrincipalOrigin::Token => match authorization(&parts.headers) {
                Ok(Authorization::Bearer(token)) => vec![TokenHash::of(token.as_bytes())],
                _ => Vec::new(),
            },
            PrincipalOrigin::Session => {
                session_cookies(&parts.headers).filter_map(|id| self.sessions.peek(id)).collect()
            }
        };
        let tokens = self.tokens.current().await;
        let now = Timestamp::now();
        hashes.iter().any(|hash| matches!(tokens.find(hash, now), TokenMatch::Valid(_)))
    }

    /// Returns what the health of the server must report: a file of tokens that cannot be used, and an audit log that
    /// cannot be written.
    pub(crate) fn problems(&self) -> Vec<String> {
        [self.tokens.problem(), self.audit.problem()].into_iter().flatten().collect()
    }

    /// Returns the peer of a request.
    pub(crate) fn peer(&self, parts: &Parts) -> Peer {
        Peer::of(parts, self.proxy_trust)
    }

    /// Returns whether a person can sign in with a token.
    pub(crate) fn has_tokens(&self) -> bool {
        self.has_tokens
    }

    /// Returns where the application mounts the router.
    pub(crate) fn mount(&self) -> Mount {
        self.mount
    }

    pub(crate) fn audit(&self) -> &AuditLog {
        &self.audit
    }

    pub(crate) fn body_limits(&self) -> BodyLimits {
        self.body
    }

    pub(crate) fn allow_origins(&self) -> &AllowedOrigins {
        &self.allow_origins
    }

    async fn bearer(&self, parts: &Parts, token: &str) -> Result<Principal, Problem> {
        let peer = self.peer(parts);
        // The tokens of a peer with too many failures are not compared, but the application may know its caller.
        let limit = self.failed.check(peer);
        if limit.is_ok()
            && let Some((principal, _)) = self.principal(token, PrincipalOrigin::Token).await?
        {
            return Ok(principal);
        }
        if let Some(principal) = self.application(parts).await? {
            return Ok(principal);
        }
        limit?;
        Err(self.failure(peer, token).await)
    }

    /// Returns the caller of a valid token, and `None` for an unknown one.
    ///
    /// # Errors
    /// The token has expired.
    async fn principal(
        &self,
        token: &str,
        origin: PrincipalOrigin,
    ) -> Result<Option<(Principal, TokenHash)>, Problem> {
        let hash = TokenHash::of(token.as_bytes());
        match self.tokens.current().await.find(&hash, Timestamp::now()) {
            TokenMatch::Valid(entry) => {
                Ok(Some((Principal::of_token(&entry.name, entry.role, origin), hash)))
            }
            TokenMatch::Expired(entry) => {
                let detail = format!("the token `{}` has expired", entry.name);
                Err(unauthenticated(detail).with_help("ask an administrator of the server for a new token"))
            }
            TokenMatch::Unknown => Ok(None),
        }
    }

    /// Counts and logs a token that is not valid.
    async fn failure(&self, peer: Peer, token: &str) -> Problem {
        if let Err(problem) = self.failed.count(peer) {
            return problem;
        }
        let address = peer.address().map(tracing::field::display);
        let with_line_feed = TokenHash::of(format!("{token}\n").as_bytes());
        let tokens = self.tokens.current().await;
        if let TokenMatch::Valid(entry) = tokens.find(&with_line_feed, Timestamp::now()) {
            tracing::warn!(
                target: "koan::backup::access",
                peer = address,
                name = entry.name,
                "a token was refused, because its stored hash was computed with a line feed at the end"
            );
        } else {
            tracing::warn!(target: "koan::backup::access", peer = address, "a token was refused");
        }
        unauthenticated("the token is not valid").with_help("ask an administrator of the server for a token")
    }

    async fn application(&self, parts: &Parts) -> Result<Option<Principal>, Problem> {
        let Some(authenticator) = &self.authenticator else { return Ok(None) };
        authenticator.authenticate(parts).await.map_err(|error| {
            let error = error.chain();
            tracing::error!(target: "koan::backup::access", error, "the application could not determine the caller");
            Problem::new(ProblemKind::Unavailable, "the application could not determine the caller")
        })
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("tokens", &self.tokens)
            .field("loopback", &self.loopback)
            .finish_non_exhaustive()
    }
}

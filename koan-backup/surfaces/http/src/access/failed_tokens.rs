//! The limit of failed tokens.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::peer::Peer;
use crate::problem::{Problem, ProblemKind};

/// How many tokens of a peer may fail within [`WINDOW`].
pub(crate) const MAX_FAILURES: u32 = 10;

/// The time for which the failures of a peer are counted, from the first one on.
const WINDOW: Duration = Duration::from_secs(60);

/// How many peers are remembered. With more, the peer whose time is over first is forgotten.
pub(crate) const MAX_PEERS: usize = 4_096;

/// Counts failed tokens by peer. Its memory is limited.
///
/// A peer with too many failures is refused without a look at its tokens until its time is over. Callers from other
/// peers are not affected. If the peer is unknown, because the application does not provide its address, valid tokens
/// are accepted always, and failures are answered with 429 once there are too many of them.
#[derive(Debug, Default)]
pub(crate) struct FailedTokens(Mutex<Peers>);

#[derive(Debug, Default)]
struct Peers {
    failures: HashMap<Option<IpAddr>, Failures>,
    /// The peers in the order in which their time is over.
    order: VecDeque<Option<IpAddr>>,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    end: Instant,
}

impl FailedTokens {
    /// Returns an error if the peer has exceeded the limit.
    pub(crate) fn check(&self, peer: Peer) -> Result<(), Problem> {
        let Some(network) = peer.network() else { return Ok(()) };
        let peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match peers.failures.get(&Some(network)) {
            Some(failures) if failures.count >= MAX_FAILURES => failures.refusal(),
            _ => Ok(()),
        }
    }

    /// Counts a failed token. Returns an error if the peer had exceeded the limit before.
    pub(crate) fn count(&self, peer: Peer) -> Result<(), Problem> {
        let now = Instant::now();
        let network = peer.network();
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        peers.forget_old(now);
        let Peers { failures, order } = &mut *peers;
        let failures = failures.entry(network).or_insert_with(|| {
            order.push_back(network);
            Failures { count: 0, end: now + WINDOW }
        });
        failures.count = failures.count.saturating_add(1);
        if failures.count > MAX_FAILURES { failures.refusal() } else { Ok(()) }
    }
}

impl Peers {
    /// Forgets the peers whose time is over, and makes room for one more.
    fn forget_old(&mut self, now: Instant) {
        while let Some(first) = self.order.front() {
            let is_over = self.failures.get(first).is_none_or(|failures| failures.end <= now);
            if !is_over && self.order.len() < MAX_PEERS {
                return;
            }
            self.failures.remove(first);
            self.order.pop_front();
        }
    }
}

impl Failures {
    fn refusal(&self) -> Result<(), Problem> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        let detail = "too many tokens from this address were not valid";
        Err(Problem::new(ProblemKind::TooManyRequests, detail).retry_after(left.as_secs() + 1))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use axum::extract::ConnectInfo;
    use axum::http::Request;

    use super::*;
    use crate::access::peer::ProxyTrust;

    fn peer(number: u32) -> Peer {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.extensions.insert(ConnectInfo(SocketAddr::from((Ipv4Addr::from_bits(number), 1))));
        Peer::of(&parts, ProxyTrust::None)
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_is_refused_after_ten_failures_until_a_minute_is_over() {
        let failed = FailedTokens::default();
        for _ in 0..MAX_FAILURES {
            assert!(failed.check(peer(1)).is_ok());
            assert!(failed.count(peer(1)).is_ok());
        }
        assert_eq!(
            failed.check(peer(1)).map_err(|problem| problem.kind()),
            Err(ProblemKind::TooManyRequests)
        );
        assert!(failed.check(peer(2)).is_ok(), "another peer is refused");
        tokio::time::advance(WINDOW).await;
        assert!(failed.check(peer(1)).is_ok(), "the peer is refused after its time");
        assert!(failed.count(peer(1)).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn failures_from_many_addresses_use_limited_memory() {
        let failed = FailedTokens::default();
        for number in 0..10_000 {
            assert!(failed.count(peer(number)).is_ok());
        }
        let peers = failed.0.lock().expect("not poisoned");
        assert_eq!((peers.failures.len(), peers.order.len()), (MAX_PEERS, MAX_PEERS));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_without_an_address_do_not_lock_out_valid_tokens() {
        let failed = FailedTokens::default();
        let (parts, ()) = Request::new(()).into_parts();
        let unknown = Peer::of(&parts, ProxyTrust::None);
        let results: Vec<_> = (0..=MAX_FAILURES).map(|_| failed.count(unknown).is_ok()).collect();
        assert_eq!(results.last(), Some(&false), "the failures themselves are limited");
        assert!(failed.check(unknown).is_ok());
    }
}

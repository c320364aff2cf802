//! Listings that concurrent callers share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::foundation::error::{Error, ErrorKind, Result};

/// How long a caller waits for the listing of another caller. That caller may not be polled at present, so after this
/// time each waiting caller lists itself.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Runs one listing at a time, and shares its result with the callers that wait for it.
///
/// A caller never receives a listing that began before its call, because that listing may lack what was published in
/// the meantime. Therefore a caller waits for the end of the listing that runs, and for the next one.
#[derive(Debug)]
pub(super) struct SharedListing<T> {
    /// Held by the caller that lists.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    /// The number of listings that have begun.
    begun: u64,
    /// The number of callers that have no result yet.
    callers: usize,
    /// The number and the result of the last listing. It is kept only while there are callers.
    last: Option<(u64, Shared<T>)>,
}

/// The result of a listing for all callers that waited for it.
#[derive(Debug)]
enum Shared<T> {
    Listed(Arc<T>),
    Failed(Arc<Failure>),
}

/// An error that several callers receive.
#[derive(Debug)]
struct Failure {
    kind: ErrorKind,
    text: String,
    help: Option<String>,
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Listed(listing) => Self::Listed(Arc::clone(listing)),
            Self::Failed(failure) => Self::Failed(Arc::clone(failure)),
        }
    }
}

impl Failure {
    fn of(error: &Error) -> Self {
        let mut text = error.message().to_owned();
        let mut cause = std::error::Error::source(error);
        while let Some(source) = cause {
            let of_cause = source
                .downcast_ref::<Error>()
                .map_or_else(|| source.to_string(), |error| error.message().to_owned());
            text = format!("{text}: {of_cause}");
            cause = source.source();
        }
        Self { kind: error.kind(), text, help: error.help().map(str::to_owned) }
    }

    fn error(&self) -> Error {
        let error = Error::new(self.kind, self.text.clone());
        match &self.help {
            Some(help) => error.with_help(help.clone()),
            None => error,
        }
    }
}

impl<T> Default for SharedListing<T> {
    fn default() -> Self {
        let state = State { begun: 0, callers: 0, last: None };
        Self { turn: tokio::sync::Mutex::default(), state: Mutex::new(state) }
    }
}

impl<T> SharedListing<T> {
    /// Returns the result of a listing that began after this call.
    ///
    /// # Errors
    /// The errors of `list`. Callers that waited for a failed listing receive its kind, text and remedy.
    ///
    /// # Cancel safety
    /// The future can be dropped; the next caller lists then. While it is not polled, other callers wait for at most
    /// five seconds, and then list themselves.
    pub(super) async fn next<F: Future<Output = Result<T>>>(&self, list: impl Fn() -> F) -> Result<Arc<T>> {
        let caller = Caller::new(self);
        let Ok(_turn) = tokio::time::timeout(MAX_WAIT, self.turn.lock()).await else {
            return list().await.map(Arc::new);
        };
        let last = self.state().last.as_ref().filter(|(number, _)| *number > caller.arrived).cloned();
        match last {
            Some((_, Shared::Listed(listing))) => Ok(listing),
            Some((_, Shared::Failed(failure))) => Err(failure.error()),
            None => {
                let number = {
                    let mut state = self.state();
                    state.begun += 1;
                    state.begun
                };
                let listed = list().await.map(Arc::new);
                let shared = match &listed {
                    Ok(listing) => Shared::Listed(Arc::clone(listing)),
                    Err(error) => Shared::Failed(Arc::new(Failure::of(error))),
                };
                self.state().last = Some((number, shared));
                listed
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A caller that has no result yet.
struct Caller<'a, T> {
    shared: &'a SharedListing<T>,
    /// The number of listings that had begun when the caller arrived.
    arrived: u64,
}

impl<'a, T> Caller<'a, T> {
    fn new(shared: &'a SharedListing<T>) -> Self {
        let mut state = shared.state();
        state.callers += 1;
        Self { shared, arrived: state.begun }
    }
}

impl<T> Drop for Caller<'_, T> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.callers -= 1;
        if state.callers == 0 {
            state.last = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use futures::FutureExt as _;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::foundation::error::{Error, ErrorKind};

    /// A source whose listings each wait for a permission, and return their number.
    struct Source {
        shared: SharedListing<u64>,
        begun: AtomicU64,
        permissions: Semaphore,
    }

    impl Source {
        fn new() -> Self {
            Self {
                shared: SharedListing::default(),
                begun: AtomicU64::new(0),
                permissions: Semaphore::new(0),
            }
        }

        async fn list(&self) -> Result<u64> {
            let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
            self.permissions.acquire().await.expect("the semaphore is open").forget();
            Ok(number)
        }

        async fn next(&self) -> u64 {
            *self.shared.next(|| self.list()).await.expect("the listing succeeds")
        }
    }

    #[tokio::test]
    async fn callers_during_a_listing_share_the_next_one_and_never_the_running_one() {
        let source = Source::new();
        let mut first = Box::pin(source.next());
        assert!(first.as_mut().now_or_never().is_none(), "the first listing runs");
        let mut others = Vec::from_iter((0..5).map(|_| Box::pin(source.next())));
        for other in &mut others {
            assert!(other.as_mut().now_or_never().is_none(), "the others wait");
        }
        source.permissions.add_permits(2);
        let (first, others) = futures::join!(first, futures::future::join_all(others));
        assert_eq!((first, others), (1, vec![2; 5]), "the others share the second listing");
        assert!(source.shared.state().last.is_none(), "the result is freed");
    }

    #[tokio::test]
    async fn a_dropped_caller_leaves_the_listing_to_the_next_one() {
        let source = Source::new();
        let mut first = Box::pin(source.next());
        assert!(first.as_mut().now_or_never().is_none(), "the first listing runs");
        let mut second = Box::pin(source.next());
        assert!(second.as_mut().now_or_never().is_none(), "the second caller waits");
        drop(first);
        source.permissions.add_permits(1);
        assert_eq!(second.await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_is_not_polled_blocks_no_other_caller() {
        let source = Source::new();
        let mut parked = Box::pin(source.next());
        assert!(parked.as_mut().now_or_never().is_none(), "the first listing runs");
        source.permissions.add_permits(2);
        // The time passes by itself, because nothing else can happen.
        assert_eq!(source.next().await, 2, "the caller lists itself");
        assert_eq!(parked.await, 1);
    }

    #[tokio::test]
    async fn every_caller_receives_the_error_of_a_listing() {
        let (shared, begun) = (SharedListing::<u64>::default(), AtomicU64::new(0));
        let fail = || async {
            begun.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Err(Error::new(ErrorKind::Storage, "the store is gone").with_help("start it"))
        };
        let results = futures::future::join_all((0..5).map(|_| shared.next(fail))).await;
        for result in &results {
            let error = result.as_ref().expect_err("the store is gone");
            assert_eq!(
                (error.kind(), error.message(), error.help()),
                (ErrorKind::Storage, "the store is gone", Some("start it"))
            );
        }
        assert_eq!(begun.load(Ordering::SeqCst), 2, "a failing store is listed by one caller at a time");
        assert!(shared.state().last.is_none(), "nothing is kept");
    }
}

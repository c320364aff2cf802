//! Listings that concurrent callers share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::foundation::error::Result;

/// Runs at most one listing at a time, and shares its result with the callers that wait for it.
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
    /// The number and the result of the last listing; no result if it failed. It is kept only while there are callers.
    last: Option<(u64, Option<Arc<T>>)>,
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
    /// The errors of `list`. Callers that waited for a failed listing list themselves, because an error has only one
    /// receiver.
    ///
    /// # Cancel safety
    /// The future can be dropped; the next caller lists then.
    pub(super) async fn next<F: Future<Output = Result<T>>>(&self, list: impl Fn() -> F) -> Result<Arc<T>> {
        let caller = Caller::new(self);
        let turn = self.turn.lock().await;
        let last = self.state().last.as_ref().filter(|(number, _)| *number > caller.arrived).cloned();
        match last {
            Some((_, Some(listing))) => Ok(listing),
            // Waiting callers fail at the same time, and not one after the other.
            Some((_, None)) => {
                drop(turn);
                list().await.map(Arc::new)
            }
            None => {
                let number = {
                    let mut state = self.state();
                    state.begun += 1;
                    state.begun
                };
                let listed = list().await.map(Arc::new);
                self.state().last = Some((number, listed.as_ref().ok().cloned()));
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

    #[tokio::test]
    async fn every_caller_receives_the_error_of_a_listing() {
        let shared = SharedListing::<u64>::default();
        let fail = || async {
            tokio::task::yield_now().await;
            Err(Error::new(ErrorKind::Storage, "the store is gone"))
        };
        let results = futures::future::join_all((0..3).map(|_| shared.next(fail))).await;
        assert!(results.iter().all(Result::is_err), "{results:?}");
        assert!(shared.state().last.is_none(), "nothing is kept");
    }
}

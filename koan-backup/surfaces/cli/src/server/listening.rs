//! The listener: it accepts connections until the server stops.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use koan_backup_core::{Error, ErrorKind, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::connection;
use crate::output::Output;

/// How long the end of the server waits for responses that are being sent.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);
/// The pause after the system could not accept a connection, for example because too many files are open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The limits of connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerLimits {
    /// How many connections are served at the same time. Others wait until one ends.
    pub(crate) connections: usize,
    /// How long a client may take to send the head of a request, and to accept a part of a response.
    pub(crate) client_timeout: Duration,
}

/// A server that listens.
#[derive(Debug)]
pub(crate) struct Server {
    listener: TcpListener,
    limits: ServerLimits,
    output: Output,
}

impl Server {
    /// Listens on an address.
    ///
    /// # Errors
    /// The address is not one of this machine, or another process listens on it.
    pub(crate) async fn listen(address: SocketAddr, limits: ServerLimits, output: Output) -> Result<Self> {
        let listener = TcpListener::bind(address).await.map_err(|source| {
            let text = format!("the server cannot listen on {address}");
            Error::with_source(ErrorKind::Configuration, text, source)
                .with_help("end the process that listens there, or select another address or port")
        })?;
        Ok(Self { listener, limits, output })
    }

    /// Returns the address, with the port that the system has chosen if none was selected.
    ///
    /// # Errors
    /// The system does not return it.
    pub(crate) fn address(&self) -> Result<SocketAddr> {
        self.listener.local_addr().map_err(|source| {
            Error::with_source(ErrorKind::Internal, "the address of the server is not known", source)
        })
    }

    /// Serves requests until `stop` ends, and then waits until the current responses are sent.
    pub(crate) async fn serve<T>(self, router: Router, stop: impl Future<Output = T>) -> T {
        let Self { listener, limits, output } = self;
        let places = Arc::new(Semaphore::new(limits.connections));
        let (closing, mut connections) = (CancellationToken::new(), JoinSet::new());
        let mut stop = pin!(stop);
        let stopped = loop {
            tokio::select! {
                biased;
                stopped = stop.as_mut() => break stopped,
                Some(_) = connections.join_next() => {}
                (stream, peer, place) = accept(&listener, &places, &output) => {
                    let (router, closing) = (router.clone(), closing.clone());
                    connections.spawn(async move {
                        connection::serve(stream, peer, router, limits.client_timeout, closing).await;
                        drop(place);
                    });
                }
            }
        };
        drop(listener);
        closing.cancel();
        let all_ended = async { while connections.join_next().await.is_some() {} };
        if timeout(CLOSE_LIMIT, all_ended).await.is_err() {
            output.warning("some clients had not received the whole response when the server ended");
        }
        stopped
    }
}

/// Waits for a place and for a connection.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    output: &Output,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    // The semaphore is never closed.
    let place = loop {
        if let Ok(place) = Arc::clone(places).acquire_owned().await {
            break place;
        }
    };
    let mut is_reported = false;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, place),
            Err(error) if is_of_connection(&error) => {}
            Err(error) => {
                if !std::mem::replace(&mut is_reported, true) {
                    output.warning(&format!("a connection cannot be accepted, and is tried again: {error}"));
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Returns whether an error belongs to the connection that was to be accepted.
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

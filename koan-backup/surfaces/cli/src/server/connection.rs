//! One connection.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use super::stall_limit::StallLimit;

/// The maximum size of the head of a request, and of the buffer of a connection.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Serves the requests of a connection until it ends, or until `closing` is cancelled and the current response is sent.
pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    client_timeout: Duration,
    closing: CancellationToken,
) {
    // A response is not delayed until more of it is there, for example an event.
    stream.set_nodelay(true).ok();
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().call(request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(client_timeout).max_buf_size(MAX_HEAD_BYTES);
    let io = TokioIo::new(StallLimit::new(stream, client_timeout));
    let mut connection = pin!(builder.serve_connection(io, service));
    // Clients end connections at any time, and a request that is not valid was answered, so an error needs no report.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await.ok();
        }
    }
}

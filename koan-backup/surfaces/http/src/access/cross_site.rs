//! Checks against requests that another site makes a browser send.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use axum::http::request::Parts;
use axum::http::{HeaderMap, Request, Response};
use tower::{Layer as _, Service};
use tower_http::csrf::{CsrfLayer, ProtectionError};

use crate::problem::{Problem, ProblemKind};

/// Returns an error if a request that changes something comes from another site, as the CSRF layer of `tower-http`
/// decides by `Sec-Fetch-Site`, `Origin` and `Host`. The layer lets every GET pass.
pub(crate) async fn check_change(parts: &Parts) -> Result<(), Problem> {
    let mut request = Request::new(());
    request.method_mut().clone_from(&parts.method);
    request.uri_mut().clone_from(&parts.uri);
    request.headers_mut().clone_from(&parts.headers);
    let refused = |_: ProtectionError| Response::new(Verdict::Refused);
    let mut service = CsrfLayer::new().with_rejection_response(refused).layer(Verdicts);
    let Ok(response) = service.call(request).await;
    match response.into_body() {
        Verdict::Accepted => Ok(()),
        Verdict::Refused => Err(other_site()),
    }
}

/// Returns an error if a GET that changes something was sent by a page of another site, or to load a page before a
/// person visits it.
pub(crate) fn same_site_get(headers: &HeaderMap) -> Result<(), Problem> {
    let is_prefetch = ["sec-purpose", "purpose", "x-purpose", "x-moz"]
        .iter()
        .flat_map(|name| headers.get_all(*name))
        .any(|value| !value.as_bytes().trim_ascii().is_empty());
    if is_prefetch {
        let detail = "the browser loads the page before a person visits it, and this page changes something";
        return Err(Problem::new(ProblemKind::Forbidden, detail).with_help("open the page, or send a POST"));
    }
    let sites = headers.get_all("sec-fetch-site");
    if sites.iter().all(|site| matches!(site.as_bytes(), b"same-origin" | b"none")) {
        return Ok(());
    }
    Err(other_site())
}

fn other_site() -> Problem {
    tracing::warn!(target: "koan::backup::access", "a request of another site was refused");
    Problem::new(ProblemKind::Forbidden, "a page of another site sent the request")
        .with_help("send it from the page of this server, or with a token in the header `Authorization`")
}

/// What the layer decides.
enum Verdict {
    Accepted,
    Refused,
}

/// The service below the layer, which only requests reach that the layer accepts.
#[derive(Clone)]
struct Verdicts;

impl Service<Request<()>> for Verdicts {
    type Response = Response<Verdict>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Verdict>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(Verdict::Accepted)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(method: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request =
            Request::builder().method(method).uri("/backup/create").header("host", "shop.example");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a valid request").into_parts().0
    }

    #[tokio::test]
    async fn a_change_that_another_site_sends_is_refused() {
        let refused: [&[(&str, &str)]; 7] = [
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site"), ("origin", "https://other.shop.example")],
            &[("sec-fetch-site", "Same-Origin")],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
            &[("origin", "https://shop.example.evil.example")],
            &[("origin", "https://shop.example:8443")],
        ];
        for headers in refused {
            for method in ["POST", "PUT", "PATCH", "DELETE"] {
                assert!(
                    check_change(&parts(method, headers)).await.is_err(),
                    "{method} {headers:?} is accepted"
                );
            }
        }
        let accepted: [&[(&str, &str)]; 4] = [
            &[],
            &[("sec-fetch-site", "same-origin"), ("origin", "null")],
            &[("sec-fetch-site", "none")],
            &[("origin", "https://shop.example")],
        ];
        for headers in accepted {
            assert!(check_change(&parts("POST", headers)).await.is_ok(), "{headers:?} is refused");
        }
    }

    #[test]
    fn a_get_that_changes_something_is_refused_from_another_site_and_as_prefetch() {
        let refused: [&[(&str, &str)]; 7] = [
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "")],
            &[("sec-purpose", "prefetch;prerender")],
            &[("purpose", "prefetch")],
            &[("x-moz", "prefetch")],
        ];
        for headers in refused {
            assert!(same_site_get(&parts("GET", headers).headers).is_err(), "{headers:?} is accepted");
        }
        let accepted: [&[(&str, &str)]; 3] =
            [&[], &[("sec-fetch-site", "same-origin")], &[("sec-fetch-site", "none")]];
        for headers in accepted {
            assert!(same_site_get(&parts("GET", headers).headers).is_ok(), "{headers:?} is refused");
        }
    }
}

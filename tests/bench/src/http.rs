//! Measures the HTTP API with many backups under `wrk`, beside a handler that answers the same bytes from memory.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::routing::get;
use koan_backup::http::{HttpOptions, Role, Tokens, router};
use koan_backup::prelude::*;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::measured::run;
use crate::table::{Table, count};
use crate::{Result, orders, work};

/// The number of backups.
const BACKUPS: u32 = 10_000;
/// The token of the caller.
const TOKEN: &str = "koan_bench-bench-bench-bench-bench-bench-bench";
/// The numbers of connections of `wrk`.
const CONNECTIONS: [u32; 2] = [1, 16];

/// Measures the routes.
pub(crate) fn measure(table: &mut Table) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let folder = tempfile::tempdir()?;
    runtime.block_on(async {
        orders::load(&folder.path().join(work::DATABASE), 0.001)?;
        let newest = store(folder.path()).await?;
        let address = serve_api(folder.path()).await?;
        let paths = [
            "/api/backup/manifests?pageSize=50".to_owned(),
            "/api/backup/manifests?pageSize=50&page=200".to_owned(),
            format!("/api/backup/manifests/{newest}"),
            "/api/backup/manifests/orders".to_owned(),
            format!("/backup/Order/{newest}/info"),
            "/backup/Order/latest/info".to_owned(),
            "/api/backup/status".to_owned(),
            "/ui".to_owned(),
            "/ui/backups".to_owned(),
            format!("/ui/backups/{newest}"),
        ];
        let mut bodies = Vec::new();
        for path in &paths {
            bodies.push(body(address, path).await?);
        }
        let peer = serve_bytes(bodies.clone()).await?;
        table.heading(&format!("HTTP API, {} backups", count(BACKUPS.into())));
        for connections in CONNECTIONS {
            for (index, path) in paths.iter().enumerate() {
                let ours = wrk(address, path, connections, 5).await?;
                let peer = wrk(peer, &format!("/{index}"), connections, 2).await?;
                let path = path.replace(&newest, "{id}");
                let bytes = bodies[index].len();
                let label = format!("GET {path} ({bytes} bytes), connections: {connections}, p50");
                table.row(&label, &millis(ours.p50), &millis(peer.p50), &ratio(ours.p50, peer.p50), "");
                table.row("  p99", &millis(ours.p99), &millis(peer.p99), &ratio(ours.p99, peer.p99), "");
                let rate = |measured: Latencies| format!("{:.0}/s", measured.requests_per_second);
                table.row("  requests", &rate(ours), &rate(peer), "", "");
            }
        }
        let manifests = folder.path().join(work::STORAGE).join("manifests");
        let (_, found) = run(Command::new("find").arg(manifests).args(["-printf", "%s %T@ %i %p\\n"]))?;
        table.row("`find -printf` of the manifests", "", &millis(found.wall.as_secs_f64() * 1e3), "", "");
        Ok(())
    })
}

/// Makes one backup, verifies it, and adds copies of its manifest, its archive and its record of the verification
/// with other ids and times. Returns the id of the newest backup.
async fn store(folder: &Path) -> Result<String> {
    let storage = folder.join(work::STORAGE);
    let koan = orders::context(folder)?.storage(Storage::local(&storage)?).build().await?;
    let report = koan.backup("orders").tags(["nightly"]).verify_after().await?;
    let original = serde_json::to_value(report.manifest())?;
    let id = report.manifest().id.to_string();
    let record = fs::read(storage.join(format!("verifications/{id}.json")))?;
    let archive = original["archive"]["file"].as_str().ok_or("the backup has no archive")?.to_owned();
    let newest = report.manifest().created_at;
    for number in 1..BACKUPS {
        let copy = format!("01990000-0000-7000-8000-{number:012x}");
        let file = archive.replace(&id[id.len() - 8..], &copy[copy.len() - 8..]);
        let at = newest - std::time::Duration::from_secs(u64::from(number) * 3600);
        let mut manifest = original.clone();
        manifest["id"] = copy.clone().into();
        manifest["createdAt"] = at.to_string().into();
        manifest["completedAt"] = at.to_string().into();
        manifest["archive"]["file"] = file.clone().into();
        fs::hard_link(storage.join(&archive), storage.join(&file))?;
        fs::write(storage.join(format!("verifications/{copy}.json")), &record)?;
        fs::write(storage.join(format!("manifests/{copy}.json")), manifest.to_string())?;
    }
    Ok(id)
}

/// Serves the API and returns its address.
async fn serve_api(folder: &Path) -> Result<SocketAddr> {
    let koan = orders::context(folder)?
        .storage(Storage::local(folder.join(work::STORAGE))?)
        .state_directory(folder.join("server"))
        .build()
        .await?;
    let hash: String = Sha256::digest(TOKEN).iter().map(|byte| format!("{byte:02x}")).collect();
    let tokens = Tokens::new().token("bench", Role::Viewer, &hash)?;
    let api = router(koan, HttpOptions::new().tokens(tokens)).await?;
    serve(api.router()).await
}

/// Serves these bodies at `/0`, `/1` and so on, and returns the address.
async fn serve_bytes(bodies: Vec<Bytes>) -> Result<SocketAddr> {
    let bodies = bodies.into_iter().enumerate().fold(Router::new(), |router, (index, body)| {
        let answer = move || std::future::ready(([(header::CONTENT_TYPE, "application/json")], body.clone()));
        router.route(&format!("/{index}"), get(answer))
    });
    serve(bodies).await
}

async fn serve(router: Router) -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    // The server ends with the runtime.
    drop(tokio::spawn(async move { axum::serve(listener, service).await }));
    Ok(address)
}

/// Returns the body of a successful response.
async fn body(address: SocketAddr, path: &str) -> Result<Bytes> {
    let mut connection = TcpStream::connect(address).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    connection.read_to_end(&mut response).await?;
    let response = Bytes::from(response);
    let separator = b"\r\n\r\n";
    let head = response.windows(separator.len()).position(|window| window == separator);
    match head.filter(|_| response.starts_with(b"HTTP/1.1 200")) {
        Some(head) => Ok(response.slice(head + separator.len()..)),
        None => Err(format!("{path} was answered with {}", String::from_utf8_lossy(&response)).into()),
    }
}

/// What `wrk` measured, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Latencies {
    p50: f64,
    p99: f64,
    requests_per_second: f64,
}

/// Runs `wrk` for some seconds.
async fn wrk(address: SocketAddr, path: &str, connections: u32, seconds: u32) -> Result<Latencies> {
    let arguments = [
        "--latency".to_owned(),
        "-t1".to_owned(),
        "--timeout".to_owned(),
        "60s".to_owned(),
        format!("-c{connections}"),
        format!("-d{seconds}s"),
        "-H".to_owned(),
        format!("Authorization: Bearer {TOKEN}"),
        format!("http://{address}{path}"),
    ];
    let work = move || run(Command::new("wrk").args(arguments)).map_err(|error| error.to_string());
    let (output, _) = tokio::task::spawn_blocking(work).await??;
    let text = String::from_utf8(output.stdout)?;
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        return Err(format!("{path} was not always answered: {text}").into());
    }
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.trim().strip_prefix(name).map(str::trim))
            .ok_or_else(|| format!("wrk did not report `{name}`: {text}"))
    };
    Ok(Latencies {
        p50: parse_millis(field("50%")?)?,
        p99: parse_millis(field("99%")?)?,
        requests_per_second: field("Requests/sec:")?.parse()?,
    })
}

/// Parses a duration of `wrk`, such as `1.20ms`.
fn parse_millis(text: &str) -> Result<f64> {
    let units = [("us", 1e-3), ("ms", 1.0), ("s", 1e3)];
    let found = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)));
    let (number, factor) = found.ok_or_else(|| format!("wrk reported the unknown duration `{text}`"))?;
    Ok(number.parse::<f64>()? * factor)
}

fn millis(milliseconds: f64) -> String {
    format!("{milliseconds:.2} ms")
}

fn ratio(ours: f64, peer: f64) -> String {
    format!("{:.1} ×", ours / peer)
}

//! `serve`: the HTTP API, until the process is interrupted.

use clap::Args;
use koan_backup_core::provider::blocking;
use koan_backup_http::router;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output::OutputArgs;
use crate::server::{Server, ServerAccess, ServerDefaults, ServerFlags, ServerSettings};
use crate::session::Session;

/// The flags of `serve`.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    #[command(flatten)]
    flags: ServerFlags,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Where the server listens, and who may use it, in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listening {
    address: String,
    url: String,
    /// The file of tokens; null if there is none.
    tokens: Option<String>,
    /// The role of programs on this machine; null if there are tokens.
    role: Option<&'static str>,
}

impl ServeArgs {
    pub(crate) async fn run(&self, session: &Session<'_>, defaults: &ServerDefaults) -> Outcome<Exit> {
        self.flags.refuse_fixed(session)?;
        let settings = ServerSettings::new(&self.flags, &defaults.settings)?;
        let (listen, limits, public_path) = (settings.listen, settings.limits, settings.public_path.clone());
        let access = settings.access.clone();
        let options = blocking("reads the tokens of the server", move || settings.options()).await??;
        #[cfg(feature = "metrics")]
        let options = match &defaults.metrics {
            Some(metrics) => options.metrics(metrics.clone()),
            None => options,
        };
        let server = Server::listen(listen, limits, session.output.clone()).await?;
        let api = router(session.koan.clone(), options).await?;
        let (path, routes) = (public_path.trim_end_matches('/'), api.server());
        let address = server.address()?.to_string();
        let listening = Listening { url: format!("http://{address}{path}"), address, ..of_access(&access) };
        report(session, &listening, &access);
        let interrupted = session.cancel();
        let stopped = server
            .serve(routes, async {
                interrupted.cancelled().await;
                let stopped = api.shutdown().await;
                session.koan.stop_background().await;
                stopped
            })
            .await;
        stopped?;
        Err(Failure::interrupted())
    }
}

fn of_access(access: &ServerAccess) -> Listening {
    let (tokens, role) = match access {
        ServerAccess::Tokens(path) => (Some(path.display().to_string()), None),
        ServerAccess::ThisMachine(role) => (None, Some(role.name())),
    };
    Listening { address: String::new(), url: String::new(), tokens, role }
}

/// Reports that the server can be used.
fn report(session: &Session<'_>, listening: &Listening, access: &ServerAccess) {
    if session.output.is_json() {
        session.output.message("listening", listening);
        return;
    }
    let callers = match access {
        ServerAccess::Tokens(path) => format!("callers need a token of {}", path.display()),
        ServerAccess::ThisMachine(role) => {
            format!("programs on this machine need no token and have the role {role}")
        }
    };
    session.output.note(format!(
        "listening on {}; {callers}; a browser shows the web page; Ctrl-C stops the server",
        listening.url
    ));
}

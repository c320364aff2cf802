//! PostgreSQL servers for tests. Each server is started on a free port with its own data directory, and is
//! stopped when its value is dropped.

mod installed;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use installed::binaries;
pub use installed::{VERSIONS, installed_versions};

/// The query that replaces `pg_dump` in [`Server::schema`] if `pg_dump` is not installed.
const CATALOGS: &str = "
    SELECT 'index', pg_get_indexdef(indexrelid), indisvalid, indisclustered, indisreplident,
        obj_description(indexrelid, 'pg_class') FROM pg_index JOIN pg_class c ON c.oid = indrelid
        WHERE c.relnamespace = 'public'::regnamespace ORDER BY 2;
    SELECT 'constraint', conrelid::regclass::text, conname, convalidated, condeferrable, pg_get_constraintdef(oid),
        obj_description(oid, 'pg_constraint') FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace ORDER BY 2, 3;
    SELECT 'trigger', tgrelid::regclass::text, tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 2, 3;
    SELECT 'column', attrelid::regclass::text, attname, atttypid::regtype, attnotnull, attidentity, attgenerated
        FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
        WHERE relnamespace = 'public'::regnamespace AND attnum > 0 ORDER BY 2, 3;";

/// A PostgreSQL server.
#[derive(Debug)]
pub struct Server {
    binaries: PathBuf,
    data: PathBuf,
    port: u16,
    settings: Vec<String>,
    /// The environment variables of the server.
    environment: Vec<(String, PathBuf)>,
    postmaster: Option<Child>,
    directory: Option<tempfile::TempDir>,
}

impl Server {
    /// Starts a server of PostgreSQL 15 with an empty database `test`.
    pub fn start() -> Self {
        Self::of_version(15)
    }

    /// Starts a server of a version.
    pub fn of_version(version: u32) -> Self {
        Self::with_settings(version, &["fsync=off"])
    }

    /// Starts a server of a version with these settings, each of which is `name=value`.
    pub fn with_settings(version: u32, settings: &[&str]) -> Self {
        Self::with_environment(version, settings, &[])
    }

    /// Starts a server of a version with these settings and environment variables.
    pub fn with_environment(version: u32, settings: &[&str], environment: &[(&str, &Path)]) -> Self {
        let binaries = binaries(version);
        let directory = folder();
        let data = directory.path().join("data");
        // The cluster is created once and then copied: `initdb` takes about a second, a copy takes some
        // hundredths of a second.
        as_postgres(Command::new("cp").arg("-a").arg(template(version, &binaries)).arg(&data));
        let mut server = Self {
            binaries,
            data,
            port: 0,
            settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
            environment: environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.to_path_buf()))
                .collect(),
            postmaster: None,
            directory: Some(directory),
        };
        server.up();
        server.psql("postgres", "CREATE DATABASE test");
        server
    }

    /// Starts a standby of this server, and waits until it has caught up.
    pub fn standby(&self, settings: &[&str]) -> Self {
        let directory = folder();
        let data = directory.path().join("data");
        let mut base_backup = Command::new(self.binaries.join("pg_basebackup"));
        base_backup.args([
            "-h",
            "127.0.0.1",
            "-U",
            "postgres",
            "-c",
            "fast",
            "-R",
            "-X",
            "stream",
            "-p",
            &self.port.to_string(),
        ]);
        as_postgres(base_backup.arg("-D").arg(&data));
        let mut standby = Self {
            binaries: self.binaries.clone(),
            data,
            port: 0,
            settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
            environment: Vec::new(),
            postmaster: None,
            directory: Some(directory),
        };
        standby.up();
        standby
    }

    /// Starts the server on a free port. The server must not be running.
    pub fn up(&mut self) {
        for _ in 0..5 {
            self.port = TcpListener::bind("127.0.0.1:0")
                .and_then(|listener| listener.local_addr())
                .expect("a free port")
                .port();
            let mut command = Command::new("setpriv");
            command.envs(self.environment.iter().map(|(name, value)| (name, value)));
            if let Some((user, group)) = postgres_ids() {
                command.args([format!("--reuid={user}"), format!("--regid={group}")]).arg("--clear-groups");
            }
            // The server ends if the test is killed.
            command.args(["--pdeathsig", "QUIT"]).arg(self.binaries.join("postgres"));
            command.arg("-D").arg(&self.data).arg("-k").arg(&self.data).args(["-p", &self.port.to_string()]);
            command.args(["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=60"]);
            // Autovacuum locks tables at unpredictable times.
            command.args(["-c", "autovacuum=off"]);
            for setting in &self.settings {
                command.args(["-c", setting]);
            }
            let directory = self.directory.as_ref().expect("a server has a directory").path();
            let log = fs::File::create(directory.join("log")).expect("a log");
            command.stdout(log.try_clone().expect("a log")).stderr(log).stdin(Stdio::null());
            let mut child = command.spawn().expect("`setpriv` of util-linux is installed");
            let started = Instant::now();
            while started.elapsed() < crate::wait::HANG_TIMEOUT
                && child.try_wait().expect("the status of the server process is available").is_none()
            {
                let ready = self.psql_command("postgres", "SELECT 1").output().expect("`psql` is installed");
                if ready.status.success() {
                    self.postmaster = Some(child);
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        let log = self.directory.as_ref().map(|directory| fs::read_to_string(directory.path().join("log")));
        panic!("PostgreSQL did not start; its log: {log:?}");
    }

    /// Kills all processes of the server without a shutdown, as a loss of power does.
    pub fn kill(&mut self) {
        if let Some(mut postmaster) = self.postmaster.take() {
            let children = Command::new("pgrep").args(["-P", &postmaster.id().to_string()]).output();
            let children =
                children.map(|found| String::from_utf8_lossy(&found.stdout).into_owned()).unwrap_or_default();
            let _ = postmaster.kill();
            for child in children.split_ascii_whitespace() {
                let _ = Command::new("kill").args(["-9", child]).status();
            }
            let _ = postmaster.wait();
        }
    }

    /// Returns the connection URL of the database `test` for a superuser.
    pub fn address(&self) -> String {
        self.address_of("postgres", "test")
    }

    /// Returns the connection URL of a database for a role.
    pub fn address_of(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Runs SQL in the database `test`, and returns its output: a line for each row, with columns separated
    /// by `|`.
    pub fn sql(&self, sql: &str) -> String {
        self.psql("test", sql)
    }

    /// Runs SQL in a database, and returns its output.
    pub fn psql(&self, database: &str, sql: &str) -> String {
        let output = self.psql_command(database, sql).output().expect("`psql` is installed");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{sql}\n{error}");
        String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
    }

    /// Runs a file of SQL in the database `test`.
    pub fn run_file(&self, path: &Path) {
        let mut command = self.psql_command("test", "");
        let output = command.arg("-f").arg(path).output().expect("`psql` is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Waits until every session of a backup or restore has ended and has released its locks. A client closes
    /// its connection when it is dropped; the server ends the session a short time later.
    pub fn until_sessions_ended(&self) {
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'koan-backup'";
        crate::wait::until_blocking("all sessions of koan-backup have ended", || self.sql(sessions) == "0");
    }

    /// Starts SQL without waiting for its end.
    pub fn spawn_sql(&self, sql: &str) -> Child {
        self.psql_command("test", sql)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("`psql` is installed")
    }

    /// Returns the schema as `pg_dump` writes it. If `pg_dump` is not installed, it returns what the catalogs
    /// contain about the objects that a restore suspends.
    pub fn schema(&self) -> String {
        if !self.binaries.join("pg_dump").is_file() {
            return self.sql(CATALOGS);
        }
        let mut dump = Command::new(self.binaries.join("pg_dump"));
        dump.args([
            "--schema-only",
            "-h",
            "127.0.0.1",
            "-U",
            "postgres",
            "-p",
            &self.port.to_string(),
            "test",
        ]);
        let output = dump.output().expect("`pg_dump` is executable");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        // Newer releases of `pg_dump` write a random word at the beginning and at the end of each dump.
        text.lines().filter(|line| !line.starts_with('\\')).collect::<Vec<_>>().join("\n")
    }

    fn psql_command(&self, database: &str, sql: &str) -> Command {
        let psql_of_version = self.binaries.join("psql");
        // A package that contains only the server has no `psql`. The `psql` of any version works.
        let psql =
            if psql_of_version.is_file() { psql_of_version } else { binaries(VERSIONS[0]).join("psql") };
        let mut command = Command::new(psql);
        command.args(["-h", "127.0.0.1", "-U", "postgres", "-p", &self.port.to_string(), "-d", database]);
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        if !sql.is_empty() {
            command.args(["-c", sql]);
        }
        command.env("PGCONNECT_TIMEOUT", "60").env("PGOPTIONS", "-c client_min_messages=warning");
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut postmaster) = self.postmaster.take() {
            // The server ends without a clean shutdown, because its data are no longer needed.
            let _ = Command::new("kill").args(["-QUIT", &postmaster.id().to_string()]).status();
            let _ = postmaster.wait();
        }
    }
}

/// Returns the data directory of a new cluster, which is only used as the source of copies.
fn template(version: u32, binaries: &Path) -> PathBuf {
    let template = std::env::temp_dir().join(format!("koan-backup-postgres-{version}"));
    if template.join("PG_VERSION").is_file() {
        return template;
    }
    let temporary = folder();
    let data = temporary.path().join("data");
    let mut initdb = Command::new(binaries.join("initdb"));
    initdb.arg("-D").arg(&data).args([
        "-A",
        "trust",
        "-U",
        "postgres",
        "--no-sync",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
    ]);
    as_postgres(&mut initdb);
    // If two processes create the template at the same time, only the first rename succeeds, and both
    // processes use that cluster.
    if fs::rename(&data, &template).is_err() && !template.join("PG_VERSION").is_file() {
        panic!("the template cluster {} cannot be created", template.display());
    }
    template
}

/// Creates a folder that belongs to the user who runs the server.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("koan-postgres-").tempdir().expect("a directory");
    if let Some((user, group)) = postgres_ids() {
        std::os::unix::fs::chown(folder.path(), Some(user), Some(group))
            .expect("root may change the owner of the folder");
    }
    folder
}

/// Returns the user id and group id that run the server if root runs the tests, because PostgreSQL refuses to
/// run as root.
fn postgres_ids() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    match (id(&["-u", "postgres"]), id(&["-g", "postgres"])) {
        (Some(user), Some(group)) => Some((user, group)),
        _ => panic!("there is no user `postgres` to run PostgreSQL: run tests/setup"),
    }
}

/// Runs a command as the user who runs the server, and requires that it succeeds.
fn as_postgres(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    if let Some((user, group)) = postgres_ids() {
        command.uid(user).gid(group);
    }
    let output = command.current_dir("/").stdin(Stdio::null()).output().expect("the program starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

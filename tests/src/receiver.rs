//! An HTTP server that records the requests of notifications.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A request that was received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The method and the path with its parameters, for example `POST /ping?rid=1`.
    pub target: String,
    /// The headers, with names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

/// The answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A status.
    Status(u16),
    /// A redirect to the path `/elsewhere` of the same server.
    Redirect,
    /// No answer, while the connection stays open.
    Silence,
}

/// An HTTP server on a free port. Its thread ends with the process.
#[derive(Clone, Debug)]
pub struct Receiver {
    address: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    requests: Vec<Request>,
    answers: VecDeque<Answer>,
    /// Connections without an answer, which stay open.
    silent: Vec<TcpStream>,
}

impl Receiver {
    /// Starts a server that gives these answers, and then answers with status 200.
    ///
    /// # Panics
    /// No port is free.
    pub fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let state =
            Arc::new(Mutex::new(State { answers: answers.into_iter().collect(), ..State::default() }));
        let receiver = Self { address, state };
        let served = receiver.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let served = served.clone();
                // A client that closes its connection ends its thread.
                std::thread::spawn(move || while served.serve(&connection).is_some() {});
            }
        });
        receiver
    }

    /// Returns an address of the server.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// Returns what was received so far.
    pub fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    /// Returns the methods and paths of what was received so far.
    pub fn targets(&self) -> Vec<String> {
        self.state().requests.iter().map(|request| request.target.clone()).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers the next request of a connection. Returns `None` if there is none.
    fn serve(&self, connection: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(connection);
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        let target = line.rsplit_once(" HTTP/").map(|(target, _)| target.to_owned())?;
        let mut request = Request { target, ..Request::default() };
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            request.headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
        let length = request.headers.get("content-length").and_then(|length| length.parse().ok());
        request.body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut request.body).ok()?;
        let answer = {
            let mut state = self.state();
            state.requests.push(request);
            state.answers.pop_front().unwrap_or(Answer::Status(200))
        };
        let (status, headers) = match answer {
            Answer::Status(status) => (status, String::new()),
            Answer::Redirect => (307, format!("location: {}\r\n", self.url("elsewhere"))),
            Answer::Silence => {
                self.state().silent.push(connection.try_clone().ok()?);
                return None;
            }
        };
        let mut connection = connection;
        write!(connection, "HTTP/1.1 {status} Answer\r\ncontent-length: 0\r\n{headers}\r\n").ok()
    }
}

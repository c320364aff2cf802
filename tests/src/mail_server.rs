//! A mail server that records messages.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// A message that was received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mail {
    /// The argument of `AUTH`, if the client authenticated.
    pub authentication: Option<String>,
    /// The receivers of the envelope.
    pub receivers: Vec<String>,
    /// The headers and the body.
    pub text: String,
}

/// A mail server without encryption on a free port. Its thread ends with the process.
#[derive(Clone, Debug)]
pub struct MailServer {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    mails: Vec<Mail>,
    /// The answers to the next messages, in place of acceptance.
    refusals: VecDeque<&'static str>,
    offered: usize,
}

impl MailServer {
    /// Starts a server that answers the first messages with these lines, such as `550 no such user`, and accepts the
    /// others.
    ///
    /// # Panics
    /// No port is free.
    pub fn refusing(refusals: impl IntoIterator<Item = &'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let state = State { refusals: refusals.into_iter().collect(), ..State::default() };
        let server = Self { port, state: Arc::new(Mutex::new(state)) };
        let served = server.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let served = served.clone();
                std::thread::spawn(move || served.converse(&connection));
            }
        });
        server
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the messages that were accepted.
    pub fn mails(&self) -> Vec<Mail> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).mails.clone()
    }

    /// Returns how many messages were offered, also those that were refused.
    pub fn offered(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).offered
    }

    fn converse(&self, connection: &TcpStream) -> Option<()> {
        let (mut reader, mut writer) = (BufReader::new(connection), connection);
        let mut answer = |text: &str| write!(writer, "{text}\r\n").ok();
        answer("220 localhost ready")?;
        let mut mail = Mail::default();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
            let line = line.trim_end();
            match line.split(' ').next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "EHLO" => answer("250-localhost\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 AUTH PLAIN")?,
                "AUTH" => {
                    mail.authentication = Some(line.to_owned());
                    answer("235 accepted")?;
                }
                "RCPT" => {
                    mail.receivers.push(line.to_owned());
                    answer("250 accepted")?;
                }
                "DATA" => {
                    answer("354 go on")?;
                    loop {
                        let mut line = String::new();
                        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
                        if line == ".\r\n" {
                            break;
                        }
                        mail.text.push_str(&line);
                    }
                    let refusal = {
                        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                        state.offered += 1;
                        let refusal = state.refusals.pop_front();
                        if refusal.is_none() {
                            state.mails.push(std::mem::take(&mut mail));
                        }
                        refusal
                    };
                    answer(refusal.unwrap_or("250 accepted"))?;
                }
                "QUIT" => return answer("221 bye"),
                _ => answer("250 accepted")?,
            }
        }
    }
}

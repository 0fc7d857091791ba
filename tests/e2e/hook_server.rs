//! A back end with hooks: an HTTP server that records its calls and answers them by a function.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

/// One call of a hook.
#[derive(Clone, Debug)]
pub struct Call {
    /// The path of the request, such as `/connect`.
    pub path: String,
    /// The header lines, in lower case.
    pub headers: Vec<String>,
    pub body: Value,
}

/// Returns status and body of the answer to a call.
type Answer = dyn Fn(&Call) -> (u16, Value) + Send + Sync;

/// A running back end. Its threads end with the process.
pub struct HookServer {
    pub port: u16,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl HookServer {
    pub fn start(answer: impl Fn(&Call) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let calls = Arc::<Mutex<Vec<Call>>>::default();
        let (answer, recorded): (Arc<Answer>, _) = (Arc::new(answer), Arc::clone(&calls));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answer, recorded) = (Arc::clone(&answer), Arc::clone(&recorded));
                thread::spawn(move || serve(&stream, &*answer, &recorded));
            }
        });
        Self { port, calls }
    }

    /// Returns the calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Returns the setting of a hook with this name.
    pub fn endpoint(&self, hook: &str) -> String {
        let port = self.port;
        format!("[hooks.{hook}]\nendpoint = \"http://127.0.0.1:{port}/{hook}\"\n")
    }
}

/// Answers the requests of one connection.
fn serve(stream: &TcpStream, answer: &Answer, calls: &Mutex<Vec<Call>>) {
    let mut reader = BufReader::new(stream);
    while let Some(call) = read_call(&mut reader) {
        calls.lock().unwrap().push(call.clone());
        let (status, body) = answer(&call);
        let body = body.to_string();
        let length = body.len();
        let response =
            format!("HTTP/1.1 {status} Status\r\nContent-Length: {length}\r\n\r\n{body}");
        if (&*stream).write_all(response.as_bytes()).is_err() {
            return;
        }
    }
}

/// Returns the next request; `None` if the connection ends.
fn read_call(reader: &mut BufReader<&TcpStream>) -> Option<Call> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let request = lines.remove(0);
    let path = request.strip_prefix("POST ").expect("every call is a POST");
    let path = path.split(' ').next()?.to_owned();
    let headers: Vec<_> = lines.iter().map(|line| line.to_lowercase()).collect();
    let length = |line: &String| line.strip_prefix("content-length: ")?.parse().ok();
    let length: usize = headers.iter().find_map(length).expect("a length");
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).expect("the body is JSON");
    Some(Call {
        path,
        headers,
        body,
    })
}

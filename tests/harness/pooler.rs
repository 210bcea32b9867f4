//! A pooler in transaction mode, as small as can be: each client gets a server connection for the
//! length of a transaction, the one that became free last.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// The port in the name of its socket.
const PORT: u16 = 6432;

/// A pooler that listens in a folder of its own, in front of the server in another one.
pub struct Pooler {
    /// Where its socket is.
    pub folder: PathBuf,
    pool: Pool,
}

#[derive(Clone)]
struct Pool {
    server: PathBuf,
    free: Arc<Mutex<Vec<UnixStream>>>,
    /// What the server said when the first connection began, up to the first `ReadyForQuery`.
    greeting: Arc<Mutex<Vec<u8>>>,
    clients: Arc<AtomicUsize>,
    questions: Arc<AtomicUsize>,
}

impl Pooler {
    /// How many clients there were, and how many times one of them waited for an answer.
    pub fn counted(&self) -> (usize, usize) {
        let read = |n: &AtomicUsize| n.load(Ordering::SeqCst);
        (read(&self.pool.clients), read(&self.pool.questions))
    }

    /// Its URL of `database`.
    pub fn url(&self, database: &str) -> String {
        let folder = self.folder.display();
        format!("postgresql:///{database}?host={folder}&port={PORT}&user=postgres")
    }

    /// Starts one in `folder`, in front of the server whose socket is in `server`.
    pub fn start(folder: &Path, server: &Path) -> Self {
        let listener = UnixListener::bind(folder.join(format!(".s.PGSQL.{PORT}"))).unwrap();
        let pool = Pool {
            server: server.join(".s.PGSQL.5432"),
            free: Arc::default(),
            greeting: Arc::default(),
            clients: Arc::default(),
            questions: Arc::default(),
        };
        let own = pool.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let pool = pool.clone();
                thread::spawn(move || pool.serve(client));
            }
        });
        Self {
            folder: folder.to_owned(),
            pool: own,
        }
    }
}

impl Pool {
    /// Serves a client until either side hangs up.
    fn serve(&self, mut client: UnixStream) -> Option<()> {
        let startup = untyped(&mut client)?;
        if startup.len() == 16 {
            return None; // a request to cancel
        }
        self.clients.fetch_add(1, Ordering::SeqCst);
        let first = self.connection(&startup)?;
        self.free.lock().unwrap().push(first);
        client.write_all(&self.greeting.lock().unwrap()).ok()?;
        let mut server: Option<UnixStream> = None;
        loop {
            let message = typed(&mut client)?;
            if message[0] == b'X' {
                // A client that leaves in the middle takes its server connection along.
                return None;
            }
            let mut used = match server.take() {
                Some(server) => server,
                None => self.connection(&startup)?,
            };
            used.write_all(&message).ok()?;
            if !matches!(message[0], b'Q' | b'S') {
                server = Some(used);
                continue;
            }
            self.questions.fetch_add(1, Ordering::SeqCst);
            loop {
                let answer = typed(&mut used)?;
                if answer[0] != b'Z' {
                    client.write_all(&answer).ok()?;
                    continue;
                }
                // Free before the client hears of it.
                if answer[5] == b'I' {
                    self.free.lock().unwrap().push(used);
                } else {
                    server = Some(used);
                }
                client.write_all(&answer).ok()?;
                break;
            }
        }
    }

    /// A free server connection, or a new one.
    fn connection(&self, startup: &[u8]) -> Option<UnixStream> {
        if let Some(free) = self.free.lock().unwrap().pop() {
            return Some(free);
        }
        let mut server = UnixStream::connect(&self.server).ok()?;
        server.write_all(startup).ok()?;
        let mut greeting = Vec::new();
        loop {
            let message = typed(&mut server)?;
            greeting.extend(&message);
            if message[0] == b'Z' {
                *self.greeting.lock().unwrap() = greeting;
                return Some(server);
            }
        }
    }
}

fn typed(stream: &mut UnixStream) -> Option<Vec<u8>> {
    let mut message = vec![0];
    stream.read_exact(&mut message).ok()?;
    message.extend(untyped(stream)?);
    Some(message)
}

fn untyped(stream: &mut UnixStream) -> Option<Vec<u8>> {
    let mut message = vec![0; 4];
    stream.read_exact(&mut message).ok()?;
    let length = u32::from_be_bytes(message[..4].try_into().unwrap()) as usize;
    message.resize(length, 0);
    stream.read_exact(&mut message[4..]).ok()?;
    Some(message)
}

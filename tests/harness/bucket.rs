//! A server that speaks as much of S3 as backups need, on a port that the system chooses. It is as
//! strict as the real one where that matters: conditions, checksums, parts, pages of a listing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::Sandbox;
use super::binary::{Output, Run};

/// Who may ask.
const KEY: &str = "operator";
/// A listing has more pages than one.
const PAGE: usize = 5;

/// The server, and what it holds.
pub struct Bucket {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    parts: Mutex<BTreeMap<String, BTreeMap<u32, Vec<u8>>>>,
    asked: Mutex<Vec<String>>,
    uploads: AtomicUsize,
    /// How many objects and parts are still taken; 0: as many as come.
    room: AtomicUsize,
    /// The answer to which of the next requests that write is lost; 0: to none.
    lost: AtomicUsize,
    /// What requests are refused: a part of method and key.
    denied: Mutex<Option<String>>,
    /// Nothing is answered any more.
    hangs: AtomicBool,
}

struct Request {
    method: String,
    key: String,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

type Answer = (u16, Vec<(&'static str, String)>, Vec<u8>);

impl Bucket {
    /// Starts one. It ends with the test's process.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let own = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&own);
                thread::spawn(move || state.serve(&client));
            }
        });
        Self { port, state }
    }

    /// A tool that keeps its backups here.
    pub fn tool(&self, sandbox: &Sandbox, tool: &str, args: &[&str]) -> Run {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        (sandbox.tool(tool).args(args))
            .args(&["--backups", "s3://kept/a/b"])
            .env("AWS_ENDPOINT_URL", endpoint)
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_REGION", "eu-north-1")
            .env("AWS_ACCESS_KEY_ID", KEY)
            .env("AWS_SECRET_ACCESS_KEY", "secretsecret")
    }

    /// Runs one.
    pub fn run(&self, sandbox: &Sandbox, tool: &str, args: &[&str]) -> Output {
        self.tool(sandbox, tool, args).run()
    }

    /// What it holds, by key.
    pub fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.state.objects.lock().unwrap()
    }

    /// Uploads in parts that were neither completed nor given up.
    pub fn unfinished(&self) -> usize {
        self.state.parts.lock().unwrap().len()
    }

    /// What was asked so far: method, key, and what matters of the rest.
    pub fn asked(&self) -> Vec<String> {
        self.state.asked.lock().unwrap().clone()
    }

    /// Takes only so many objects and parts more.
    pub fn take_only(&self, number: usize) {
        self.state.room.store(number + 1, Ordering::SeqCst);
    }

    /// Does what the next request but `number` that writes asks for, and answers nothing.
    pub fn lose_answer(&self, number: usize) {
        self.state.lost.store(number + 1, Ordering::SeqCst);
    }

    /// Refuses requests whose method and key hold `part`.
    pub fn deny(&self, part: Option<&str>) {
        *self.state.denied.lock().unwrap() = part.map(str::to_owned);
    }

    /// Answers nothing any more.
    pub fn hang(&self) {
        self.state.hangs.store(true, Ordering::SeqCst);
    }

    /// Takes everything again.
    pub fn take_all(&self) {
        self.state.room.store(0, Ordering::SeqCst);
    }
}

impl State {
    fn serve(&self, client: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(client);
        loop {
            let request = Request::read(&mut reader)?;
            while self.hangs.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(50));
            }
            let (status, headers, body) = self.answer(&request);
            let writes = matches!(request.method.as_str(), "PUT" | "POST");
            let lost = self.lost.load(Ordering::SeqCst);
            if writes && lost > 0 {
                self.lost.store(lost - 1, Ordering::SeqCst);
                if lost == 1 {
                    return None;
                }
            }
            let mut head = format!("HTTP/1.1 {status} -\r\n");
            for (name, value) in headers {
                write!(head, "{name}: {value}\r\n").unwrap();
            }
            if status != 204 && !head.contains("Content-Length") {
                write!(head, "Content-Length: {}\r\n", body.len()).unwrap();
            }
            // In one piece: a second one would wait until the first is acknowledged.
            let mut answer = format!("{head}\r\n").into_bytes();
            if request.method != "HEAD" {
                answer.extend_from_slice(&body);
            }
            let mut out = client;
            out.write_all(&answer).ok()?;
        }
    }

    fn answer(&self, request: &Request) -> Answer {
        let Request { method, key, .. } = request;
        let condition = request.header("if-none-match").unwrap_or("-");
        let part = request.query.get("partNumber").map_or("", String::as_str);
        let line = format!("{method} {key} {condition} {part}");
        self.asked.lock().unwrap().push(line.trim_end().to_owned());
        let signed = format!("AWS4-HMAC-SHA256 Credential={KEY}/");
        if !request
            .header("authorization")
            .is_some_and(|a| a.starts_with(&signed))
        {
            return fault(403, "AccessDenied");
        }
        let denied = self.denied.lock().unwrap().clone();
        if denied.is_some_and(|part| line.contains(&part)) {
            return fault(403, "AccessDenied");
        }
        let query = |name: &str| request.query.get(name);
        match (method.as_str(), query("uploadId")) {
            ("GET", _) if query("list-type").is_some() => self.list(request),
            ("GET" | "HEAD", _) => match self.objects.lock().unwrap().get(key) {
                None => fault(404, "NoSuchKey"),
                Some(bytes) => {
                    let mut headers = marks(bytes);
                    let range = request
                        .header("range")
                        .and_then(|r| r.strip_prefix("bytes="));
                    if let Some((from, to)) = range.and_then(|range| range.split_once('-')) {
                        let from: usize = from.parse().unwrap();
                        let to = to.parse().unwrap_or(bytes.len() - 1).min(bytes.len() - 1);
                        let part = format!("bytes {from}-{to}/{}", bytes.len());
                        headers.push(("Content-Range", part));
                        return (206, headers, bytes[from..=to].to_vec());
                    }
                    headers.push(("Content-Length", bytes.len().to_string()));
                    let body = if method == "GET" {
                        bytes.clone()
                    } else {
                        Vec::new()
                    };
                    (200, headers, body)
                }
            },
            ("POST", None) if query("uploads").is_some() => {
                let id = self.uploads.fetch_add(1, Ordering::SeqCst).to_string();
                self.parts
                    .lock()
                    .unwrap()
                    .insert(id.clone(), BTreeMap::new());
                xml(&format!(
                    "<InitiateMultipartUploadResult><Bucket>kept</Bucket><Key>{key}</Key>\
                     <UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
                ))
            }
            ("POST", Some(id)) => {
                let Some(parts) = self.parts.lock().unwrap().remove(id) else {
                    return fault(404, "NoSuchUpload");
                };
                let whole: Vec<u8> = parts.into_values().flatten().collect();
                let tag = tag(&whole);
                self.objects.lock().unwrap().insert(key.clone(), whole);
                xml(&format!(
                    "<CompleteMultipartUploadResult><Key>{key}</Key><ETag>{tag}</ETag>\
                     </CompleteMultipartUploadResult>"
                ))
            }
            ("PUT", id) => self.put(request, id),
            ("DELETE", Some(id)) => {
                self.parts.lock().unwrap().remove(id);
                (204, Vec::new(), Vec::new())
            }
            ("DELETE", None) => {
                self.objects.lock().unwrap().remove(key);
                (204, Vec::new(), Vec::new())
            }
            _ => fault(405, "MethodNotAllowed"),
        }
    }

    fn put(&self, request: &Request, upload: Option<&String>) -> Answer {
        let room = self.room.load(Ordering::SeqCst);
        if room == 1 {
            return fault(403, "QuotaExceeded");
        }
        if room > 1 {
            self.room.store(room - 1, Ordering::SeqCst);
        }
        let right = base64(&Sha256::digest(&request.body));
        match request.header("x-amz-checksum-sha256") {
            Some(sum) if sum == right => {}
            _ => return fault(400, "BadDigest"),
        }
        let headers = marks(&request.body);
        if let Some(id) = upload {
            let number: u32 = request.query["partNumber"].parse().unwrap();
            let mut uploads = self.parts.lock().unwrap();
            let Some(parts) = uploads.get_mut(id) else {
                return fault(404, "NoSuchUpload");
            };
            parts.insert(number, request.body.clone());
            return (200, headers, Vec::new());
        }
        let mut objects = self.objects.lock().unwrap();
        if request.header("if-none-match") == Some("*") && objects.contains_key(&request.key) {
            return fault(412, "PreconditionFailed");
        }
        objects.insert(request.key.clone(), request.body.clone());
        (200, headers, Vec::new())
    }

    fn list(&self, request: &Request) -> Answer {
        let query = |name: &str| request.query.get(name).map_or("", String::as_str);
        let (prefix, delimiter) = (query("prefix"), query("delimiter"));
        let after = query("continuation-token");
        let objects = self.objects.lock().unwrap();
        let mut lines: BTreeMap<String, String> = BTreeMap::new();
        for (key, bytes) in objects.iter().filter(|(key, _)| key.starts_with(prefix)) {
            let below = &key[prefix.len()..];
            let end = below.find(delimiter).filter(|_| !delimiter.is_empty());
            let (name, line) = if let Some(end) = end {
                let common = format!("{prefix}{}/", &below[..end]);
                let line = format!("<CommonPrefixes><Prefix>{common}</Prefix></CommonPrefixes>");
                (common, line)
            } else {
                let line = format!(
                    "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z\
                     </LastModified><ETag>{}</ETag><Size>{}</Size></Contents>",
                    tag(bytes),
                    bytes.len()
                );
                (key.clone(), line)
            };
            lines.insert(name, line);
        }
        let rest: Vec<_> = lines
            .iter()
            .filter(|(key, _)| key.as_str() > after)
            .collect();
        let page = &rest[..rest.len().min(PAGE)];
        let mut text = String::from("<ListBucketResult>");
        for (_, line) in page {
            text.push_str(line);
        }
        if rest.len() > PAGE {
            let token = page[PAGE - 1].0;
            write!(
                text,
                "<NextContinuationToken>{token}</NextContinuationToken>"
            )
            .unwrap();
        }
        text.push_str("</ListBucketResult>");
        xml(&text)
    }
}

impl Request {
    fn read(reader: &mut BufReader<&TcpStream>) -> Option<Self> {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let mut words = line.split_whitespace();
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers
            .get("content-length")
            .map_or(0, |n| n.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let query = query.split('&').filter(|pair| !pair.is_empty());
        let query = query.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (plain(name), plain(value))
        });
        let key = path.strip_prefix("/kept").unwrap_or(path);
        Some(Self {
            method,
            key: plain(key.trim_start_matches('/')),
            query: query.collect(),
            headers,
            body,
        })
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// Without percent-encoding.
fn plain(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let hex = [rest.next().unwrap(), rest.next().unwrap()];
            let hex = std::str::from_utf8(&hex).unwrap();
            bytes.push(u8::from_str_radix(hex, 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = (0..3).fold(0u32, |n, i| {
            n << 8 | u32::from(three.get(i).copied().unwrap_or(0))
        });
        for place in 0..4 {
            let digit = DIGITS[(number >> (18 - 6 * place) & 63) as usize];
            text.push(if place > three.len() {
                '='
            } else {
                char::from(digit)
            });
        }
    }
    text
}

fn tag(bytes: &[u8]) -> String {
    format!("\"{:x}\"", Sha256::digest(bytes)[0])
}

fn marks(bytes: &[u8]) -> Vec<(&'static str, String)> {
    vec![
        ("ETag", tag(bytes)),
        ("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT".to_owned()),
    ]
}

fn xml(text: &str) -> Answer {
    (200, Vec::new(), text.as_bytes().to_vec())
}

fn fault(status: u16, code: &str) -> Answer {
    let text = format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>");
    (status, Vec::new(), text.into_bytes())
}

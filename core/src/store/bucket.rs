//! Buckets of S3 and of what speaks its protocol, as far as backups need them: asked by threads that
//! wait for the answer, as they do for a disk.

mod download;
mod upload;

use std::fmt;
use std::io::ErrorKind;
use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, LazyLock, mpsc};
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, Checksum};
use object_store::path::Path as Key;
use object_store::{
    Error as StoreError, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutPayload,
    RetryConfig,
};
use tokio::runtime::{Builder, Runtime};

use crate::clock::Timestamp;
use crate::error::{Context as _, Error, Result};
use crate::store::reach::OutOfReach;

pub use download::Download;
pub use upload::Upload;

/// How long one request is tried again while the other side does not answer, or not well.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long an answer is waited for once somebody wants to stop.
const FAREWELL: Duration = Duration::from_secs(2);

/// True once somebody wants to stop.
static HURRY: AtomicBool = AtomicBool::new(false);

/// Lets no request be waited for any longer than a moment, from now on.
pub fn hurry() {
    HURRY.store(true, Ordering::Relaxed);
}

/// What the server is to be able to do.
const CONDITIONS: &str =
    "backups need a server that can put an object only if there is none yet (If-None-Match)";

/// What the role of whoever asks is to be allowed.
const RIGHTS: &str = "the role needs to get, put, delete and list objects below that prefix, \
     and to abort uploads in parts";

/// Where the requests run, whoever waits for them: none may wait within another runtime.
static RUNTIME: LazyLock<std::io::Result<Runtime>> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("bucket")
        .enable_all()
        .build()
});

/// What begins alike in a bucket: `s3://bucket/a/b`.
#[derive(Clone)]
pub struct Prefix {
    store: Arc<dyn ObjectStore>,
    bucket: Arc<str>,
    /// Without a `/` at either end; empty for the bucket itself.
    key: String,
}

/// For people, and for `--backups`.
impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if self.key.is_empty() {
            return Ok(());
        }
        write!(f, "/{}", self.key)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An object, as a listing shows it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its name below the prefix.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was written.
    pub modified: Timestamp,
}

impl Prefix {
    /// The prefix that `location` names behind `s3://`. Who asks, and where, is in `variables`:
    /// `AWS_ACCESS_KEY_ID` and so on, a web identity; else it is the machine's own role. Makes no
    /// request.
    pub fn open(location: &str, variables: &[(String, String)]) -> Result<Self> {
        let (bucket, key) = location.split_once('/').unwrap_or((location, ""));
        let key = key.trim_end_matches('/');
        let strange = |part: &str| part.is_empty() || part == "." || part == "..";
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let key_strange = !key.is_empty() && key.split('/').any(strange);
        if bucket.is_empty() || !bucket.chars().all(named) || key_strange {
            return Err(
                Error::usage(format!("'s3://{location}' names no place for backups"))
                    .hint("write it as s3://bucket/prefix"),
            );
        }
        check(variables)?;
        // The one that the rest of the program uses; another one may be set already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = AmazonS3Builder::new();
        let own = [
            ("AWS_CONNECT_TIMEOUT", "5 seconds"),
            ("AWS_TIMEOUT", "5 minutes"),
        ];
        let given = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.into_iter().chain(given) {
            // Other tools have variables of their own.
            if let Ok(known) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
                builder = builder.with_config(known, value);
            }
        }
        let store = builder
            .with_bucket_name(bucket)
            .with_retry(RetryConfig {
                max_retries: usize::MAX,
                retry_timeout: PATIENCE,
                ..RetryConfig::default()
            })
            // One by one: not everybody who speaks the protocol can do it otherwise.
            .with_disable_bulk_delete(true)
            // The other side compares it before it takes the object.
            .with_checksum_algorithm(Checksum::SHA256)
            .build()
            .map_err(|e| Error::usage(format!("can't use bucket {bucket}")).caused_by(e))?;
        Ok(Self {
            store: Arc::new(store),
            bucket: bucket.into(),
            key: key.to_owned(),
        })
    }

    /// What is called `name` below this.
    pub fn join(&self, name: &str) -> Self {
        let key = match self.key.as_str() {
            "" => name.to_owned(),
            key => format!("{key}/{name}"),
        };
        Self {
            key,
            ..self.clone()
        }
    }

    /// What this lies in.
    pub fn parent(&self) -> Self {
        let key = self.key.rsplit_once('/').map_or("", |(parent, _)| parent);
        Self {
            key: key.to_owned(),
            ..self.clone()
        }
    }

    /// The last part of its name.
    pub fn name(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or_default()
    }

    /// Writes the object `name`, in place of one that is there.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let put = self.send(name, bytes, PutMode::Overwrite)?;
        put.map_err(|e| self.failed("write", name, &e))
    }

    /// Writes the object `name`, which must not exist yet. False when there is one.
    pub fn claim(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        match self.send(name, bytes, PutMode::Create)? {
            Ok(()) => Ok(true),
            Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => Ok(false),
            Err(e) => Err(self.failed("write", name, &e)),
        }
    }

    /// Writes the object `name`, which must not exist yet, in a place that was claimed.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        // Where an answer was lost, the second attempt meets what the first has written.
        if self.claim(name, bytes)? || self.holds(name, bytes)? {
            return Ok(());
        }
        Err(Error::failed(format!("cannot write {name} in {self}"))
            .hint("it exists already, and nothing of a backup is ever overwritten"))
    }

    fn send(&self, name: &str, bytes: &[u8], mode: PutMode) -> Result<Result<(), StoreError>> {
        let (store, key) = (Arc::clone(&self.store), self.key_of(name)?);
        let payload = PutPayload::from(bytes.to_vec());
        let put = wait(async move { store.put_opts(&key, payload, mode.into()).await });
        Ok(put.map(drop))
    }

    /// True when the object `name` holds these bytes.
    fn holds(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        let Some(there) = self.find(name)? else {
            return Ok(false);
        };
        let mut found = Vec::new();
        let read = there.take(bytes.len() as u64 + 1).read_to_end(&mut found);
        read.context(format!("cannot read {name} in {self}"))?;
        Ok(found == bytes)
    }

    /// Begins the new object `name`.
    pub fn upload(&self, name: &str) -> Result<Upload> {
        Ok(Upload::new(
            self.clone(),
            name.to_owned(),
            self.key_of(name)?,
        ))
    }

    /// Opens the object `name`.
    pub fn download(&self, name: &str) -> Result<Download> {
        self.find(name)?.ok_or_else(|| {
            let missing = std::io::Error::from(ErrorKind::NotFound);
            Error::failed(format!("cannot read {name} in {self}")).caused_by(missing)
        })
    }

    /// Opens the object `name`, if there is one.
    pub fn find(&self, name: &str) -> Result<Option<Download>> {
        match Download::open(Arc::clone(&self.store), self.key_of(name)?) {
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(e) => Err(self.failed("read", name, &e)),
            Ok(download) => Ok(Some(download)),
        }
    }

    /// True when there is an object `name`.
    pub fn has(&self, name: &str) -> Result<bool> {
        Ok(self.size(name)?.is_some())
    }

    fn has_size(&self, name: &str, size: u64) -> Result<bool> {
        Ok(self.size(name)? == Some(size))
    }

    fn size(&self, name: &str) -> Result<Option<u64>> {
        let (store, key) = (Arc::clone(&self.store), self.key_of(name)?);
        match wait(async move { store.head(&key).await }) {
            Ok(meta) => Ok(Some(meta.size)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(e) => Err(self.failed("look at", name, &e)),
        }
    }

    /// Removes the object `name`, which need not exist.
    pub fn remove(&self, name: &str) -> Result<()> {
        let (store, key) = (Arc::clone(&self.store), self.key_of(name)?);
        match wait(async move { store.delete(&key).await }) {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(e) => Err(self.failed("remove", name, &e)),
        }
    }

    /// All objects below this, sorted by name.
    pub fn list(&self) -> Result<Vec<Listed>> {
        let (store, key) = (Arc::clone(&self.store), self.key()?);
        let all = wait(async move { store.list(Some(&key)).try_collect::<Vec<_>>().await });
        let mut found = Vec::new();
        for meta in all.map_err(|e| self.unlisted(&e))? {
            found.extend(self.listed(&meta));
        }
        found.sort_by(|a: &Listed, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// The names of the prefixes just below this that hold anything, sorted.
    pub fn folders(&self) -> Result<Vec<String>> {
        let (store, key) = (Arc::clone(&self.store), self.key()?);
        let listed = wait(async move { store.list_with_delimiter(Some(&key)).await });
        let listed = listed.map_err(|e| self.unlisted(&e))?;
        let last = |path: &Key| path.as_ref().rsplit('/').next().map(str::to_owned);
        let mut names: Vec<String> = listed.common_prefixes.iter().filter_map(last).collect();
        names.sort();
        Ok(names)
    }

    /// True where anything lies below this.
    pub fn exists(&self) -> Result<bool> {
        let (store, key) = (Arc::clone(&self.store), self.key()?);
        let first = wait(async move { store.list(Some(&key)).try_next().await });
        let first = first.map_err(|e| self.unlisted(&e))?;
        Ok(first.is_some())
    }

    fn listed(&self, meta: &ObjectMeta) -> Option<Listed> {
        let below = meta.location.as_ref().strip_prefix(self.key.as_str())?;
        Some(Listed {
            name: below.strip_prefix('/').unwrap_or(below).to_owned(),
            size: meta.size,
            modified: meta.last_modified,
        })
    }

    fn key(&self) -> Result<Key> {
        parse(&self.key)
    }

    fn key_of(&self, name: &str) -> Result<Key> {
        parse(&self.join(name).key)
    }

    fn failed(&self, verb: &str, name: &str, error: &StoreError) -> Error {
        told(format!("cannot {verb} {name} in {self}"), error)
    }

    fn unlisted(&self, error: &StoreError) -> Error {
        told(format!("cannot list {self}"), error)
    }
}

/// What says that something could not be done, why, and what to do about it.
fn told(what: String, error: &StoreError) -> Error {
    let cause = cause(error);
    let hint = match error {
        StoreError::Precondition { .. } => "it was changed while it was being read",
        StoreError::NotImplemented { .. } | StoreError::NotSupported { .. } => CONDITIONS,
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => RIGHTS,
        // Listings don't tell that apart.
        _ if cause.contains("403 Forbidden") => RIGHTS,
        _ if cause.contains("501 Not Implemented") => CONDITIONS,
        _ => {
            "who asks, and where: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, \
             AWS_ENDPOINT_URL, or the machine's own role"
        }
    };
    Error::failed(what).caused_by(OutOfReach(cause)).hint(hint)
}

/// The sentence of `error`, and the last of those below it, unless that is in it: most repeat what is
/// below them.
fn cause(error: &StoreError) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(below) = last.source() {
        last = below;
    }
    let (sentence, last) = (error.to_string(), last.to_string());
    if sentence.contains(&last) {
        sentence
    } else {
        format!("{sentence}: {last}")
    }
}

/// Refuses what no request could be made with.
fn check(variables: &[(String, String)]) -> Result<()> {
    for (name, value) in variables {
        let endpoint = name.starts_with("AWS_ENDPOINT");
        if value.chars().any(char::is_control) {
            return Err(Error::usage(format!("{name} holds a control character")));
        }
        if endpoint && !value.starts_with("http://") && !value.starts_with("https://") {
            return Err(Error::usage(format!("{name} is no URL"))
                .hint("write it as https://host, or http://host with AWS_ALLOW_HTTP=true"));
        }
    }
    Ok(())
}

fn parse(key: &str) -> Result<Key> {
    Key::parse(key).map_err(|e| Error::usage(format!("'{key}' is no key in a bucket")).caused_by(e))
}

/// Runs `work` and waits for what comes of it.
fn wait<T, F>(work: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, StoreError>> + Send + 'static,
{
    let broken = |e: String| StoreError::Generic {
        store: "S3",
        source: e.into(),
    };
    let runtime = RUNTIME.as_ref().map_err(|e| broken(e.to_string()))?;
    let (send, receive) = mpsc::sync_channel(1);
    runtime.spawn(async move {
        // Nobody is left to be told when this fails.
        let _ = send.send(work.await);
    });
    // Whoever waits here can't hear that he is to stop: he looks up now and then.
    let mut hurried = None;
    loop {
        match receive.recv_timeout(Duration::from_millis(100)) {
            Ok(answer) => return answer,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(broken("the request broke off".to_owned()));
            }
            Err(RecvTimeoutError::Timeout) if !HURRY.load(Ordering::Relaxed) => {}
            Err(RecvTimeoutError::Timeout) => {
                if hurried.get_or_insert_with(Instant::now).elapsed() > FAREWELL {
                    return Err(broken("interrupted".to_owned()));
                }
            }
        }
    }
}

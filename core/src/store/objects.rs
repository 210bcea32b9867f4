//! The objects of a backup that is being made: several threads write them, and one behind them
//! makes them durable.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::thread::JoinHandle;

use age::x25519;

use crate::error::Context as _;
use crate::error::Error;
use crate::error::Result;
use crate::ident::Digest;
use crate::store::codec::Codec;
use crate::store::disk::ELSEWHERE;
use crate::store::folder::Folder;
use crate::store::place::Place;
use crate::store::seal::Seal;
use crate::store::wire_private::Plain;

/// What was written so far.
#[derive(Default)]
pub struct Written {
    /// Size and digest of each object.
    pub objects: BTreeMap<String, (u64, Digest)>,
    /// What the encrypted ones hold.
    pub plain: BTreeMap<String, Plain>,
    /// True once nothing may be written any more.
    closed: bool,
}

/// Where the objects of one backup are made.
pub struct Objects {
    folder: Folder,
    recipient: x25519::Recipient,
    codec: Codec,
    level: i32,
    next_chunk: AtomicU32,
    written: Mutex<Written>,
    /// False until it is certain that nobody else writes here.
    claimed: AtomicBool,
    /// Held, shared, while an object is on its way into a bucket.
    sending: RwLock<()>,
    sync: Mutex<Option<Sync>>,
}

/// The thread that makes files durable while others go on.
struct Sync {
    send: mpsc::Sender<(String, File)>,
    thread: JoinHandle<Result<()>>,
}

impl Objects {
    /// Objects in `folder`, which exists, for `recipient`.
    pub fn new(folder: Folder, recipient: x25519::Recipient, codec: Codec, level: i32) -> Self {
        Self {
            folder,
            recipient,
            codec,
            level,
            next_chunk: AtomicU32::new(0),
            written: Mutex::default(),
            claimed: AtomicBool::new(false),
            sending: RwLock::default(),
            sync: Mutex::default(),
        }
    }

    /// The folder.
    pub const fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The public half of the backup's own key.
    pub const fn recipient(&self) -> &x25519::Recipient {
        &self.recipient
    }

    /// How objects are compressed.
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// The level of compression.
    pub const fn level(&self) -> i32 {
        self.level
    }

    /// What was written so far.
    pub fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets `count` numbers of chunks aside; returns the first.
    pub fn reserve_chunks(&self, count: u32) -> u32 {
        self.next_chunk.fetch_add(count, Ordering::Relaxed)
    }

    /// Writes and syncs an object that is not encrypted, and notes what was written.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let mut written = self.open()?;
        self.folder.put(name, bytes)?;
        let facts = (bytes.len() as u64, Digest::of(bytes));
        written.objects.insert(name.to_owned(), facts);
        Ok(())
    }

    /// As [`put`](Self::put), of the first object: nothing is removed but by whoever wrote that.
    pub fn claim(&self, name: &str, bytes: &[u8]) -> Result<()> {
        // What was made on a disk is in a folder of one's own, even if it could not be written.
        let own = matches!(self.folder.place(), Place::Disk(_));
        self.claimed.store(own, Ordering::SeqCst);
        if !self.folder.claim(name, bytes)? {
            return Err(Error::failed(format!(
                "another backup was begun in {}",
                self.folder.place()
            ))
            .hint("nothing of it was touched; try again"));
        }
        self.claimed.store(true, Ordering::SeqCst);
        let facts = (bytes.len() as u64, Digest::of(bytes));
        self.open()?.objects.insert(name.to_owned(), facts);
        Ok(())
    }

    /// Begins an encrypted object.
    pub fn begin(&self, name: String) -> Result<Seal> {
        // Under the lock, so that nothing is made again once the folder is removed.
        let written = self.open()?;
        let file = self.folder.create(&name)?;
        drop(written);
        Seal::new(name, file, &self.recipient, self.codec, self.level)
            .map_err(|e| e.hint(ELSEWHERE))
    }

    /// Ends an encrypted object, and notes what was written and what it holds. It becomes
    /// durable behind the caller's back, at the latest in [`Objects::wait`].
    pub fn end(&self, seal: Seal) -> Result<()> {
        let sealed = seal.finish().map_err(|e| e.hint(ELSEWHERE))?;
        let sending = self.sending.read().unwrap_or_else(PoisonError::into_inner);
        drop(self.open()?);
        let file = sealed.output.end()?;
        drop(sending);
        let mut written = self.open()?;
        let facts = (sealed.bytes, sealed.sha256);
        written.objects.insert(sealed.name.clone(), facts);
        let plain = Plain {
            object: sealed.name.clone(),
            bytes: sealed.plain_bytes,
            sha256: sealed.plain_sha256.to_string(),
        };
        written.plain.insert(sealed.name.clone(), plain);
        drop(written);
        file.map_or(Ok(()), |file| self.sync_later(sealed.name, file))
    }

    /// Writes a whole encrypted object.
    pub fn seal(&self, name: String, plain: &[u8]) -> Result<()> {
        let mut seal = self.begin(name)?;
        seal.write(plain).map_err(|e| e.hint(ELSEWHERE))?;
        self.end(seal)
    }

    fn open(&self) -> Result<MutexGuard<'_, Written>> {
        let written = self.written();
        if written.closed {
            return Err(Error::failed("the backup was given up"));
        }
        Ok(written)
    }

    fn sync_later(&self, name: String, file: File) -> Result<()> {
        let mut sync = self.sync.lock().unwrap_or_else(PoisonError::into_inner);
        let running = match sync.take() {
            Some(running) => running,
            None => Sync::start()?,
        };
        let sent = running.send.send((name, file));
        *sync = Some(running);
        drop(sync);
        // The thread has ended at a failure, which is more telling.
        sent.or_else(|_| self.wait())
    }

    /// Waits until everything that was ended is durable.
    pub fn wait(&self) -> Result<()> {
        let mut sync = self.sync.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Sync { send, thread }) = sync.take() else {
            return Ok(());
        };
        drop(send);
        let stopped = |_| Error::failed("making the backup durable stopped");
        thread.join().map_err(stopped)?
    }

    /// Reads every object back, several at a time, and compares it with what was to be written.
    ///
    /// A bucket compares the digest of what arrives before it takes it: there, that all is there in
    /// its size is enough.
    pub fn read_back(&self, threads: usize) -> Result<()> {
        let written = self.written();
        if matches!(self.folder.place(), Place::Bucket(_)) {
            return arrived(&self.folder, &written.objects);
        }
        let all: Vec<_> = written.objects.iter().collect();
        let next = AtomicUsize::new(0);
        let check = || {
            while let Some((name, right)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                if self.folder.digest(name)? != **right {
                    return Err(Error::failed(format!(
                        "{name} reads back other than it was written"
                    ))
                    .hint("what it was written to can't be trusted; write to another place"));
                }
            }
            Ok(())
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(check)).collect();
            threads.into_iter().try_for_each(|thread| {
                let stopped = |_| Error::failed("reading the backup back stopped");
                thread.join().map_err(stopped)?
            })
        })
    }

    /// Removes everything; nothing can be written any more.
    pub fn discard(&self) {
        self.written().closed = true;
        // What is on its way arrives first.
        let _none = self.sending.write().unwrap_or_else(PoisonError::into_inner);
        if !self.claimed.load(Ordering::SeqCst) {
            return;
        }
        // Best effort: what stays behind has no manifest, or is named .partial: it is incomplete.
        let _ = self.folder.place().remove_all();
    }
}

/// Compares what is listed with what was written.
fn arrived(folder: &Folder, written: &BTreeMap<String, (u64, Digest)>) -> Result<()> {
    let listed: BTreeMap<String, Option<u64>> = (folder.walk()?.into_iter())
        .map(|entry| (entry.name, entry.size))
        .collect();
    let missing = |(name, (size, _)): &(&String, &(u64, Digest))| {
        listed.get(*name).copied().flatten() != Some(*size)
    };
    match written.iter().find(missing) {
        None => Ok(()),
        Some((name, _)) => Err(Error::failed(format!(
            "{name} was written, and does not lie in {} as it was",
            folder.place()
        ))
        .hint("what it was written to can't be trusted; write to another place")),
    }
}

impl Sync {
    fn start() -> Result<Self> {
        let (send, receive) = mpsc::channel::<(String, File)>();
        let work = move || {
            receive.into_iter().try_for_each(|(name, file)| {
                file.sync_all()
                    .context(format!("cannot make {name} durable"))
                    .map_err(|e| e.hint(ELSEWHERE))
            })
        };
        let thread = thread::Builder::new().name("sync".to_owned());
        let thread = thread.spawn(work).context("cannot start a thread")?;
        Ok(Self { send, thread })
    }
}

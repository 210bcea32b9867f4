//! The key that signs manifests: an Ed25519 key in OpenSSH's form, read before anything happens.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use ssh_key::{HashAlg, LineEnding, PrivateKey};

use crate::error::{Error, Result};
use crate::model::secret::Secret;
use crate::store::signature::NAMESPACE;

/// No key file is larger.
const CAP: u64 = 64 * 1024;

/// A key that can sign.
pub struct SigningKey(PrivateKey);

impl SigningKey {
    /// Reads the key in the file `path`. A usage error says why it can't be used and what to do.
    pub fn load(path: &Path) -> Result<Self> {
        let key = read(path).and_then(|text| parse(&text)).map_err(|why| {
            let error = Error::usage(format!(
                "the signing key {} can't be used: {}",
                path.display(),
                why.what
            ));
            error
                .hint(why.advice)
                .hint("nothing was done; without a signing key, backups are made unsigned")
        })?;
        // A file whose halves don't fit is noticed here, not when the backup is all but done.
        key.sign(b"")
            .map_err(|e| e.wrap(format!("the signing key {} can't be used", path.display())))?;
        Ok(key)
    }

    /// The fingerprint of its public half: `SHA256:…`.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    /// The signature over `manifest`, as `ssh-keygen -Y sign` writes it.
    pub fn sign(&self, manifest: &[u8]) -> Result<String> {
        let signature = (self.0).sign(NAMESPACE, HashAlg::Sha512, manifest);
        let text = signature.and_then(|signature| signature.to_pem(LineEnding::LF));
        text.map_err(|_| Error::failed("the signing key doesn't sign"))
    }
}

/// The fingerprint of the key in the file `path`, which is certain to sign then.
pub fn fingerprint(path: &Path) -> Result<String> {
    SigningKey::load(path).map(|key| key.fingerprint())
}

/// Why a key can't be used.
struct Why {
    what: String,
    advice: &'static str,
}

impl Why {
    fn new(what: impl Into<String>, advice: &'static str) -> Self {
        Self {
            what: what.into(),
            advice,
        }
    }
}

/// What to do where there is no key that can be used.
const MAKE: &str = "make one with `ssh-keygen -t ed25519 -N '' -f FILE`, and name it with \
                    --signing-key, PGBELAY_SIGNING_KEY or signing_key";

fn read(path: &Path) -> Result<Secret, Why> {
    let unread = |e: std::io::Error| Why::new(format!("it can't be read ({e})"), MAKE);
    // Opening a pipe would wait for whoever writes into it.
    if !fs::metadata(path).map_err(unread)?.is_file() {
        return Err(Why::new("it is no plain file", MAKE));
    }
    let mut file = File::open(path).map_err(unread)?;
    let facts = file.metadata().map_err(unread)?;
    let mut text = String::new();
    let read = (&mut file).take(CAP + 1).read_to_string(&mut text);
    let text = Secret::new(text);
    if !matches!(read, Ok(size) if size as u64 <= CAP) {
        return Err(Why::new("it is no key", MAKE));
    }
    // What everybody may read anyway.
    if text.reveal().trim_start().starts_with("ssh-") {
        return Err(Why::new(
            "it is the public half of a key",
            "name the file of the private half, which has no .pub at its end",
        ));
    }
    let own = facts.uid() == rustix::process::geteuid().as_raw();
    // As ssh has it: what is mounted from elsewhere may be readable for a group.
    let others = if own { 0o077 } else { 0o027 };
    if facts.mode() & others != 0 {
        return Err(Why::new(
            format!(
                "others than its owner have access to it (mode {:04o})",
                facts.mode() & 0o7777
            ),
            "whoever reads it can forge backups: if nobody else may have, `chmod 600` it; else \
             make a new one",
        ));
    }
    Ok(text)
}

fn parse(text: &Secret) -> Result<SigningKey, Why> {
    let text = text.reveal().trim_start();
    if !text.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----") {
        return Err(Why::new("it is no private key in OpenSSH's form", MAKE));
    }
    let only = |kind: &str| {
        Why::new(
            format!("it is a key of the kind {kind}, and only ssh-ed25519 can sign backups"),
            MAKE,
        )
    };
    let key = PrivateKey::from_openssh(text).map_err(|error| match error {
        ssh_key::Error::AlgorithmUnsupported { algorithm } => only(algorithm.as_str()),
        _ => Why::new("it is damaged, or of a kind that can't sign backups", MAKE),
    })?;
    if key.is_encrypted() {
        return Err(Why::new(
            "it has a passphrase, which nobody is asked for while backups are made",
            "keep a key without one for this: `ssh-keygen -t ed25519 -N '' -f FILE`; whoever \
             reads it can sign backups, and open none",
        ));
    }
    if key.key_data().ed25519().is_none() {
        return Err(only(key.algorithm().as_str()));
    }
    Ok(SigningKey(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    fn complaint(name: &str, text: &str, mode: u32) -> String {
        let path = std::env::temp_dir().join(format!(
            "pgbelay-key-{}-{:08x}",
            name,
            rand::random::<u32>()
        ));
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let loaded = SigningKey::load(&path);
        fs::remove_file(&path).unwrap();
        match loaded {
            Ok(key) => key.fingerprint(),
            Err(error) => {
                assert_eq!(error.kind().exit_code(), 2);
                assert!(!error.hints().is_empty());
                error.to_string()
            }
        }
    }

    #[test]
    fn what_cannot_sign_is_refused_with_the_reason() {
        let ed25519 = include_str!("tests/signed/key");
        let rsa = include_str!("tests/signed/rsa");
        let ecdsa = include_str!("tests/signed/ecdsa");
        let locked = include_str!("tests/signed/locked");
        let public = include_str!("tests/signed/key.pub");
        let crlf = ed25519.replace('\n', "\r\n");
        let cut = &ed25519[..ed25519.len() / 2];
        let damaged = ed25519.replacen("AAAA", "AAAB", 3);
        let huge = "x".repeat(1 << 20);
        for (name, text, mode, expected) in [
            ("good", ed25519, 0o600, "SHA256:"),
            ("read-only", ed25519, 0o400, "SHA256:"),
            ("crlf", &crlf, 0o600, "SHA256:"),
            ("group", ed25519, 0o640, "(mode 0640)"),
            ("others", ed25519, 0o604, "(mode 0604)"),
            ("rsa", rsa, 0o600, "kind ssh-rsa"),
            ("ecdsa", ecdsa, 0o600, "kind"),
            ("locked", locked, 0o600, "has a passphrase"),
            ("public", public, 0o644, "public half"),
            ("empty", "", 0o600, "no private key in OpenSSH's form"),
            ("cut", cut, 0o600, "damaged"),
            ("damaged", &damaged, 0o600, "damaged"),
            ("huge", &huge, 0o600, "no key"),
        ] {
            let said = complaint(name, text, mode);
            assert!(said.contains(expected), "{name}: {said}");
        }
    }

    #[test]
    fn what_is_no_file_is_refused() {
        for path in ["/nowhere/key", "/", "/dev/null", ""] {
            let error = SigningKey::load(&PathBuf::from(path)).err().unwrap();
            assert_eq!(error.kind().exit_code(), 2, "{path}");
        }
    }
}

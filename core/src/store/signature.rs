//! `manifest.json.sig`: who has signed a backup, in the form that `ssh-keygen -Y` writes and checks.

use ssh_key::{HashAlg, LineEnding, PublicKey, SshSig};

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ident::Digest;
use crate::model::signature::Signature;
use crate::store::allowed_signers::AllowedSigners;
use crate::store::backup::MANIFEST_CAP;
use crate::store::folder::Folder;
use crate::store::{layout, reach};

/// What a signature is for: one made for something else counts for nothing here.
pub const NAMESPACE: &str = "pgbelay-backup";

/// Why a signature by another key than these counts for nothing.
const OTHER_KIND: &str = "only keys of the kind ssh-ed25519 sign backups";

/// No signature is larger.
const CAP: u64 = 64 * 1024;

/// What there is of a signature, and whose it claims to be.
pub fn glance(folder: &Folder) -> Result<Signature> {
    Ok(match read(folder)? {
        Found::Nothing => Signature::Missing,
        Found::Bad(_) | Found::Foreign => Signature::Unchecked { key: None },
        Found::Signature(signature) => Signature::Unchecked {
            key: Some(fingerprint(&signature)),
        },
    })
}

/// Compares the signature with the manifest that has the digest `manifest`, of a backup that was
/// begun at `started`, and with the list of those whose signatures count.
pub fn check(
    folder: &Folder,
    manifest: Digest,
    started: Timestamp,
    allowed: &AllowedSigners,
) -> Result<Signature> {
    let signature = match read(folder)? {
        Found::Nothing => return Ok(Signature::Missing),
        Found::Bad(why) => return Ok(Signature::Broken { why }),
        Found::Foreign => return Ok(stranger(None, OTHER_KIND)),
        Found::Signature(signature) => signature,
    };
    let bytes = folder.get(layout::MANIFEST, MANIFEST_CAP)?;
    let bytes = bytes.filter(|bytes| Digest::of(bytes) == manifest);
    let bytes = bytes.ok_or_else(|| {
        Error::failed("manifest.json changed while its signature was checked").hint("try again")
    })?;
    Ok(judge(&signature, &bytes, started, allowed))
}

/// What was found where the signature would lie.
enum Found {
    Nothing,
    Bad(String),
    /// One by a key of a kind that isn't read here.
    Foreign,
    Signature(Box<SshSig>),
}

fn read(folder: &Folder) -> Result<Found> {
    let bytes = match folder.get(layout::SIGNATURE, CAP) {
        Ok(None) => return Ok(Found::Nothing),
        Ok(Some(bytes)) => bytes,
        Err(error) if reach::is_out_of_reach(&error) => return Err(error),
        Err(_) => {
            let why = format!("can't be read, or is larger than {} KiB", CAP / 1024);
            return Ok(Found::Bad(why));
        }
    };
    Ok(match SshSig::from_pem(&bytes) {
        Ok(signature) if is_written_so(&signature, &bytes) => Found::Signature(Box::new(signature)),
        Err(ssh_key::Error::AlgorithmUnknown) => Found::Foreign,
        Ok(_) | Err(_) => Found::Bad("is no signature of ssh-keygen's".to_owned()),
    })
}

/// True when the file holds the signature as it is written, and nothing else: numbers and lengths
/// in it that nobody has signed are what they must be, as stock tools want them.
fn is_written_so(signature: &SshSig, bytes: &[u8]) -> bool {
    let written = signature.to_pem(LineEnding::LF).unwrap_or_default();
    signature.version() == SshSig::VERSION
        && written.trim_end().as_bytes() == bytes.trim_ascii_end()
        && !bytes.contains(&b'\r')
}

fn judge(
    signature: &SshSig,
    manifest: &[u8],
    started: Timestamp,
    allowed: &AllowedSigners,
) -> Signature {
    let broken = |why: &str| Signature::Broken {
        why: why.to_owned(),
    };
    if signature.namespace() != NAMESPACE {
        return broken("was made for something else than a backup");
    }
    let (key, data) = (fingerprint(signature), signature.public_key());
    if !data.is_ed25519() {
        return stranger(Some(key), OTHER_KIND);
    }
    let public = PublicKey::from(data.clone());
    if public.verify(NAMESPACE, manifest, signature).is_err() {
        return broken("is not over this manifest.json");
    }
    match allowed.principal(data, started) {
        Ok(principal) => Signature::Valid { principal, key },
        Err(why) => stranger(Some(key), &why),
    }
}

fn stranger(key: Option<String>, why: &str) -> Signature {
    Signature::Stranger {
        key,
        why: why.to_owned(),
    }
}

fn fingerprint(signature: &SshSig) -> String {
    signature
        .public_key()
        .fingerprint(HashAlg::Sha256)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::place::Place;
    use std::fs;
    use std::path::PathBuf;

    const MESSAGE: &[u8] = include_bytes!("tests/signed/message");
    const BY_KEY: &str = include_str!("tests/signed/key.sig");
    const BY_OTHER: &str = include_str!("tests/signed/other.sig");
    const SHA256: &str = include_str!("tests/signed/sha256.sig");
    const FILE: &str = include_str!("tests/signed/file.sig");
    const RSA: &str = include_str!("tests/signed/rsa.sig");
    const ECDSA: &str = include_str!("tests/signed/ecdsa.sig");

    /// A folder with a manifest and a signature, removed with it.
    struct Dir(PathBuf);

    impl Dir {
        fn new(manifest: &[u8], signature: Option<&[u8]>) -> Self {
            let name = format!("pgbelay-sig-{:016x}", rand::random::<u64>());
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("manifest.json"), manifest).unwrap();
            if let Some(signature) = signature {
                fs::write(path.join("manifest.json.sig"), signature).unwrap();
            }
            let list = format!("ops@example.com {}", include_str!("tests/signed/key.pub"));
            fs::write(path.join("allowed"), list).unwrap();
            Self(path)
        }

        fn check(&self) -> Signature {
            let allowed = AllowedSigners::load(&self.0.join("allowed")).unwrap();
            let folder = Folder::new(Place::Disk(self.0.clone()));
            let manifest = Digest::of(fs::read(self.0.join("manifest.json")).unwrap());
            check(&folder, manifest, Timestamp::default(), &allowed).unwrap()
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// The signatures in `tests/signed` were made by ssh-keygen.
    #[test]
    fn what_ssh_keygen_signs_is_told_from_what_it_did_not() {
        let crlf = BY_KEY.replace('\n', "\r\n");
        let twice = format!("{BY_KEY}{BY_KEY}");
        let within = format!("x\n{BY_KEY}");
        let huge = format!("{BY_KEY}{}", "\n".repeat(1 << 20));
        let binary = [0_u8, 159, 146, 150];
        let cut = &BY_KEY[..BY_KEY.len() / 2];
        let changed = &[MESSAGE, b"\n"].concat();
        for (name, manifest, signature, expected) in [
            ("good", MESSAGE, BY_KEY.as_bytes(), "valid"),
            ("sha256", MESSAGE, SHA256.as_bytes(), "valid"),
            ("crlf", MESSAGE, crlf.as_bytes(), "broken"),
            ("stranger", MESSAGE, BY_OTHER.as_bytes(), "stranger"),
            ("rsa", MESSAGE, RSA.as_bytes(), "stranger"),
            ("ecdsa", MESSAGE, ECDSA.as_bytes(), "stranger"),
            ("namespace", MESSAGE, FILE.as_bytes(), "broken"),
            ("other bytes", changed, BY_KEY.as_bytes(), "broken"),
            (
                "other bytes, stranger",
                changed,
                BY_OTHER.as_bytes(),
                "broken",
            ),
            ("empty", MESSAGE, b"", "broken"),
            ("binary", MESSAGE, &binary, "broken"),
            ("cut", MESSAGE, cut.as_bytes(), "broken"),
            ("twice", MESSAGE, twice.as_bytes(), "broken"),
            ("within", MESSAGE, within.as_bytes(), "broken"),
            ("huge", MESSAGE, huge.as_bytes(), "broken"),
            ("the message", MESSAGE, MESSAGE, "broken"),
        ] {
            let found = Dir::new(manifest, Some(signature)).check();
            assert_eq!(found.as_str(), expected, "{name}: {found:?}");
        }
        assert_eq!(Dir::new(MESSAGE, None).check(), Signature::Missing);
    }

    /// Whatever byte is another one: never valid, and never a panic.
    #[test]
    fn no_change_of_a_signature_is_valid() {
        let body: String = BY_KEY.lines().filter(|l| !l.starts_with('-')).collect();
        let dir = Dir::new(MESSAGE, Some(b""));
        for (at, c) in body.char_indices() {
            let other = if c == 'A' { 'B' } else { 'A' };
            let mut changed = body.clone();
            changed.replace_range(at..=at, &other.to_string());
            let lines: Vec<&str> = (0..changed.len())
                .step_by(70)
                .map(|from| &changed[from..changed.len().min(from + 70)])
                .collect();
            let text = format!(
                "-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n",
                lines.join("\n")
            );
            fs::write(dir.0.join("manifest.json.sig"), text).unwrap();
            assert!(!dir.check().is_valid(), "{at}");
        }
    }

    #[test]
    fn what_is_no_file_is_no_signature() {
        let dir = Dir::new(MESSAGE, None);
        let path = dir.0.join("manifest.json.sig");
        fs::create_dir(&path).unwrap();
        assert_eq!(dir.check().as_str(), "broken");
        fs::remove_dir(&path).unwrap();
        fs::write(dir.0.join("elsewhere"), BY_KEY).unwrap();
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        assert_eq!(dir.check().as_str(), "broken");
    }
}

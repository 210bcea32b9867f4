//! Making an operator's key, and the file that names the operators.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use age::secrecy::ExposeSecret as _;
use age::x25519;

use crate::clock;
use crate::error::Context as _;
use crate::error::Error;
use crate::error::Result;
use crate::store::disk;
use crate::store::recipients;

/// Writes a new age identity to `path` (mode 0600, never over an existing file, the folder made
/// when missing) and returns its recipient.
pub fn generate(path: &Path) -> Result<String> {
    let identity = x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    let secret = identity.to_string();
    let text = format!(
        "# created: {}\n# public key: {recipient}\n{}\n",
        clock::now().format("%Y-%m-%dT%H:%M:%SZ"),
        secret.expose_secret(),
    );
    disk::make_folders(&disk::parent_of(path))?;
    disk::write_new(path, text.as_bytes()).map_err(|e| match e.kind() {
        ErrorKind::AlreadyExists => Error::usage(format!("{} exists already", path.display()))
            .hint("backups made for it can only be opened with it; choose another --output"),
        _ => Error::failed(format!("cannot write {}", path.display())).caused_by(e),
    })?;
    Ok(recipient)
}

/// Adds `recipient` to a recipients file, below `label` as a comment, unless it is there already.
/// The file and its folder are made when missing.
pub fn append_recipient(file: &Path, recipient: &str, label: &str) -> Result<()> {
    let context = || format!("cannot write {}", file.display());
    let before = match std::fs::read_to_string(file) {
        Err(e) if e.kind() == ErrorKind::NotFound => String::new(),
        result => result.context(format!("cannot read {}", file.display()))?,
    };
    if before.lines().any(|line| line.trim() == recipient) {
        return Ok(());
    }
    disk::make_folders(&disk::parent_of(file))?;
    let gap = if before.is_empty() || before.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    let label = label.replace(char::is_control, " ");
    let mut output = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(file)
        .context(context())?;
    output
        .write_all(format!("{gap}# {label}\n{recipient}\n").as_bytes())
        .context(context())?;
    output.sync_all().context(context())
}

/// The recipients in the text of a recipients file: one per line, `#` begins a comment. A comment
/// just above an age recipient is its label and comes behind it, as with ssh keys.
pub fn parse_recipients_file(text: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut label = "";
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(comment) = line.strip_prefix('#') {
            label = comment.trim();
            continue;
        }
        if !line.is_empty() {
            if !recipients::is_recipient(line) {
                return Err(Error::usage(format!(
                    "line {} of the recipients file is no recipient",
                    number + 1
                ))
                .hint("recipients look like age1… or ssh-ed25519 …"));
            }
            let bare = !line.contains(char::is_whitespace);
            found.push(if bare && !label.is_empty() {
                format!("{line} {label}")
            } else {
                line.to_owned()
            });
        }
        label = "";
    }
    Ok(found)
}

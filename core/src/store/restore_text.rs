//! `RESTORE.txt`: how to get the data back with stock tools alone.

use crate::model::backup::PartRole;
use crate::sql::quote;
use crate::store::codec::Codec;
use crate::store::layout;
use crate::store::verified::StoredPart;
use crate::store::writer::Writer;

/// The text for what `writer` wrote. Names from the database stand in it only inside SQL, always
/// quoted: in a comment or a shell line, a hostile one could become a command.
pub fn text(writer: &Writer) -> String {
    let written = writer.objects.written();
    let codec = writer.objects.codec();
    let has = |name: &str| written.objects.contains_key(name);
    let (pre, post) = (layout::schema_pre(codec), layout::schema_post(codec));
    let sequences = layout::sequences(codec);
    let psql = "psql -X -q -v ON_ERROR_STOP=1 -d \"$TARGET\"";
    let mut load = Vec::new();
    if has(&pre) {
        load.push(format!("    open {pre} | {psql}\n"));
    }
    if written.objects.keys().any(|name| name.starts_with("data/")) {
        load.push(format!(
            "    for f in data/*.age; do open \"$f\" | {psql}; done\n"
        ));
    }
    if has(&sequences) {
        load.push(format!("    open {sequences} | {psql} >/dev/null\n"));
    }
    if written.objects.keys().any(|name| name.starts_with("lo/")) {
        load.push(format!(
            "    for f in lo/*.age; do open \"$f\" | {psql} >/dev/null; done\n"
        ));
    }
    if has(&post) {
        load.push(format!("    open {post} | {psql}\n"));
    }
    let (tool, decompress) = match codec {
        Codec::Zstd => (", zstd", " | zstd -dc"),
        Codec::Gzip => (", gunzip", " | gunzip"),
        Codec::None => ("", ""),
    };
    let mut text = format!(
        "How to restore backup {id} without pgbelay.

Needed: age{tool}, psql, sha256sum, and the identity of one of its operators.
Run this in the folder of the backup; IDENTITY is the identity file, TARGET what psql connects to.

    sha256sum SHA256SUMS          # must equal sums_sha256 in manifest.json
    sha256sum --check --quiet SHA256SUMS
    umask 077
    KEY=$(mktemp)
    age -d -i \"$IDENTITY\" keys/0.age > \"$KEY\"
    open() {{ age -d -i \"$KEY\" \"$1\"{decompress}; }}
{load}    rm \"$KEY\"

Never add -1 (--single-transaction): it commits half of a chunk that was cut.
psql ends with 0 even then, so check the digests before, and compare the numbers of rows with
manifest.json after.
",
        id = writer.id,
        load = load.concat(),
    );
    let staged: Vec<&StoredPart> = writer
        .parts
        .iter()
        .filter(|p| p.staging.is_some())
        .collect();
    if !staged.is_empty() {
        text.push_str(STAGED);
        for part in staged {
            text.push_str(&put_back(part));
        }
        text.push_str("\nWhen all is back, drop the schema pgbelay_saved.\n");
    }
    text
}

const STAGED: &str = "
This backup holds parts of tables. Loading it changes no live table: the rows arrive in tables of
the schema pgbelay_saved. Put them back with the statements below, in psql, looking at what each
one does first. An UPDATE gives rows that are still there their saved values again; an INSERT
brings back rows that are gone (leave it out where only some columns were saved).

";

/// The statements that put the rows of one part back. Parts that only say what changed have none.
fn put_back(stored: &StoredPart) -> String {
    let (Some(staging), part) = (&stored.staging, &stored.part) else {
        return String::new();
    };
    if part.role != PartRole::Values {
        return String::new();
    }
    let (live, saved) = (quote::table(&part.table), quote::table(staging));
    let columns: Vec<String> = part.columns.iter().map(|c| quote::ident(&c.name)).collect();
    let all = columns.join(", ");
    if part.key.is_empty() {
        return format!(
            "INSERT INTO {live} ({all}) OVERRIDING SYSTEM VALUE SELECT {all} FROM {saved};\n"
        );
    }
    let matching: Vec<String> = part
        .key
        .iter()
        .map(|name| quote::ident(name))
        .map(|name| format!("live.{name} = saved.{name}"))
        .collect();
    let matching = matching.join(" AND ");
    let set: Vec<String> = part
        .columns
        .iter()
        .filter(|c| !part.key.contains(&c.name))
        .map(|c| quote::ident(&c.name))
        .map(|name| format!("{name} = saved.{name}"))
        .collect();
    let update = format!(
        "UPDATE {live} AS live SET {set} FROM {saved} AS saved WHERE {matching};\n",
        set = set.join(", ")
    );
    let insert = format!(
        "INSERT INTO {live} ({all}) OVERRIDING SYSTEM VALUE SELECT {all} FROM {saved} AS saved\n  \
         WHERE NOT EXISTS (SELECT FROM {live} AS live WHERE {matching});\n"
    );
    if set.is_empty() {
        insert
    } else {
        format!("{update}{insert}")
    }
}

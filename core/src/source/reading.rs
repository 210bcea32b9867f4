//! From files to migrations: each file's parts, and the way back of each migration.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use crate::ident::Revision;
use crate::model::layout::Layout;
use crate::model::migration::Migration;
use crate::model::migration::Script;
use crate::source::alembic;
use crate::source::diesel;
use crate::source::file_name;
use crate::source::file_name::Style;
use crate::source::flyway;
use crate::source::header;
use crate::source::header::Header;
use crate::source::layout;
use crate::source::one_file;
use crate::source::part;
use crate::source::part::Part;

/// The scripts read so far.
pub(super) struct Reading {
    layout: Layout,
    ups: BTreeMap<Revision, Part>,
    /// Several of one revision may be rollbacks of different migrations, by name.
    downs: BTreeMap<Revision, Vec<Part>>,
    /// Files of Alembic, which only make sense together.
    together: Vec<Script>,
    /// What is wrong, in words.
    pub problems: Vec<String>,
}

impl Reading {
    /// Nothing read yet.
    pub const fn new(layout: Layout) -> Self {
        Self {
            layout,
            ups: BTreeMap::new(),
            downs: BTreeMap::new(),
            together: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Takes the file at `path`, of which `read` came.
    pub fn take(&mut self, path: &Path, read: io::Result<Vec<u8>>) {
        match self.parts(path, read) {
            Ok(parts) => self.add_all(parts),
            Err(problem) => self.problems.push(problem),
        }
    }

    /// The parts in the file at `path`; a problem in words.
    fn parts(&mut self, path: &Path, read: io::Result<Vec<u8>>) -> Result<Vec<Part>, String> {
        let shown = path.display().to_string();
        let file = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let text = match read.map(String::from_utf8) {
            Ok(Ok(text)) => text,
            Ok(Err(_)) => return Err(format!("'{shown}' is not text in UTF-8")),
            Err(e) => return Err(format!("'{shown}' can't be read: {e}")),
        };
        let script = Script::new(shown.clone(), &text);
        match self.layout {
            Layout::Alembic => {
                self.together.push(script);
                Ok(Vec::new())
            }
            Layout::Flyway => flyway::parts(path, file, script),
            Layout::Diesel => diesel::part(path, file, script).map(|part| vec![part]),
            layout => {
                let name = file_name::parse(file).ok_or_else(|| {
                    format!(
                        "'{shown}' is not named <version>_<name>.sql, the version being digits or YYYYMMDD_HHMMSS"
                    )
                })?;
                if matches!(layout, Layout::Dbmate | Layout::Goose | Layout::Tern) {
                    return one_file::parts(layout, &name, &script);
                }
                let alone = name.style == Style::UpDown && part::stands_alone(&script.text);
                Ok(vec![Part {
                    no_transaction: alone || layout::has_no_transaction(&script.text),
                    revision: name.revision,
                    name: name.name,
                    down: name.down,
                    script,
                }])
            }
        }
    }

    /// goose runs migrations written in Go too; leaving them out would leave a gap.
    pub fn refuse_go(&mut self, paths: &[PathBuf]) {
        for path in paths {
            let name = path.file_name().and_then(|name| name.to_str());
            let stem = name.and_then(|name| name.strip_suffix(".go"));
            if stem.is_some_and(|stem| file_name::split(stem).is_some()) {
                let shown = path.display();
                self.problems.push(format!(
                    "'{shown}' is written in Go, which only goose can run"
                ));
            }
        }
    }

    /// Makes sense of files that only together make any.
    pub fn take_together(&mut self) {
        if !self.together.is_empty() {
            let (parts, mut problems) = alembic::parts(&self.together);
            self.problems.append(&mut problems);
            self.add_all(parts);
        }
    }

    fn add_all(&mut self, parts: Vec<Part>) {
        for part in parts {
            self.add(part);
        }
    }

    fn add(&mut self, part: Part) {
        let other = if part.down {
            let of_it = self.downs.get(&part.revision);
            let mut of_it = of_it.into_iter().flatten();
            of_it.find(|other| self.belong(other, &part))
        } else {
            self.ups.get(&part.revision)
        };
        if let Some(other) = other {
            let what = if part.down {
                "roll back the same migration"
            } else {
                "have the same revision"
            };
            self.problems.push(format!(
                "'{}' and '{}' {what}",
                other.script.path, part.script.path
            ));
        } else if part.down {
            let of_it = self.downs.entry(part.revision.clone());
            of_it.or_default().push(part);
        } else {
            self.ups.insert(part.revision.clone(), part);
        }
    }

    /// Whether two scripts of one revision are of one migration. Names in pairs must agree;
    /// elsewhere the version alone counts.
    fn belong(&self, one: &Part, other: &Part) -> bool {
        self.layout != Layout::Pairs || one.name == other.name
    }

    /// Every migration with its way back.
    pub fn pair(&mut self) -> Vec<Migration> {
        let mut downs = std::mem::take(&mut self.downs);
        let mut migrations = Vec::new();
        for up in std::mem::take(&mut self.ups).into_values() {
            let down = downs.get_mut(&up.revision).and_then(|of_it| {
                let found = of_it.iter().position(|down| self.belong(down, &up));
                found.map(|i| of_it.swap_remove(i))
            });
            migrations.push(self.migration(up, down));
        }
        let mut alone: Vec<Part> = downs.into_values().flatten().collect();
        alone.sort_by(|a, b| a.script.path.cmp(&b.script.path));
        for down in alone {
            self.problems.push(format!(
                "'{}' is a rollback without its migration: the names must be the same but for the suffix",
                down.script.path
            ));
        }
        migrations
    }

    fn migration(&mut self, up: Part, down: Option<Part>) -> Migration {
        let up_header = self.header(&up);
        let down_header = down.as_ref().map(|down| self.header(down));
        let down_header = down_header.unwrap_or_default();
        let down_outside = down.as_ref().is_some_and(|down| down.no_transaction);
        Migration {
            revision: up.revision,
            name: up.name,
            description: up_header.description,
            depends_on: up_header.depends_on,
            transactional: !up_header.no_transaction && !up.no_transaction,
            down_transactional: !down_header.no_transaction && !down_outside,
            up: up.script,
            down: down.map(|down| down.script),
        }
    }

    fn header(&mut self, part: &Part) -> Header {
        let header = header::read(&part.script.text);
        let path = &part.script.path;
        let problems = header.problems.iter();
        self.problems
            .extend(problems.map(|p| format!("'{path}': {p}")));
        header
    }
}

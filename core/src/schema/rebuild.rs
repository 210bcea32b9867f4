//! The way from the schema that is there to another one: statements in the order in which they can run.
//!
//! One way for all that need one: an undo, which puts rows back in between, and migrations that are
//! written for somebody. What holds no rows is dropped and made again where it differs; tables, columns
//! and sequences are altered. Renames can't be told from a column that goes and another one that comes.

use crate::sql::parse;

use super::changed::{self, Conversion};
use super::family::Family;
use super::fillings::{self, Filling};
use super::removals::removals;
use super::render::AddColumn;
use super::repair::{self, MissingColumn};
use super::{Catalog, Change, Diff, Entry, ObjectKey, ObjectKind, Phase};
use super::{about, again, diff, missing, render};

/// What must be there before a statement can run, beside what those before it make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Definitions alone.
    Definitions,
    /// The rows that are put back: it looks at them, or promises something of them.
    Rows,
}

/// One statement, or a few that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// As SQL. It needs an empty search path.
    pub sql: String,
    /// What it makes, for people; `None` where it prepares or completes something.
    pub makes: Option<String>,
    /// What it needs.
    pub needs: Needs,
}

/// The whole way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rebuild {
    /// Its steps, those that need rows last.
    pub steps: Vec<Step>,
    /// What rows that nobody puts back need in columns that are added.
    pub fillings: Vec<Filling>,
}

/// What may become of objects where rows are put back.
pub struct Judge<'a> {
    /// What differs may be made anew, and what is there beside may go; else only what lacks is given.
    pub unchanged: bool,
    /// It may go without a trace.
    pub may_go: &'a dyn Fn(&ObjectKey) -> bool,
    /// Somebody took it away, and it stays away.
    pub meant: &'a dyn Fn(&ObjectKey) -> bool,
}

/// What the way is for.
#[derive(Clone, Copy)]
pub enum Manner<'a> {
    /// Rows are put back in between: columns get defaults and promises only then.
    AroundRows(&'a Judge<'a>),
    /// A script that somebody runs on rows that stay, as whoever may.
    Script,
}

impl Manner<'_> {
    const fn anew(self) -> bool {
        match self {
            Self::AroundRows(judge) => judge.unchanged,
            Self::Script => true,
        }
    }

    fn may_go(self, key: &ObjectKey) -> bool {
        match self {
            Self::AroundRows(judge) => (judge.may_go)(key),
            Self::Script => true,
        }
    }

    fn comes_back(self, key: &ObjectKey) -> bool {
        match self {
            Self::AroundRows(judge) => !(judge.meant)(key),
            Self::Script => true,
        }
    }
}

/// The way from `from` to `to`, of which `entries` is a dump.
pub fn rebuild(to: &Catalog, from: &Catalog, entries: &[Entry], manner: Manner<'_>) -> Rebuild {
    let Diff {
        mut missing,
        mut extra,
        changed: mut differing,
        ..
    } = diff(to, from);
    missing.retain(|key| manner.comes_back(key));
    let anew = if manner.anew() {
        again::all(to, from, &differing, &extra, &|key| manner.may_go(key))
    } else {
        Vec::new()
    };
    missing.extend(again::lost(to, from, &anew));
    extra.extend(anew.iter().cloned());
    differing.retain(|change| !anew.contains(&change.key));
    let family = Family::of_both(to, from);
    // What a child has from its parent changes with that.
    differing.sort_by_key(|change| family.depth(&change.key));
    let mut way = Way {
        to,
        family,
        manner,
        rebuild: Rebuild::default(),
        waiting: Vec::new(),
    };
    way.all(from, entries, &missing, &extra, &differing);
    way.rebuild
}

struct Way<'a> {
    to: &'a Catalog,
    /// What is part of what, there and here.
    family: Family,
    manner: Manner<'a>,
    rebuild: Rebuild,
    /// What needs rows.
    waiting: Vec<Step>,
}

impl Way<'_> {
    fn all(
        &mut self,
        from: &Catalog,
        entries: &[Entry],
        missing: &[ObjectKey],
        extra: &[ObjectKey],
        differing: &[Change],
    ) {
        let manner = self.manner;
        // What is computed is nobody's loss.
        let computed = |key: &ObjectKey| {
            let object = from.get(key).filter(|_| key.kind == ObjectKind::Column);
            object.is_some_and(|object| render::generated(&object.definition).is_some())
        };
        let going = |key: &ObjectKey| manner.may_go(key) || computed(key);
        for sql in uncommented(extra, &going) {
            self.now(sql, None);
        }
        for change in differing.iter().filter(|_| manner.anew()) {
            for sql in self.steps(change, differing).first {
                self.now(sql, Some(change.key.to_string()));
            }
        }
        let away = removals(extra, [from, self.to], &self.family, differing, &going);
        for sql in away.now {
            self.now(sql, None);
        }
        let comments = differing
            .iter()
            .filter(|c| c.key.kind == ObjectKind::Comment);
        let missing = [
            missing,
            &comments.map(|c| c.key.clone()).collect::<Vec<_>>(),
        ]
        .concat();
        let (found, left) = missing::missing_statements(&missing, entries);
        let kinds = [ObjectKind::Column, ObjectKind::Type];
        let needs = missing.iter().filter(|key| kinds.contains(&key.kind));
        let needs = needs.filter_map(|key| Some(&*self.to.get(key)?.definition));
        let ahead = missing::ahead(&found, needs.chain(differing.iter().map(|c| &*c.before)));
        let mut found: Vec<(Phase, &Entry)> = found
            .into_iter()
            .map(|entry| {
                if ahead.contains(&entry) {
                    (Phase::Early, entry)
                } else {
                    (entry.phase(), entry)
                }
            })
            .collect();
        self.entries(&found, Phase::Early);
        let columns = repair::columns(self.to, &self.family, &missing);
        let (last, first): (Vec<_>, Vec<_>) = columns.into_iter().partition(|c| c.of_relation);
        let (computed, first): (Vec<_>, Vec<_>) = first.into_iter().partition(|c| c.generated);
        for column in &first {
            self.column(column, &missing, &mut found);
        }
        let mut attach = Vec::new();
        for change in differing {
            attach.extend(self.altered(change, differing, entries));
        }
        for column in &computed {
            self.column(column, &missing, &mut found);
        }
        self.entries(&found, Phase::Main);
        for column in &last {
            self.column(column, &missing, &mut found);
        }
        // What becomes a part of a table must promise all that the table does, and gets what it lacks.
        for sql in repair::constraints(self.to, &self.family, &left, &missing) {
            self.later(sql, None);
        }
        let kinds = ["INDEX", "CONSTRAINT", "CHECK CONSTRAINT"];
        let (indexes, found): (Vec<_>, Vec<_>) =
            (found.into_iter()).partition(|(_, entry)| kinds.contains(&&*entry.kind));
        self.entries(&indexes, Phase::Post);
        for sql in attach {
            self.later(sql, None);
        }
        for phase in [Phase::Post, Phase::Late, Phase::Last] {
            self.entries(&found, phase);
        }
        for entry in missing::publication_statements(differing, entries) {
            for sql in self.own(&entry.sql) {
                self.later(sql, None);
            }
        }
        for sql in away.last {
            self.later(sql, None);
        }
        self.rebuild.steps.append(&mut self.waiting);
    }

    fn now(&mut self, sql: String, makes: Option<String>) {
        let needs = Needs::Definitions;
        self.rebuild.steps.push(Step { sql, makes, needs });
    }

    fn later(&mut self, sql: String, makes: Option<String>) {
        let needs = Needs::Rows;
        self.waiting.push(Step { sql, makes, needs });
    }

    /// The entries of a phase.
    fn entries(&mut self, all: &[(Phase, &Entry)], phase: Phase) {
        for (_, entry) in all.iter().filter(|entry| entry.0 == phase) {
            let makes = Some(format!("{} {}", entry.kind.to_lowercase(), entry.name));
            for sql in self.own(&entry.sql) {
                match phase {
                    Phase::Early | Phase::Main => self.now(sql, makes.clone()),
                    Phase::Post | Phase::Late | Phase::Last => self.later(sql, makes.clone()),
                }
            }
        }
    }

    /// The statements of an entry; in a script without the one that says whose the object is.
    fn own(&self, sql: &str) -> Vec<String> {
        if let Manner::AroundRows(_) = self.manner {
            return vec![sql.to_owned()];
        }
        let all = parse::script(sql).into_iter().map(|s| s.text);
        let about_owner = |text: &String| text.starts_with("ALTER ") && text.contains(" OWNER TO ");
        all.filter(|text| !about_owner(text)).collect()
    }

    /// Adds a column. In a script an identity comes with it, and is none of the entries `found` any more.
    fn column(
        &mut self,
        column: &MissingColumn,
        missing: &[ObjectKey],
        found: &mut Vec<(Phase, &Entry)>,
    ) {
        let makes = Some(column.key.to_string());
        let filling = fillings::of(self.to, column, missing);
        if let Manner::Script = self.manner {
            let identity = filling.and_then(|filling| filling.take_identity(found));
            for sql in self.added(column, identity.as_deref()) {
                self.now(sql, makes.clone());
            }
            return;
        }
        // Without default and NOT NULL: a default would fill rows whose value was NULL.
        let steps = &column.steps;
        let add = (!column.inherited).then_some(&steps.add);
        for sql in add.into_iter().chain(&steps.settings) {
            self.now(sql.clone(), makes.clone());
        }
        self.rebuild.fillings.extend(filling);
        let promises = [&steps.set_not_null, &steps.set_default];
        for sql in promises.into_iter().flatten() {
            self.later(sql.clone(), None);
        }
    }

    /// Adds a column as one would by hand: rows that are there get its default, or a number of its identity.
    fn added(&self, column: &MissingColumn, identity: Option<&str>) -> Vec<String> {
        let AddColumn {
            add,
            settings,
            default,
            set_default,
            set_not_null,
            ..
        } = &column.steps;
        if column.inherited {
            // Unlike that of the parent, if it is.
            let above = self.family.inherited(&column.key, self.to.objects().keys());
            let above = above.and_then(|key| render::add_column(self.to, key));
            let differs = |of: fn(&AddColumn) -> Option<String>| {
                of(&column.steps) != above.as_ref().and_then(of)
            };
            let default = set_default
                .iter()
                .filter(|_| differs(|c| c.default.clone()));
            let not_null = set_not_null.iter();
            let not_null =
                not_null.filter(|_| differs(|c| c.set_not_null.as_ref().map(|_| String::new())));
            return default.chain(not_null).chain(settings).cloned().collect();
        }
        let default = default
            .as_ref()
            .map_or_else(String::new, |d| format!(" DEFAULT {d}"));
        let plain = |set: &&String| set.ends_with(" SET NOT NULL");
        let not_null = set_not_null.as_ref().filter(plain);
        let not_null = not_null.map_or("", |_| " NOT NULL");
        let identity = identity.unwrap_or_default();
        let add = format!("{add}{default}{not_null}{identity}");
        let named = set_not_null.iter().filter(|set| !plain(set));
        std::iter::once(add)
            .chain(named.cloned())
            .chain(settings.iter().cloned())
            .collect()
    }

    /// What makes something that is there as it should be.
    fn steps(&self, change: &Change, differing: &[Change]) -> changed::Steps {
        let conversion = match self.manner {
            Manner::AroundRows(_) => Conversion::Text,
            Manner::Script => Conversion::Cast,
        };
        let others = differing.iter().map(|other| &other.key);
        let inherited = self.family.inherited(&change.key, others).is_some();
        changed::steps(change, conversion, inherited)
    }

    /// Makes what is there as it should be. Returns what makes a table a part of another one: rows that
    /// were there are gone by then.
    fn altered(&mut self, change: &Change, differing: &[Change], entries: &[Entry]) -> Vec<String> {
        let steps = self.steps(change, differing);
        let mut makes = Some(change.key.to_string());
        if !self.manner.anew() {
            for sql in steps.late {
                self.later(sql, makes.take());
            }
            return Vec::new();
        }
        for sql in steps.early {
            self.now(sql, makes.take());
        }
        if change.key.kind.is_routine() {
            let (found, _) =
                missing::missing_statements(std::slice::from_ref(&change.key), entries);
            for entry in found {
                for sql in self.own(&entry.sql) {
                    self.now(changed::replacing(sql), makes.take());
                }
            }
        }
        for sql in steps.late {
            self.later(sql, makes.take());
        }
        steps.attach
    }
}

/// What takes comments that are too many off objects that stay.
fn uncommented(extra: &[ObjectKey], may_go: &dyn Fn(&ObjectKey) -> bool) -> Vec<String> {
    let stays = |key: &&ObjectKey| !extra.iter().any(|other| about::concerns(key, other));
    let comments = extra.iter().filter(|key| key.kind == ObjectKind::Comment);
    let off = |key: &ObjectKey| {
        let about::Tag { word, identity } = about::tag(&key.name)?;
        Some(format!("COMMENT ON {word} {identity} IS NULL"))
    };
    let going = comments.filter(|key| may_go(key));
    going.filter(stays).filter_map(off).collect()
}

//! The few statements that are written from the model, because a dump has them only inside
//! another one.

use crate::ident::TableName;
use crate::sql::quote;

use super::Catalog;
use super::Object;
use super::ObjectKey;
use super::ObjectKind;

/// What puts a column back, in steps: the values come between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddColumn {
    /// `ALTER TABLE … ADD COLUMN …`, without default and without NOT NULL: a default would fill
    /// rows whose value was NULL. A generated column has its expression.
    pub add: String,
    /// Storage, compression, statistics target, options. Can run at once.
    pub settings: Vec<String>,
    /// The default, as an expression.
    pub default: Option<String>,
    /// `SET DEFAULT`, after the values are there.
    pub set_default: Option<String>,
    /// `SET NOT NULL`, or the same as a constraint with a name, after the values are there.
    pub set_not_null: Option<String>,
    /// `always` or `by default` for an identity column. Its sequence is an object of its own, and
    /// a dump's entry for that makes the identity, after NOT NULL.
    pub identity: Option<String>,
}

/// The statements that put the column `key` of `catalog` back; `None` when it isn't there.
///
/// They need an empty `search_path`.
pub fn add_column(catalog: &Catalog, key: &ObjectKey) -> Option<AddColumn> {
    steps(key, &catalog.get(key)?.definition)
}

/// The steps for the column `key` of which `definition` is known.
pub(super) fn steps(key: &ObjectKey, definition: &str) -> Option<AddColumn> {
    let table = table(key, ObjectKind::Column)?;
    let column = quote::ident(&key.name);
    let alter = alter_column(key)?;
    let facts = Facts::of(definition);
    let foreign = facts.options.as_ref().map_or_else(String::new, |o| {
        format!(" OPTIONS ({})", assignments(o, " ", false))
    });
    let generated = facts.generated.as_ref().map_or_else(String::new, |g| {
        format!(" GENERATED ALWAYS AS ({}) {}", g.expression, g.kept)
    });
    // Children have their own.
    let only = alter.replacen("ALTER TABLE ", "ALTER TABLE ONLY ", 1);
    let mut settings = Vec::new();
    if let Some(storage) = &facts.storage {
        settings.push(format!("{only} SET STORAGE {storage}"));
    }
    if let Some(compression) = &facts.compression {
        settings.push(format!("{only} SET COMPRESSION {compression}"));
    }
    if let Some(target) = &facts.statistics {
        settings.push(format!("{only} SET STATISTICS {target}"));
    }
    if let Some(options) = &facts.with {
        settings.push(format!(
            "{only} SET ({})",
            assignments(options, " = ", true)
        ));
    }
    Some(AddColumn {
        add: format!(
            "ALTER TABLE {table} ADD COLUMN {column} {}{foreign}{generated}",
            facts.type_name
        ),
        settings,
        default: facts.default.clone(),
        set_default: facts.default.map(|d| format!("{only} SET DEFAULT {d}")),
        set_not_null: (facts.not_null.as_ref()).map(|n| n.statement(&table, &column, &alter)),
        identity: facts.identity,
    })
}

/// `ALTER TABLE … ALTER COLUMN …`, to be completed; `None` when `key` is no column.
pub fn alter_column(key: &ObjectKey) -> Option<String> {
    let table = table(key, ObjectKind::Column)?;
    let column = quote::ident(&key.name);
    Some(format!("ALTER TABLE {table} ALTER COLUMN {column}"))
}

/// `ALTER TABLE … ADD CONSTRAINT …` for a constraint of a table that still exists.
///
/// For a CHECK that a dump has inside the table's own statement; indexes behind keys come back
/// with default settings.
pub fn add_constraint(catalog: &Catalog, key: &ObjectKey) -> Option<String> {
    let table = table(key, ObjectKind::Constraint)?;
    let definition = &catalog.get(key)?.definition;
    let name = quote::ident(&key.name);
    // What follows the definition are facts about the constraint and its index. A definition may
    // have line breaks of its own, inside a literal.
    let end = [
        "\nnot validated",
        "\nCREATE UNIQUE INDEX ",
        "\nCREATE INDEX ",
    ]
    .iter()
    .filter_map(|fact| definition.find(fact))
    .min()
    .unwrap_or(definition.len());
    Some(format!(
        "ALTER TABLE {table} ADD CONSTRAINT {name} {}",
        &definition[..end]
    ))
}

/// The quoted table of `key`, when it is of that `kind`.
fn table(key: &ObjectKey, kind: ObjectKind) -> Option<String> {
    let table = key.table.as_ref().filter(|_| key.kind == kind)?;
    Some(quote::table(&TableName::new(&key.schema, table)))
}

/// A column's definition, taken apart.
#[derive(Default)]
struct Facts {
    type_name: String,
    not_null: Option<NotNull>,
    identity: Option<String>,
    default: Option<String>,
    generated: Option<Generated>,
    storage: Option<String>,
    compression: Option<String>,
    statistics: Option<String>,
    with: Option<String>,
    options: Option<String>,
}

/// A NOT NULL: since 18 a constraint, which may have a name, and more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct NotNull {
    /// A name other than the server gives.
    name: Option<String>,
    not_valid: bool,
    no_inherit: bool,
}

impl NotNull {
    /// What follows `not null`.
    fn of(rest: &str) -> Self {
        let (facts, name) = match rest.split_once(" constraint ") {
            Some((facts, name)) => (facts, Some(name.to_owned())),
            None => (rest, None),
        };
        Self {
            name,
            not_valid: facts.contains(" not valid"),
            no_inherit: facts.contains(" no inherit"),
        }
    }

    fn statement(&self, table: &str, column: &str, alter: &str) -> String {
        if *self == Self::default() {
            return format!("{alter} SET NOT NULL");
        }
        let name = self.name.as_ref().map_or_else(String::new, |name| {
            format!("CONSTRAINT {} ", quote::ident(name))
        });
        let no_inherit = if self.no_inherit { " NO INHERIT" } else { "" };
        let not_valid = if self.not_valid { " NOT VALID" } else { "" };
        format!("ALTER TABLE {table} ADD {name}NOT NULL {column}{no_inherit}{not_valid}")
    }
}

/// What gives the NOT NULL of a column that is defined as `after` the name that it has in `before`;
/// `None` where more is different than its name.
pub(super) fn rename_not_null(key: &ObjectKey, before: &str, after: &str) -> Option<String> {
    let table = table(key, ObjectKind::Column)?;
    let [to, from] = [before, after].map(|definition| Facts::of(definition).not_null);
    let (to, from) = (to?, from?);
    let nameless = |n: &NotNull| NotNull {
        name: None,
        ..n.clone()
    };
    if to == from || nameless(&to) != nameless(&from) {
        return None;
    }
    let of = key.table.as_deref().unwrap_or_default();
    let name = |n: NotNull| {
        n.name
            .unwrap_or_else(|| format!("{of}_{}_not_null", key.name))
    };
    let [from, to] = [from, to].map(|n| quote::ident(&name(n)));
    Some(format!(
        "ALTER TABLE {table} RENAME CONSTRAINT {from} TO {to}"
    ))
}

/// What a column that is defined so is computed by, and whether it is `STORED`; `None`: it is not.
pub(super) fn generated(definition: &str) -> Option<(String, bool)> {
    let generated = Facts::of(definition).generated?;
    Some((generated.expression, generated.kept == "STORED"))
}

/// The definition of a column without a name of its NOT NULL that the server may have made up.
pub(super) fn without_name_of_not_null(definition: &str, drop: fn(&str) -> bool) -> String {
    let lines = definition.split('\n').enumerate().map(|(number, line)| {
        // Only there: an expression may have any lines, and stands behind.
        let named =
            (number == 1 && line.starts_with("not null")).then(|| line.split_once(" constraint "));
        match named.flatten() {
            Some((rest, name)) if drop(name) => rest,
            _ => line,
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// `catalog` without any names of NOT NULL.
pub fn without_names_of_not_null(catalog: &Catalog) -> Catalog {
    let mut nameless = Catalog::default();
    for (key, object) in catalog.objects() {
        let definition = match key.kind {
            ObjectKind::Column => without_name_of_not_null(&object.definition, |_| true),
            _ => object.definition.clone(),
        };
        let object = Object {
            definition,
            ..object.clone()
        };
        nameless.insert(key.clone(), object);
    }
    nameless
}

struct Generated {
    expression: String,
    kept: &'static str,
}

impl Facts {
    /// The facts stand in a fixed order, one per line; only an expression can hold line breaks,
    /// so it goes on until a later fact begins.
    fn of(definition: &str) -> Self {
        const AFTER: [&str; 5] = [
            "storage ",
            "compression ",
            "statistics ",
            "with ",
            "options ",
        ];
        let mut lines = definition.split('\n').peekable();
        let mut facts = Self {
            type_name: lines.next().unwrap_or_default().to_owned(),
            ..Self::default()
        };
        while let Some(line) = lines.next() {
            let mut expression = |first: &str| {
                let mut text = first.to_owned();
                while let Some(line) = lines.next_if(|l| !AFTER.iter().any(|w| l.starts_with(w))) {
                    text.push('\n');
                    text.push_str(line);
                }
                text
            };
            if let Some(rest) = line.strip_prefix("not null") {
                facts.not_null = Some(NotNull::of(rest));
            } else if let Some(kind) = line.strip_prefix("identity ") {
                facts.identity = Some(kind.to_owned());
            } else if let Some(first) = line.strip_prefix("default ") {
                facts.default = Some(expression(first));
            } else if let Some(first) = line.strip_prefix("generated stored ") {
                facts.generated = Some(Generated {
                    expression: expression(first),
                    kept: "STORED",
                });
            } else if let Some(first) = line.strip_prefix("generated virtual ") {
                facts.generated = Some(Generated {
                    expression: expression(first),
                    kept: "VIRTUAL",
                });
            } else if let Some((word, value)) = line.split_once(' ') {
                let slot = match word {
                    "storage" => &mut facts.storage,
                    "compression" => &mut facts.compression,
                    "statistics" => &mut facts.statistics,
                    "with" => &mut facts.with,
                    "options" => &mut facts.options,
                    _ => continue,
                };
                *slot = Some(value.to_owned());
            }
        }
        facts
    }
}

/// `a=1, b=2` as the settings or options of a statement.
fn assignments(list: &str, between: &str, bare: bool) -> String {
    let one = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = if bare {
            value.to_owned()
        } else {
            quote::literal(value)
        };
        format!("{}{between}{value}", quote::ident(name))
    };
    list.split(", ").map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::Object;
    use super::*;

    fn key(kind: ObjectKind, name: &str) -> ObjectKey {
        ObjectKey {
            kind,
            schema: "app".to_owned(),
            table: Some("t".to_owned()),
            name: name.to_owned(),
        }
    }

    #[test]
    fn a_column_comes_back_in_steps() {
        let mut catalog = Catalog::default();
        let key = key(ObjectKind::Column, "c");
        let definition = "text COLLATE pg_catalog.\"C\"\nnot null\ndefault 'a\nnot null'::text\n\
                          storage external\nwith n_distinct=10";
        catalog.insert(key.clone(), Object::new(definition, Some(1)));
        let column = add_column(&catalog, &key).unwrap();
        let alter = "ALTER TABLE \"app\".\"t\" ALTER COLUMN \"c\"";
        let only = "ALTER TABLE ONLY \"app\".\"t\" ALTER COLUMN \"c\"";
        assert_eq!(
            column,
            AddColumn {
                add: "ALTER TABLE \"app\".\"t\" ADD COLUMN \"c\" text COLLATE pg_catalog.\"C\""
                    .to_owned(),
                settings: vec![
                    format!("{only} SET STORAGE external"),
                    format!("{only} SET (\"n_distinct\" = 10)"),
                ],
                default: Some("'a\nnot null'::text".to_owned()),
                set_default: Some(format!("{only} SET DEFAULT 'a\nnot null'::text")),
                set_not_null: Some(format!("{alter} SET NOT NULL")),
                identity: None,
            }
        );
    }

    #[test]
    fn a_not_null_may_have_a_name() {
        let key = key(ObjectKind::Column, "c");
        let set = |facts: &str| {
            steps(&key, &format!("int\nnot null{facts}"))
                .unwrap()
                .set_not_null
        };
        let table = "ALTER TABLE \"app\".\"t\"";
        for (facts, expected) in [
            ("", format!("{table} ALTER COLUMN \"c\" SET NOT NULL")),
            (
                " constraint a constraint b",
                format!("{table} ADD CONSTRAINT \"a constraint b\" NOT NULL \"c\""),
            ),
            (
                " not valid no inherit constraint n",
                format!("{table} ADD CONSTRAINT \"n\" NOT NULL \"c\" NO INHERIT NOT VALID"),
            ),
            (
                " no inherit",
                format!("{table} ADD NOT NULL \"c\" NO INHERIT"),
            ),
        ] {
            assert_eq!(set(facts), Some(expected));
        }
        let named = "int\nnot null constraint n\ndefault '\nnot null constraint x'";
        let renamed = |before: &str, after: &str| rename_not_null(&key, before, after);
        assert_eq!(
            renamed(named, "int\nnot null"),
            Some(format!(
                "{table} RENAME CONSTRAINT \"t_c_not_null\" TO \"n\""
            ))
        );
        assert_eq!(renamed(named, "int"), None);
        assert_eq!(renamed(named, named), None);
        assert_eq!(
            without_name_of_not_null(named, |_| true),
            "int\nnot null\ndefault '\nnot null constraint x'"
        );
        assert_eq!(without_name_of_not_null(named, |_| false), named);
    }

    #[test]
    fn a_generated_column_has_its_expression() {
        let mut catalog = Catalog::default();
        let key = key(ObjectKind::Column, "g");
        catalog.insert(
            key.clone(),
            Object::new("text\ngenerated stored upper(n)", None),
        );
        let column = add_column(&catalog, &key).unwrap();
        assert!(
            column
                .add
                .ends_with("text GENERATED ALWAYS AS (upper(n)) STORED")
        );
        assert_eq!(column.set_default, None);
    }

    #[test]
    fn a_constraint_is_its_definition_without_the_facts() {
        let mut catalog = Catalog::default();
        let key = key(ObjectKind::Constraint, "k");
        catalog.insert(
            key.clone(),
            Object::new("CHECK ((a > 0)) NOT VALID\nnot validated", None),
        );
        assert_eq!(
            add_constraint(&catalog, &key).unwrap(),
            "ALTER TABLE \"app\".\"t\" ADD CONSTRAINT \"k\" CHECK ((a > 0)) NOT VALID"
        );
    }
}

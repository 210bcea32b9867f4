//! What a statement promises of the rows that are there: it fails where one of them breaks it.

use std::fmt;

use squawk_syntax::SyntaxKind;
use squawk_syntax::SyntaxNode;

use crate::sql::classify::columns;
use crate::sql::name;
use crate::sql::statement::{Name, TableAction};
use crate::sql::tree;

/// What a statement promises of the rows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// The table.
    pub table: Name,
    /// `ONLY`: not of its children and partitions.
    pub only: bool,
    /// What.
    pub promised: Promised,
}

/// What is promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Promised {
    /// A column holds no NULL.
    NotNull {
        /// The column.
        column: String,
    },
    /// A condition is not false.
    Check {
        /// As written.
        condition: String,
    },
    /// No two rows hold the same.
    Unique {
        /// The columns.
        columns: Vec<String>,
        /// Rows with a NULL among them differ from each other.
        nulls_distinct: bool,
        /// None of them holds NULL either.
        not_null: bool,
        /// Of which rows, as written; `None`: all.
        predicate: Option<String>,
    },
    /// What is not NULL is there in another table.
    Refers {
        /// The columns.
        columns: Vec<String>,
        /// The other table.
        to: Name,
        /// Its columns; empty: its primary key.
        to_columns: Vec<String>,
    },
    /// No text is longer: a conversion without USING cuts off nothing but blanks.
    Fits {
        /// The column.
        column: String,
        /// The new type, as written.
        type_name: String,
        /// How many characters it has room for.
        limit: u32,
    },
    /// There is no row: a column is added that must hold a value, and has none to begin with.
    Filled {
        /// The column.
        column: String,
        /// Its type, as written: a domain may have a default.
        type_name: String,
    },
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let only = if self.only { "only " } else { "" };
        write!(f, "{only}{}: {}", self.table, self.promised)
    }
}

impl fmt::Display for Promised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNull { column } => write!(f, "{column} NOT NULL"),
            Self::Check { condition } => write!(f, "CHECK {condition}"),
            Self::Unique {
                columns,
                nulls_distinct,
                not_null,
                predicate,
            } => {
                write!(f, "UNIQUE {}", columns.join(", "))?;
                if *not_null {
                    f.write_str(" NOT NULL")?;
                }
                if !nulls_distinct {
                    f.write_str(" (NULL equals NULL)")?;
                }
                predicate.iter().try_for_each(|p| write!(f, " WHERE {p}"))
            }
            Self::Refers {
                columns,
                to,
                to_columns,
            } => write!(
                f,
                "{} REFERENCES {to} ({})",
                columns.join(", "),
                to_columns.join(", ")
            ),
            Self::Fits {
                column, type_name, ..
            } => write!(f, "{column} in {type_name}"),
            Self::Filled { column, type_name } => {
                write!(f, "{column} {type_name} NOT NULL in no row")
            }
        }
    }
}

/// Every promise of `statement` that it checks at once, in order. What it adds as NOT VALID, or
/// takes over with an index, is none.
pub(super) fn promises(statement: &SyntaxNode) -> Vec<Promise> {
    let target = tree::child(statement, SyntaxKind::TABLE_RELATION_NAME);
    let Some((target, table)) = target.and_then(|t| Some((t.clone(), name::path(&t)?))) else {
        return Vec::new();
    };
    let found = match statement.kind() {
        SyntaxKind::CREATE_INDEX => index(statement).into_iter().collect(),
        SyntaxKind::ALTER_TABLE => altered(statement),
        _ => Vec::new(),
    };
    let only = tree::has(&target, SyntaxKind::ONLY_KW);
    let promise = |promised| Promise {
        table: table.clone(),
        only,
        promised,
    };
    found.into_iter().map(promise).collect()
}

fn altered(statement: &SyntaxNode) -> Vec<Promised> {
    // What another action of the same statement does to a column is not known here.
    let reshapes = [SyntaxKind::DROP_COLUMN, SyntaxKind::SET_TYPE];
    if tree::contains(statement, &reshapes) {
        return statement.children().filter_map(|a| fits(&a)).collect();
    }
    statement
        .children()
        .filter_map(|action| match action.kind() {
            SyntaxKind::ALTER_COLUMN => {
                let column = name::simple_in(&action, SyntaxKind::COLUMN_NAME_REF)?;
                tree::child(&action, SyntaxKind::SET_NOT_NULL)?;
                Some(Promised::NotNull { column })
            }
            SyntaxKind::ADD_COLUMN => added(&action),
            SyntaxKind::ADD_CONSTRAINT => constraint(&action.first_child()?),
            _ => None,
        })
        .collect()
}

/// A conversion to a text of limited length, if `action` is one. It is made from the values that are
/// there before the statement, whatever its other actions do.
fn fits(action: &SyntaxNode) -> Option<Promised> {
    let TableAction::AlterType {
        column,
        new_type,
        using: None,
    } = columns::action(action)?
    else {
        return None;
    };
    let limit = text_limit(&new_type)?;
    Some(Promised::Fits {
        column,
        type_name: new_type,
        limit,
    })
}

/// How many characters a value of the type may have; `None`: it is no text, or has no limit.
pub fn text_limit(type_name: &str) -> Option<u32> {
    let lower = type_name.trim().to_ascii_lowercase();
    let plain = lower.strip_prefix("pg_catalog.").unwrap_or(&lower);
    let (name, limit) = plain.split_once('(').unwrap_or((plain, ""));
    let digits = limit.trim_end().strip_suffix(')');
    let limit = digits.and_then(|digits| digits.trim().parse().ok());
    match name.trim() {
        "char" | "character" if plain == name => Some(1),
        "char" | "character" | "bpchar" | "varchar" | "character varying" | "char varying" => limit,
        _ => None,
    }
}

/// A column that no row would have a value for, and that must have one.
fn added(column: &SyntaxNode) -> Option<Promised> {
    let filled = [
        SyntaxKind::DEFAULT_CONSTRAINT,
        SyntaxKind::GENERATED_CONSTRAINT,
        SyntaxKind::IF_NOT_EXISTS,
    ];
    let must = [
        SyntaxKind::NOT_NULL_CONSTRAINT,
        SyntaxKind::PRIMARY_KEY_CONSTRAINT,
    ];
    let has = |kinds: &[SyntaxKind]| kinds.iter().any(|kind| tree::has(column, *kind));
    if has(&filled) || !has(&must) {
        return None;
    }
    let mut nodes = column.children();
    let named = nodes.find(|n| n.kind() == SyntaxKind::COLUMN_NAME)?;
    let type_name = tree::text(&nodes.next()?);
    let plain = type_name.to_lowercase();
    let numbered = [
        "serial",
        "serial2",
        "serial4",
        "serial8",
        "smallserial",
        "bigserial",
    ];
    (!numbered.contains(&plain.as_str())).then_some(Promised::Filled {
        column: name::simple(&named)?,
        type_name,
    })
}

fn constraint(node: &SyntaxNode) -> Option<Promised> {
    // NO INHERIT is about fewer rows than the statement seems to be.
    let unchecked = [
        SyntaxKind::NOT_VALID,
        SyntaxKind::NOT_ENFORCED,
        SyntaxKind::NO_INHERIT,
        SyntaxKind::USING_INDEX_NAME,
    ];
    if unchecked.iter().any(|kind| tree::has(node, *kind)) {
        return None;
    }
    match node.kind() {
        SyntaxKind::NOT_NULL_CONSTRAINT => Some(Promised::NotNull {
            column: name::simple_in(node, SyntaxKind::COLUMN_NAME_REF)?,
        }),
        SyntaxKind::CHECK_CONSTRAINT => {
            let open = |n: &squawk_syntax::SyntaxElement| n.kind() == SyntaxKind::L_PAREN;
            let mut behind = node.children_with_tokens().skip_while(|n| !open(n));
            let condition = behind.find_map(squawk_syntax::SyntaxElement::into_node)?;
            Some(Promised::Check {
                condition: tree::text(&condition),
            })
        }
        SyntaxKind::UNIQUE_CONSTRAINT | SyntaxKind::PRIMARY_KEY_CONSTRAINT => {
            let parameters = tree::child(node, SyntaxKind::INDEX_PARAMETERS)?;
            let list = tree::child(&parameters, SyntaxKind::CONSTRAINT_COLUMN_REF_LIST)?;
            Some(Promised::Unique {
                columns: names(&list)?,
                nulls_distinct: !tree::has(&parameters, SyntaxKind::NULLS_NOT_DISTINCT),
                not_null: node.kind() == SyntaxKind::PRIMARY_KEY_CONSTRAINT,
                predicate: None,
            })
        }
        SyntaxKind::FOREIGN_KEY_CONSTRAINT => {
            let mut lists = tree::children(node, SyntaxKind::FOREIGN_KEY_COLUMN_LIST);
            let columns = names(&lists.next()?)?;
            // MATCH FULL has rules of its own for NULL.
            if tree::has(node, SyntaxKind::MATCH_FULL) {
                return None;
            }
            let to = tree::child(node, SyntaxKind::TABLE_NAME_REF)?;
            Some(Promised::Refers {
                columns,
                to: name::path(&to)?,
                to_columns: lists.next().map_or(Some(Vec::new()), |list| names(&list))?,
            })
        }
        _ => None,
    }
}

/// The plain names in a list; `None` when it holds anything else.
fn names(list: &SyntaxNode) -> Option<Vec<String>> {
    let names = list.children().map(|n| {
        (n.kind() == SyntaxKind::COLUMN_NAME_REF)
            .then(|| name::simple(&n))
            .flatten()
    });
    names
        .collect::<Option<Vec<String>>>()
        .filter(|all| !all.is_empty())
}

fn index(statement: &SyntaxNode) -> Option<Promised> {
    if !tree::has(statement, SyntaxKind::UNIQUE_KW)
        || tree::has(statement, SyntaxKind::IF_NOT_EXISTS)
    {
        return None;
    }
    let list = tree::child(statement, SyntaxKind::PARTITION_ITEM_LIST)?;
    let column = |item: SyntaxNode| {
        let other = [SyntaxKind::COLLATE, SyntaxKind::OP_CLASS_REF];
        let value = item
            .first_child()
            .filter(|n| n.kind() == SyntaxKind::NAME_REF)?;
        (!other.iter().any(|kind| tree::has(&item, *kind))).then(|| name::simple(&value))?
    };
    let columns = list
        .children()
        .map(column)
        .collect::<Option<Vec<String>>>()?;
    let filter = tree::child(statement, SyntaxKind::WHERE_CLAUSE);
    Some(Promised::Unique {
        columns,
        nulls_distinct: !tree::has(statement, SyntaxKind::NULLS_NOT_DISTINCT),
        not_null: false,
        predicate: filter.map(|filter| tree::after(&filter, 1)),
    })
}

#[cfg(test)]
mod tests {
    use crate::sql::parse;

    #[test]
    fn what_statements_promise() {
        let cases = [
            ("alter table t alter c set not null", "t: c NOT NULL"),
            ("alter table t add constraint n not null c", "t: c NOT NULL"),
            (
                "alter table only t add check (a > 1)",
                "only t: CHECK a > 1",
            ),
            ("alter table t add check (a > 1) not valid", ""),
            ("alter table t add check (a > 1) not enforced", ""),
            ("alter table t add check (a > 1) no inherit", ""),
            ("alter table t add unique (a, b without overlaps)", ""),
            ("alter table t add unique (a, \"B\")", "t: UNIQUE a, B"),
            (
                "alter table t add unique nulls not distinct (a)",
                "t: UNIQUE a (NULL equals NULL)",
            ),
            ("alter table t add unique using index i", ""),
            ("alter table t add primary key (a)", "t: UNIQUE a NOT NULL"),
            (
                "alter table t add foreign key (a) references s.p",
                "t: a REFERENCES s.p ()",
            ),
            (
                "alter table t add foreign key (a) references p (b) not valid",
                "",
            ),
            (
                "alter table t add foreign key (a, b) references p (x, y) on delete cascade",
                "t: a, b REFERENCES p (x, y)",
            ),
            (
                "alter table t add foreign key (a) references p match full",
                "",
            ),
            (
                "alter table t add c text not null",
                "t: c text NOT NULL in no row",
            ),
            ("alter table t add c text not null default ''", ""),
            ("alter table t add c text", ""),
            ("alter table t add c bigserial primary key", ""),
            (
                "alter table t add c int generated always as identity primary key",
                "",
            ),
            ("alter table t add if not exists c text not null", ""),
            (
                "alter table t add a int, add unique (a), alter b set not null",
                "t: UNIQUE a; t: b NOT NULL",
            ),
            ("alter table t drop a, alter b set not null", ""),
            ("alter table t alter b type int, alter b set not null", ""),
            (
                "create unique index on s.t (a desc, b) where c > 1",
                "s.t: UNIQUE a, b WHERE c > 1",
            ),
            ("create unique index concurrently i on t (a)", "t: UNIQUE a"),
            ("create unique index if not exists i on t (a)", ""),
            ("create unique index on t (lower(a))", ""),
            ("create index on t (a)", ""),
            ("create table t (a int not null, unique (a))", ""),
        ];
        for (sql, expected) in cases {
            let statements = parse::script(sql);
            let promises = statements.iter().flat_map(|s| &s.promises);
            let told: Vec<String> = promises.map(ToString::to_string).collect();
            assert_eq!(told.join("; "), expected, "{sql}");
        }
    }
}

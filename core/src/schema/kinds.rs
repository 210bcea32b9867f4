//! The kinds of objects: all that must be known of each, in one table.

use super::Phase::{self, Early, Last, Late, Main, Post};

/// What is known of a kind.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// The types of a dump's entries that make such an object or a part of it, and when they can run.
    pub headers: &'static [(&'static str, Phase)],
    /// The word for DROP, where it can be dropped by its name alone.
    pub drop: Option<&'static str>,
    /// It holds no rows and no other thing that does: where it differs it is dropped and made again.
    pub made_again: bool,
}

/// Declares [`ObjectKind`] with the word of each kind and its [`Facts`].
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $word:literal, $headers:expr, $drop:expr, $again:expr;)*) => {
        /// What an object is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ObjectKind { $($(#[$doc])* $kind,)* }

        impl ObjectKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The word for people: `materialized view`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $word,)* }
            }

            /// The kind called `word`.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$kind),)* _ => None }
            }

            /// What is known of it.
            pub const fn facts(self) -> Facts {
                match self {
                    $(Self::$kind => Facts { headers: &$headers, drop: $drop, made_again: $again },)*
                }
            }
        }
    };
}

kinds! {
    /// A schema.
    Schema = "schema", [("SCHEMA", Early)], Some("SCHEMA"), false;
    /// An extension; its members aren't in the model.
    Extension = "extension", [("EXTENSION", Early)], None, false;
    /// A procedural language.
    Language = "language", [("PROCEDURAL LANGUAGE", Early)], None, false;
    /// An enum, domain, composite, range or base type.
    Type = "type",
        [("TYPE", Early), ("SHELL TYPE", Early), ("DOMAIN", Early), ("CHECK CONSTRAINT", Post)],
        Some("TYPE"), false;
    /// A table, partitioned table or foreign table.
    Table = "table",
        [("TABLE", Main), ("FOREIGN TABLE", Main), ("TABLE ATTACH", Main), ("ROW SECURITY", Post)],
        Some("TABLE"), false;
    /// A column of a table. Those of views are part of the view.
    Column = "column", [("DEFAULT", Main)], None, false;
    /// A constraint of a table, with the index behind it. NOT NULL is part of the column.
    Constraint = "constraint",
        [("CONSTRAINT", Post), ("FK CONSTRAINT", Post), ("CHECK CONSTRAINT", Post), ("INDEX ATTACH", Post)],
        None, true;
    /// An index that no constraint owns.
    Index = "index", [("INDEX", Post), ("INDEX ATTACH", Post)], Some("INDEX"), true;
    /// A trigger.
    Trigger = "trigger", [("TRIGGER", Post)], None, true;
    /// A rewrite rule.
    Rule = "rule", [("RULE", Post)], None, true;
    /// A row level security policy.
    Policy = "policy", [("POLICY", Post)], None, true;
    /// A view.
    View = "view", [("VIEW", Main), ("RULE", Post), ("DEFAULT", Main)], Some("VIEW"), true;
    /// A materialized view.
    Matview = "materialized view", [("MATERIALIZED VIEW", Main)], Some("MATERIALIZED VIEW"), true;
    /// A function.
    Function = "function", [("FUNCTION", Main)], Some("FUNCTION"), false;
    /// A procedure.
    Procedure = "procedure", [("PROCEDURE", Main)], Some("PROCEDURE"), false;
    /// An aggregate.
    Aggregate = "aggregate", [("AGGREGATE", Main)], None, false;
    /// A sequence: its parameters, not its position.
    Sequence = "sequence", [("SEQUENCE", Early), ("SEQUENCE OWNED BY", Main)], Some("SEQUENCE"), false;
    /// Extended statistics.
    Statistics = "statistics", [("STATISTICS", Post)], Some("STATISTICS"), true;
    /// An operator.
    Operator = "operator", [("OPERATOR", Main)], None, false;
    /// An operator class.
    OperatorClass = "operator class", [("OPERATOR CLASS", Main)], None, false;
    /// An operator family.
    OperatorFamily = "operator family", [("OPERATOR FAMILY", Main)], None, false;
    /// A cast.
    Cast = "cast", [("CAST", Main)], None, false;
    /// A collation.
    Collation = "collation", [("COLLATION", Early)], None, false;
    /// An encoding conversion.
    Conversion = "conversion", [("CONVERSION", Main)], None, false;
    /// A text search configuration.
    TextSearchConfiguration = "text search configuration", [("TEXT SEARCH CONFIGURATION", Main)], None, false;
    /// A text search dictionary.
    TextSearchDictionary = "text search dictionary", [("TEXT SEARCH DICTIONARY", Main)], None, false;
    /// A foreign data wrapper.
    ForeignDataWrapper = "foreign data wrapper", [("FOREIGN DATA WRAPPER", Main)], None, false;
    /// A foreign server.
    Server = "server", [("SERVER", Main)], None, false;
    /// A user mapping; its options are never read.
    UserMapping = "user mapping", [("USER MAPPING", Main)], None, false;
    /// A publication with its tables.
    Publication = "publication",
        [("PUBLICATION", Post), ("PUBLICATION TABLE", Post), ("PUBLICATION TABLES IN SCHEMA", Post)],
        None, false;
    /// An event trigger.
    EventTrigger = "event trigger", [("EVENT TRIGGER", Post)], None, false;
    /// ALTER DEFAULT PRIVILEGES.
    DefaultPrivileges = "default privileges", [("DEFAULT ACL", Post)], None, false;
    /// The owner of an object.
    Owner = "owner", [], None, false;
    /// Privileges, where they differ from those that a new object gets.
    Acl = "acl", [("ACL", Main)], None, false;
    /// A comment.
    Comment = "comment", [("COMMENT", Last)], None, false;
    /// Security labels.
    SecurityLabel = "security label", [("SECURITY LABEL", Last)], None, false;
}

impl ObjectKind {
    /// True for what is said of another object.
    pub const fn is_about(self) -> bool {
        matches!(
            self,
            Self::Owner | Self::Acl | Self::Comment | Self::SecurityLabel
        )
    }

    /// True for what another definition can take the place of.
    pub const fn is_routine(self) -> bool {
        matches!(self, Self::Function | Self::Procedure)
    }

    /// True for what may have indexes, triggers or rules of its own, and is made again with them.
    pub const fn is_view(self) -> bool {
        matches!(self, Self::View | Self::Matview)
    }

    /// True when entries of the type `header` make such an object or a part of it.
    pub fn is_made_by(self, header: &str) -> bool {
        self.facts()
            .headers
            .iter()
            .any(|(known, _)| *known == header)
    }
}

/// When an entry of the type `header` can run. An identity waits until its column is filled.
pub fn phase(header: &str, is_identity: bool) -> Phase {
    if is_identity {
        return Late;
    }
    let all = ObjectKind::ALL.iter();
    let mut known = all.flat_map(|kind| kind.facts().headers);
    let found = known.find(|(known, _)| *known == header);
    found.map_or(Main, |(_, phase)| *phase)
}

/// How `pg_identify_object` calls what owners, privileges, comments and labels are about; how COMMENT and
/// the headers of a dump call it, and GRANT, where it can be granted. The longest first.
pub const SAID_OF: &[(&str, &str, Option<&str>)] = &[
    ("table column ", "COLUMN", Some("TABLE")),
    ("view column ", "COLUMN", Some("TABLE")),
    ("materialized view column ", "COLUMN", Some("TABLE")),
    ("foreign table column ", "COLUMN", Some("TABLE")),
    ("composite type column ", "COLUMN", None),
    ("table constraint ", "CONSTRAINT", None),
    ("domain constraint ", "CONSTRAINT", None),
    ("statistics object ", "STATISTICS", None),
    (
        "foreign-data wrapper ",
        "FOREIGN DATA WRAPPER",
        Some("FOREIGN DATA WRAPPER"),
    ),
    ("server ", "SERVER", Some("FOREIGN SERVER")),
    (
        "text search configuration ",
        "TEXT SEARCH CONFIGURATION",
        None,
    ),
    ("text search dictionary ", "TEXT SEARCH DICTIONARY", None),
    ("operator class ", "OPERATOR CLASS", None),
    ("operator family ", "OPERATOR FAMILY", None),
    ("materialized view ", "MATERIALIZED VIEW", Some("TABLE")),
    ("foreign table ", "FOREIGN TABLE", Some("TABLE")),
    ("composite type ", "TYPE", Some("TYPE")),
    ("event trigger ", "EVENT TRIGGER", None),
    ("large object ", "LARGE OBJECT", Some("LARGE OBJECT")),
    ("table ", "TABLE", Some("TABLE")),
    ("view ", "VIEW", Some("TABLE")),
    ("index ", "INDEX", None),
    ("sequence ", "SEQUENCE", Some("SEQUENCE")),
    ("function ", "FUNCTION", Some("FUNCTION")),
    ("aggregate ", "AGGREGATE", Some("FUNCTION")),
    ("procedure ", "PROCEDURE", Some("PROCEDURE")),
    ("language ", "LANGUAGE", Some("LANGUAGE")),
    ("type ", "TYPE", Some("TYPE")),
    ("domain ", "DOMAIN", Some("TYPE")),
    ("trigger ", "TRIGGER", None),
    ("rule ", "RULE", None),
    ("policy ", "POLICY", None),
    ("schema ", "SCHEMA", Some("SCHEMA")),
];

//! What a table was before the scripts, and what it is after them.

use std::collections::BTreeMap;

use crate::model::backup::Part;
use crate::model::plan::{Coverage, Extent};
use crate::model::relation::{Column, Relation, RelationKind, World};
use crate::pg::record::{ColumnRecord, Saved, TableRecord};
use crate::pg::replaced;

/// What a table is after the scripts.
#[derive(Debug, Clone, Copy)]
pub enum Successor<'a> {
    /// Gone.
    None,
    /// Itself.
    Same(&'a Relation),
    /// Another table that has its name now, and perhaps its rows.
    Other(&'a Relation),
}

impl<'a> Successor<'a> {
    /// The table that it is.
    pub fn relation(self) -> Option<&'a Relation> {
        match self {
            Self::None => None,
            Self::Same(relation) | Self::Other(relation) => Some(relation),
        }
    }

    /// What became of `column`.
    fn column(self, column: &Column) -> Option<&'a Column> {
        match self {
            Self::None => None,
            Self::Same(now) => now.columns.iter().find(|c| c.number == column.number),
            Self::Other(now) => replaced::counterpart(column, now),
        }
    }
}

/// What became of `relation`.
pub fn successor<'a>(
    relation: &Relation,
    after: &'a World,
    covered: Option<&Coverage>,
) -> Successor<'a> {
    if let Some(now) = after.relations.get(&relation.oid) {
        return Successor::Same(now);
    }
    let name = &relation.name;
    let other = after.find(&name.schema, &name.name);
    let remembered = covered.is_some_and(|c| c.replaced);
    other
        .filter(|r| remembered && r.kind == RelationKind::Table)
        .map_or(Successor::None, Successor::Other)
}

/// One table's shape before and after.
pub fn shape(
    relation: &Relation,
    now: Successor<'_>,
    covered: Option<&Coverage>,
    saved: Option<&Part>,
) -> TableRecord {
    let number_of = |name: &String| relation.column(name).map(|c| c.number);
    let converted = |c: &Column| {
        let planned = covered.is_some_and(|covered| covered.retyped.contains(&c.name));
        now.column(c).is_some_and(|n| planned || !n.same_type(c))
    };
    let numbers = |f: &dyn Fn(&Column) -> bool| -> Vec<i16> {
        let columns = relation.columns.iter().filter(|c| f(c));
        columns.map(|c| c.number).collect()
    };
    let there = now.relation().is_some();
    let dropped = numbers(&|c| there && now.column(c).is_none());
    let retyped = numbers(&converted);
    let survives = |key: &&Vec<String>| {
        let mut columns = key.iter().map(|name| relation.column(name));
        !there || columns.all(|c| c.is_some_and(|c| now.column(c).is_some() && !converted(c)))
    };
    let key = match (covered, now) {
        (Some(coverage), Successor::None | Successor::Same(_)) => Some(&coverage.key),
        (Some(coverage), Successor::Other(_)) => Some(&coverage.key).filter(survives),
        (None, _) => relation.keys.iter().find(survives),
    };
    let columns_after = |now: Relation| -> Vec<(i16, String)> {
        let columns = now.columns.into_iter();
        columns.map(|c| (c.number, c.name)).collect()
    };
    TableRecord {
        before: (relation.name.schema.clone(), relation.name.name.clone()),
        after: now
            .relation()
            .map(|r| (r.name.schema.clone(), r.name.name.clone())),
        columns: relation
            .columns
            .iter()
            .map(|c| ColumnRecord {
                number: c.number,
                name: c.name.clone(),
                type_name: c.type_name.clone(),
                generated: c.generated,
            })
            .collect(),
        columns_after: match now {
            Successor::Same(now) => columns_after(now.clone()),
            _ => relation
                .columns
                .iter()
                .filter_map(|c| Some((c.number, now.column(c)?.name.clone())))
                .collect(),
        },
        key: key
            .map(|key| key.iter().filter_map(number_of).collect())
            .unwrap_or_default(),
        saved: match (saved, covered.map(|c| &c.extent)) {
            (None, _) | (_, None) => Saved::Nothing,
            (_, Some(Extent::Full)) => Saved::Full,
            (_, Some(Extent::Columns(_))) => Saved::Columns,
            (_, Some(Extent::Matching(_))) => Saved::Matching,
        },
        dropped,
        retyped,
        truncated: false,
        effects: Vec::new(),
        oid: match now {
            Successor::Same(now) => now.oid,
            Successor::None | Successor::Other(_) => 0,
        },
        since: BTreeMap::new(),
        put_back: None,
    }
}

//! Cutting tables into slices, and sharing the slices out.

use std::collections::BTreeMap;

use crate::model::backup::Part;
use crate::model::relation::Oid;
use crate::ops::saving::Rows;
use crate::pg::extent::Extent;
use crate::sql::quote;

/// Tables that take less are read one after another, into chunks that they share.
const SMALL: u64 = 1 << 20;

/// Small tables are read together up to this size, and up to this number.
const PACK: (u64, usize) = (8 << 20, 256);

/// No slice is planned smaller, or larger: what is small can be shared out evenly and compressed
/// best, and what is large keeps the number of chunks down.
const SLICE: (u64, u64) = (8 << 20, 64 << 20);

/// From about this number of slices on, they are planned larger.
const MANY: u64 = 8192;

/// What a table costs beside its bytes.
const EACH: u64 = 16 << 10;

/// The rows of a table, or those in some of its pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// The table's place among those to be saved.
    pub table: usize,
    /// The slice's place in its table.
    pub order: usize,
    /// What COPY reads.
    pub source: String,
    /// True when there are too many rows to share a chunk.
    pub alone: bool,
}

/// Slices that are read one after another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Load {
    /// Its place among all loads, in the order of their tables: so are their chunks numbered.
    pub number: u32,
    /// The slices.
    pub slices: Vec<Slice>,
    /// Their size in bytes, more or less.
    pub weight: u64,
}

/// Who reads what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// For whoever comes first, the largest first.
    pub shared: Vec<Load>,
    /// Packs of small tables, by worker: so that not everybody has to lock all of them.
    pub own: Vec<Vec<Load>>,
    /// How many loads there are.
    pub count: u32,
    /// All weights together.
    pub weight: u64,
    /// Rows by table, as far as is known.
    pub rows: Vec<u64>,
    /// Slices by table.
    pub slices: Vec<usize>,
}

/// Shares `tables` out among `jobs` workers.
pub fn plan(tables: &[Rows<'_>], extents: &BTreeMap<Oid, Extent>, jobs: usize) -> Plan {
    let extent = |table: &Rows<'_>| extents.get(&table.oid).copied();
    let all: u64 = tables.iter().filter_map(extent).map(|e| e.bytes).sum();
    let aim = (all / MANY).clamp(SLICE.0, SLICE.1);
    let mut loads: Vec<Load> = Vec::new();
    let mut packs: Vec<Load> = Vec::new();
    let mut pack = Load::default();
    for (number, table) in tables.iter().enumerate() {
        let extent = extent(table).unwrap_or(Extent {
            pages: 0,
            bytes: 0,
            rows: 0,
            ranges: false,
        });
        if extent.bytes < SMALL {
            pack.slices.push(whole(number, table, false));
            pack.weight += extent.bytes + EACH;
            if pack.weight >= PACK.0 || pack.slices.len() >= PACK.1 {
                packs.push(std::mem::take(&mut pack));
            }
        } else if extent.ranges && table.condition.is_empty() && extent.bytes > aim + aim / 2 {
            loads.extend(ranges(number, table, extent, aim));
        } else {
            loads.push(Load {
                slices: vec![whole(number, table, true)],
                weight: extent.bytes + EACH,
                number: 0,
            });
        }
    }
    if !pack.slices.is_empty() {
        packs.push(pack);
    }
    let mut count = 0;
    for load in loads.iter_mut().chain(&mut packs) {
        load.number = count;
        count += 1;
    }
    let weight = loads.iter().chain(&packs).map(|l| l.weight).sum();
    let mut slices = vec![0; tables.len()];
    for slice in loads.iter().chain(&packs).flat_map(|l| &l.slices) {
        slices[slice.table] += 1;
    }
    let rows = tables.iter().map(|t| extent(t).map_or(0, |e| e.rows));
    let rows = rows.collect();
    loads.sort_by_key(|load| (std::cmp::Reverse(load.weight), load.number));
    let jobs = jobs.min(count as usize).max(1);
    let mut own = vec![Vec::new(); jobs];
    for (number, pack) in packs.into_iter().enumerate() {
        own[number % jobs].push(pack);
    }
    Plan {
        shared: loads,
        own,
        count,
        weight,
        rows,
        slices,
    }
}

/// All rows of a table at once.
fn whole(number: usize, table: &Rows<'_>, alone: bool) -> Slice {
    let part = table.part;
    // Read without the executor of queries, which takes time of its own.
    let plain = table.condition.is_empty() && !part.columns.is_empty();
    let source = if plain {
        format!("{} ({})", quote::table(&part.table), columns(part))
    } else {
        query(part, table.condition)
    };
    Slice {
        table: number,
        order: 0,
        source,
        alone,
    }
}

/// A table in slices of about `aim` bytes. The last one has no end: the table may have grown.
fn ranges(number: usize, table: &Rows<'_>, extent: Extent, aim: u64) -> Vec<Load> {
    let slices = (extent.bytes / aim).clamp(1, extent.pages.max(1));
    let weight = extent.bytes / slices + EACH;
    let border = |n: u64| (u128::from(extent.pages) * u128::from(n) / u128::from(slices)) as u64;
    (0..slices)
        .map(|n| {
            let from = format!("ctid >= '({},0)'", border(n));
            let to = format!(" AND ctid < '({},0)'", border(n + 1));
            let condition = match (n > 0, n + 1 < slices) {
                (false, false) => String::new(),
                (false, true) => format!("WHERE{}", to.trim_start_matches(" AND")),
                (true, true) => format!("WHERE {from}{to}"),
                (true, false) => format!("WHERE {from}"),
            };
            Load {
                slices: vec![Slice {
                    table: number,
                    order: n as usize,
                    source: query(table.part, &condition),
                    alone: true,
                }],
                weight,
                number: 0,
            }
        })
        .collect()
}

fn query(part: &Part, condition: &str) -> String {
    format!(
        "(SELECT {} FROM ONLY {} {condition})",
        columns(part),
        quote::table(&part.table)
    )
}

fn columns(part: &Part) -> String {
    quote::idents(part.columns.iter().map(|c| c.name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ident::TableName;
    use crate::model::backup::{PartColumn, PartRole};

    fn part(name: &str) -> Part {
        let column = |name: &str| PartColumn {
            name: name.to_owned(),
            type_name: "text".to_owned(),
        };
        Part {
            table: TableName::new("s", name),
            role: PartRole::Rows,
            columns: vec![column("a"), column("b \"c\"")],
            key: Vec::new(),
        }
    }

    /// The plan for tables of so many pages, bytes, and whether ranges of pages can be read.
    fn planned(sizes: &[(u64, u64, bool)], condition: &str, jobs: usize) -> Plan {
        let parts: Vec<Part> = (0..sizes.len()).map(|n| part(&format!("t{n}"))).collect();
        let tables: Vec<Rows<'_>> = (parts.iter().enumerate())
            .map(|(n, part)| Rows {
                oid: n as Oid,
                part,
                condition,
            })
            .collect();
        let extents = sizes
            .iter()
            .enumerate()
            .map(|(n, &(pages, bytes, ranges))| {
                let extent = Extent {
                    pages,
                    bytes,
                    rows: 0,
                    ranges,
                };
                (n as Oid, extent)
            });
        plan(&tables, &extents.collect(), jobs)
    }

    #[test]
    fn slices_cover_every_page_once_and_the_last_has_no_end() {
        let plan = planned(&[(5000, 5000 * 8192, true)], "", 2);
        let mut slices: Vec<&Slice> = plan.shared.iter().flat_map(|l| &l.slices).collect();
        slices.sort_by_key(|s| s.order);
        assert_eq!(slices.len(), 4);
        let select = "(SELECT \"a\", \"b \"\"c\"\"\" FROM ONLY \"s\".\"t0\" WHERE ";
        let expected = [
            "ctid < '(1250,0)')",
            "ctid >= '(1250,0)' AND ctid < '(2500,0)')",
            "ctid >= '(2500,0)' AND ctid < '(3750,0)')",
            "ctid >= '(3750,0)')",
        ];
        for (slice, expected) in slices.iter().zip(expected) {
            assert_eq!(slice.source, format!("{select}{expected}"));
            assert!(slice.alone);
        }
    }

    #[test]
    fn what_cannot_be_cut_is_read_whole() {
        for (ranges, condition) in [(false, ""), (true, "WHERE x")] {
            let plan = planned(&[(50_000, 50_000 * 8192, ranges)], condition, 4);
            assert_eq!(plan.shared.len(), 1);
            assert_eq!(plan.own.len(), 1, "more connections would idle");
        }
        // Few pages, and much beside them.
        let plan = planned(&[(2, 900 << 20, true)], "", 4);
        assert_eq!(plan.shared.len(), 2);
    }

    #[test]
    fn small_tables_are_packed_and_everything_is_read_once() {
        let sizes: Vec<_> = (0..1000).map(|n| (n % 3, (n % 3) * 8192, true)).collect();
        let plan = planned(&sizes, "", 3);
        assert!(plan.shared.is_empty());
        let packs: Vec<&Load> = plan.own.iter().flatten().collect();
        assert_eq!(packs.len(), 4);
        let mut seen: Vec<usize> = (packs.iter().flat_map(|p| &p.slices))
            .map(|s| s.table)
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..1000).collect::<Vec<_>>());
        assert_eq!(planned(&[], "", 2).count, 0);
    }

    #[test]
    fn the_largest_come_first_and_numbers_follow_the_tables() {
        let sizes = [
            (300, 2 << 20, true),
            (9000, 9000 * 8192, true),
            (900, 7 << 20, true),
        ];
        let plan = planned(&sizes, "", 2);
        let weights: Vec<u64> = plan.shared.iter().map(|l| l.weight).collect();
        assert!(weights.is_sorted_by(|a, b| a >= b), "{weights:?}");
        let mut numbers: Vec<(usize, usize, u32)> = (plan.shared.iter())
            .map(|l| (l.slices[0].table, l.slices[0].order, l.number))
            .collect();
        numbers.sort_unstable();
        let found: Vec<u32> = numbers.iter().map(|n| n.2).collect();
        assert_eq!(found, (0..plan.count).collect::<Vec<_>>());
    }
}

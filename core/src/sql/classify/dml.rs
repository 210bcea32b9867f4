//! Statements that read or change rows.

use squawk_syntax::SyntaxKind;
use squawk_syntax::SyntaxNode;

use crate::sql::classify::refuse;
use crate::sql::name;
use crate::sql::statement::Dml;
use crate::sql::statement::Kind;
use crate::sql::statement::Name;
use crate::sql::tree;

const CHANGING: [SyntaxKind; 4] = [
    SyntaxKind::INSERT,
    SyntaxKind::UPDATE,
    SyntaxKind::DELETE,
    SyntaxKind::MERGE,
];

/// What a query, INSERT, UPDATE, DELETE or MERGE does, the CTEs in it included.
pub(super) fn kind(statement: &SyntaxNode) -> Option<Kind> {
    if tree::contains(
        statement,
        &[SyntaxKind::FOR_PORTION_OF, SyntaxKind::CONFLICT_DO_SELECT],
    ) {
        return None;
    }
    let into: Vec<SyntaxNode> = statement
        .descendants()
        .filter(|n| n.kind() == SyntaxKind::INTO_CLAUSE)
        .collect();
    let changes = changes_within(statement);
    match (into.as_slice(), statement.kind()) {
        ([], SyntaxKind::DELETE) if !changes => delete(statement).map(Kind::Delete),
        ([], SyntaxKind::UPDATE) if !changes => update(statement).map(Kind::Update),
        ([], SyntaxKind::INSERT) if !changes => Some(Kind::Insert {
            table: name::path_in(statement, SyntaxKind::RELATION_NAME_REF)?,
            updates: updates_on_conflict(statement),
        }),
        ([], kind) if changes || CHANGING.contains(&kind) => all_changes(statement),
        ([], _) => Some(Kind::Query),
        ([into], SyntaxKind::SELECT_INTO | SyntaxKind::COMPOUND_SELECT) if !changes => {
            name::path_in(into, SyntaxKind::TABLE_NAME).map(Kind::CreateTable)
        }
        _ => None,
    }
}

/// Whether a part of `statement`, itself not counted, changes rows.
pub(super) fn changes_within(statement: &SyntaxNode) -> bool {
    statement
        .descendants()
        .skip(1)
        .any(|n| CHANGING.contains(&n.kind()))
}

/// What TRUNCATE does.
pub(super) fn truncate(statement: &SyntaxNode) -> Option<Kind> {
    let list = tree::child(statement, SyntaxKind::TABLE_LIST)?;
    let tables = tree::children(&list, SyntaxKind::TABLE_RELATION_NAME)
        .map(|n| name::path(&n))
        .collect::<Option<Vec<Name>>>()?;
    (!tables.is_empty()).then(|| Kind::Truncate {
        tables,
        cascade: tree::has(statement, SyntaxKind::CASCADE),
        restart_identity: tree::has(statement, SyntaxKind::RESTART_IDENTITY),
    })
}

/// What COPY does.
pub(super) fn copy(statement: &SyntaxNode) -> Option<Kind> {
    let Some(from) = tree::child(statement, SyntaxKind::COPY_FROM) else {
        return Some(refuse(
            statement,
            "it takes data out of the database, to where no ROLLBACK reaches",
        ));
    };
    if tree::tokens(&from).any(|t| t.kind() == SyntaxKind::PROGRAM_KW) {
        return Some(refuse(statement, "it runs a program on the server"));
    }
    let table = tree::child(statement, SyntaxKind::COPY_TABLE)?;
    name::path_in(&table, SyntaxKind::TABLE_NAME_REF).map(Kind::CopyFrom)
}

fn delete(statement: &SyntaxNode) -> Option<Dml> {
    let mut dml = common(statement)?;
    dml.using = tree::child(statement, SyntaxKind::USING_CLAUSE).map(|n| tree::after(&n, 1));
    Some(dml)
}

fn update(statement: &SyntaxNode) -> Option<Dml> {
    let mut dml = common(statement)?;
    dml.using = tree::child(statement, SyntaxKind::FROM_CLAUSE).map(|n| tree::after(&n, 1));
    let set = tree::at(
        statement,
        &[SyntaxKind::SET_CLAUSE, SyntaxKind::SET_COLUMN_LIST],
    )?;
    dml.columns = set
        .children()
        .map(|assignment| match assignment.kind() {
            SyntaxKind::SET_SINGLE_COLUMN => columns_of(&assignment),
            SyntaxKind::SET_MULTIPLE_COLUMNS => {
                columns_of(&tree::child(&assignment, SyntaxKind::COLUMN_TARGET_LIST)?)
            }
            _ => None,
        })
        .collect::<Option<Vec<_>>>()?
        .concat();
    (!dml.columns.is_empty()).then_some(dml)
}

/// The columns that the assignment targets in `node` name: `a` for `a.field[1]`.
fn columns_of(node: &SyntaxNode) -> Option<Vec<String>> {
    tree::children(node, SyntaxKind::COLUMN_TARGET)
        .map(|target| name::simple_in(&target, SyntaxKind::COLUMN_NAME_REF))
        .collect()
}

/// What UPDATE and DELETE have in common. `None` for WHERE CURRENT OF.
fn common(statement: &SyntaxNode) -> Option<Dml> {
    if tree::has(statement, SyntaxKind::WHERE_CURRENT_OF) {
        return None;
    }
    let target = tree::child(statement, SyntaxKind::RELATION_NAME)?;
    let alias = tree::child(statement, SyntaxKind::OPTIONAL_AS_ALIAS);
    Some(Dml {
        table: name::path(&target)?,
        only: tree::has(&target, SyntaxKind::ONLY_KW),
        alias: match alias {
            Some(alias) => Some(name::simple_in(&alias, SyntaxKind::TABLE_ALIAS)?),
            None => None,
        },
        using: None,
        predicate: tree::child(statement, SyntaxKind::WHERE_CLAUSE).map(|n| tree::after(&n, 1)),
        with: tree::child(statement, SyntaxKind::WITH_CLAUSE).map(|n| tree::text(&n)),
        columns: Vec::new(),
    })
}

fn updates_on_conflict(insert: &SyntaxNode) -> bool {
    tree::child(insert, SyntaxKind::ON_CONFLICT_CLAUSE)
        .is_some_and(|clause| !tree::has(&clause, SyntaxKind::CONFLICT_DO_NOTHING))
}

/// The tables that any part of `statement` changes.
fn all_changes(statement: &SyntaxNode) -> Option<Kind> {
    let (mut deletes, mut updates, mut inserts) = (Vec::new(), Vec::new(), Vec::new());
    for part in statement
        .descendants()
        .filter(|n| CHANGING.contains(&n.kind()))
    {
        let table = [
            SyntaxKind::RELATION_NAME,
            SyntaxKind::RELATION_NAME_REF,
            SyntaxKind::TABLE_RELATION_NAME,
        ]
        .into_iter()
        .find_map(|kind| name::path_in(&part, kind))?;
        let merges = part.kind() == SyntaxKind::MERGE;
        let merge = |action| merges && tree::contains(&part, &[action]);
        if part.kind() == SyntaxKind::DELETE || merge(SyntaxKind::MERGE_DELETE) {
            add(&mut deletes, &table);
        }
        if part.kind() == SyntaxKind::UPDATE
            || merge(SyntaxKind::MERGE_UPDATE)
            || updates_on_conflict(&part)
        {
            add(&mut updates, &table);
        }
        if part.kind() == SyntaxKind::INSERT || merge(SyntaxKind::MERGE_INSERT) {
            add(&mut inserts, &table);
        }
    }
    Some(Kind::Changes {
        deletes,
        updates,
        inserts,
    })
}

fn add(tables: &mut Vec<Name>, table: &Name) {
    if !tables.contains(table) {
        tables.push(table.clone());
    }
}

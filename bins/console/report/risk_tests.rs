use pgbelay_core::model::loss::Severity;
use serde_json::{Value, json};

use super::*;
use crate::report::lines;

fn losses() -> [Loss; 2] {
    let loss = |name: &str, columns: &[&str], rows, certainty| Loss {
        rule: "RB-DROP-COLUMN",
        path: "migrations/0042_rollback.sql".to_owned(),
        line: 3,
        table: TableName::new("public", name),
        columns: columns.iter().map(|c| (*c).to_owned()).collect(),
        rows,
        certainty,
        bytes: 1_400_000,
        why: "dropped".to_owned(),
    };
    [
        loss(
            "users",
            &["email", "evil\x1b]0;x\x07"],
            1_234_567,
            Certainty::Exact,
        ),
        loss("Audit Log", &[], 0, Certainty::Unknown),
    ]
}

fn finding() -> Finding {
    Finding {
        rule: "RB-DROP-COLUMN",
        severity: Severity::Block,
        path: "0042_x_rollback.sql".into(),
        line: 3,
        message: "drops a column".into(),
    }
}

fn view<'a>(losses: &'a [Loss], findings: &'a [Finding]) -> RiskView<'a> {
    RiskView {
        target: Target::default(),
        from: Some("0042".into()),
        to: None,
        steps: vec![("0042".into(), "add email".into())],
        scripts: Vec::new(),
        losses,
        findings,
        refusals: Vec::new(),
        verdict: Verdict::LossRecoverable,
        definitions: vec!["view public.v".into()],
        locks: vec![(TableName::new("public", "users"), "ACCESS EXCLUSIVE".into())],
        not_evaluated: vec!["do block in 0042".into()],
        plan_hash: Some("abc".into()),
    }
}

#[test]
fn for_people() {
    let (losses, findings) = (losses(), [finding()]);
    let text = human(&view(&losses, &findings), Paint::new(false));
    assert!(text.starts_with("rollback from 0042 to base\n"), "{text}");
    assert!(!text.contains(['\x1b', '\x07']), "{text}");
    for part in [
        "  0042 add email\n",
        "1,234,567",
        "1.4 MB",
        "public.\"Audit Log\"",
        "  0042_x_rollback.sql:3: block: drops a column [RB-DROP-COLUMN]\n",
        "verdict: LOSS_RECOVERABLE: data goes; all of it can be kept and put back\n",
        "plan: abc\n",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn for_machines() {
    let (losses, findings) = (losses(), [finding()]);
    let document = lines::document(&wire(&view(&losses, &findings)), &Target::default());
    let value: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(value["schema"], 1);
    assert_eq!(value["verdict"], "LOSS_RECOVERABLE");
    assert_eq!(value["to"], Value::Null);
    assert_eq!(value["losses"][0]["rows"], 1_234_567);
    assert_eq!(value["losses"][1]["rows"], Value::Null);
    assert_eq!(
        value["locks"][0],
        json!({"table": "public.users", "mode": "ACCESS EXCLUSIVE"})
    );
    assert_eq!(value["findings"][0]["line"], 3);
}

//! Values in both forms, as servers write them.

use super::time::date;
use super::*;

/// What servers answer when a value is asked for in both forms.
const BOTH: &[(Form, &str, &str)] = &[
    (Form::Bool, "t", "01"),
    (Form::Bool, "f", "00"),
    (Form::Int2, "0", "0000"),
    (Form::Int2, "-32768", "8000"),
    (Form::Int2, "32767", "7fff"),
    (Form::Int4, "42", "0000002a"),
    (Form::Int4, "-2147483648", "80000000"),
    (Form::Int4, "2147483647", "7fffffff"),
    (Form::Int8, "-7", "fffffffffffffff9"),
    (Form::Int8, "-9223372036854775808", "8000000000000000"),
    (Form::Int8, "9223372036854775807", "7fffffffffffffff"),
    (Form::Int8, "999999999999999999", "0de0b6b3a763ffff"),
    (Form::Float4, "0", "00000000"),
    (Form::Float4, "1.5", "3fc00000"),
    (Form::Float4, "-3.4028235e+38", "ff7fffff"),
    (Form::Float4, "1e-37", "02081cea"),
    (Form::Float4, "0.1", "3dcccccd"),
    (Form::Float8, "0", "0000000000000000"),
    (Form::Float8, "0.1", "3fb999999999999a"),
    (Form::Float8, "-1.7976931348623157e+308", "ffefffffffffffff"),
    (Form::Float8, "1e-300", "01a56e1fc2f8f359"),
    (Form::Float8, "1.2345678901234568e+17", "437b69b4ba630f35"),
    (Form::Float8, "3.141592653589793", "400921fb54442d18"),
    (Form::Numeric, "0", "0000000000000000"),
    (Form::Numeric, "0.00", "0000000000000002"),
    (Form::Numeric, "1", "00010000000000000001"),
    (Form::Numeric, "-1.50", "000200004000000200011388"),
    (Form::Numeric, "10000", "00010001000000000001"),
    (
        Form::Numeric,
        "99999999.9999",
        "0003000100000004270f270f270f",
    ),
    (Form::Numeric, "0.0001", "0001ffff000000040001"),
    (Form::Numeric, "0.00001", "0001fffe0000000503e8"),
    (Form::Numeric, "-0.12345678", "0002ffff4000000804d2162e"),
    (
        Form::Numeric,
        "123456789012345678901234567890.5",
        "0009000700000001000c0d801ed204d2162e23340d801ed21388",
    ),
    (Form::Numeric, "100000000", "00010002000000000001"),
    (
        Form::Numeric,
        "100000000000000000000",
        "00010005000000000001",
    ),
    (Form::Text, "ä b", "c3a42062"),
    (Form::Text, "", ""),
    (Form::Jsonb, "{\"a\": 1}", "017b2261223a20317d"),
    (Form::Bytea, "\\x00ff5c", "00ff5c"),
    (Form::Bytea, "\\x", ""),
    (
        Form::Uuid,
        "00112233-4455-6677-8899-aabbccddeeff",
        "00112233445566778899aabbccddeeff",
    ),
    (Form::Date, "2000-01-01", "00000000"),
    (Form::Date, "1999-12-31", "ffffffff"),
    (Form::Date, "2024-02-29", "00002279"),
    (Form::Date, "0001-01-01", "fff4dbf9"),
    (Form::Date, "1900-03-01", "ffff718f"),
    (Form::Date, "99999-12-31", "02222b64"),
    (Form::Time, "00:00:00", "0000000000000000"),
    (Form::Time, "23:59:59.999999", "000000141dd75fff"),
    (Form::Time, "12:30:00.5", "0000000a7a3d2320"),
    (Form::Timestamp, "2000-01-01 00:00:00", "0000000000000000"),
    (Form::Timestamp, "1999-12-31 23:59:59.9", "fffffffffffe7960"),
    (
        Form::Timestamp,
        "2026-11-28 06:15:00.123456",
        "0003044edd7e2340",
    ),
    (Form::Timestamp, "0001-01-01 00:00:00", "ff1fe2ffc59c6000"),
    (
        Form::Timestamp,
        "294276-12-31 23:59:59.999999",
        "7fffff5bb3b29fff",
    ),
    (
        Form::Timestamptz,
        "2000-01-01 00:00:00+00",
        "0000000000000000",
    ),
    (
        Form::Timestamptz,
        "2026-11-28 06:15:00.123456+00",
        "0003044edd7e2340",
    ),
    (
        Form::Timestamptz,
        "2026-11-28 11:45:00.5+05:30",
        "0003044edd83e220",
    ),
    (
        Form::Timestamptz,
        "1800-01-01 05:53:28+05:53:28",
        "ffe993dcf8170000",
    ),
    (
        Form::Timestamptz,
        "2026-11-28 02:45:00.5-03:30",
        "0003044edd83e220",
    ),
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn values_are_what_a_server_sends() {
    for (form, text, binary) in BOTH {
        let mut out = Vec::new();
        assert_eq!(
            put(*form, text.as_bytes(), &mut out),
            Some(()),
            "{form:?} {text}"
        );
        assert_eq!(hex(&out), *binary, "{form:?} {text}");
    }
}

#[test]
fn every_day_follows_the_one_before() {
    let mut expected = date(b"0001-01-01").unwrap().0;
    for year in 1..=2500 {
        for month in 1..=12 {
            for day in 1..=31 {
                let text = format!("{year:04}-{month:02}-{day:02}");
                if let Some((days, _)) = date(text.as_bytes()) {
                    assert_eq!(days, expected, "{text}");
                    expected += 1;
                }
            }
        }
    }
    assert_eq!(date(b"2501-01-01").unwrap().0, expected);
}

#[test]
fn what_is_not_certain_is_left_to_the_server() {
    let doubtful: &[(Form, &str)] = &[
        (Form::Bool, "true"),
        (Form::Bool, ""),
        (Form::Int2, "32768"),
        (Form::Int4, "2147483648"),
        (Form::Int8, "9223372036854775808"),
        (Form::Int8, ""),
        (Form::Int8, "-"),
        (Form::Int8, "1 "),
        (Form::Int8, "0x1f"),
        (Form::Float4, "1e-45"),
        (Form::Float4, "1e39"),
        (Form::Float4, "NaN"),
        (Form::Float8, "Infinity"),
        (Form::Float8, "1e-320"),
        (Form::Float8, "-0"),
        (Form::Float8, "1e999"),
        (Form::Float8, ""),
        (Form::Numeric, "NaN"),
        (Form::Numeric, "-Infinity"),
        (Form::Numeric, "1e5"),
        (Form::Numeric, "1."),
        (Form::Numeric, ".5"),
        (Form::Numeric, "1.5.5"),
        (Form::Numeric, "--1"),
        (Form::Numeric, ""),
        (Form::Bytea, "abc"),
        (Form::Bytea, "\\xabc"),
        (Form::Uuid, "00112233445566778899aabbccddeeff"),
        (Form::Uuid, "0011223344-55-6677-8899-aabbccddeeff"),
        (Form::Uuid, "{0112233-4455-6677-8899-aabbccddeef}"),
        (Form::Date, "infinity"),
        (Form::Date, "0044-03-15 BC"),
        (Form::Date, "0000-01-01"),
        (Form::Date, "2023-02-29"),
        (Form::Date, "28/11/2026"),
        (Form::Date, "2026-13-01"),
        (Form::Date, "5874897-12-31"),
        (Form::Time, "24:00:00"),
        (Form::Time, "12:30"),
        (Form::Time, "12:30:00.1234567"),
        (Form::Timestamp, "-infinity"),
        (Form::Timestamp, "2026-11-28"),
        (Form::Timestamp, "2026-11-28 06:15:00+00"),
        (Form::Timestamp, "2026-11-28 06:15:00 BC"),
        (Form::Timestamp, "999999-11-28 06:15:00"),
        (Form::Timestamptz, "2026-11-28 06:15:00"),
        (Form::Timestamptz, "2026-11-28 06:15:00 UTC"),
        (Form::Timestamptz, "2026-11-28 06:15:00+99"),
    ];
    for (form, text) in doubtful {
        let mut out = Vec::new();
        assert_eq!(
            put(*form, text.as_bytes(), &mut out),
            None,
            "{form:?} {text}"
        );
    }
}

#[test]
fn rows_end_before_the_first_that_is_not_certain() {
    let forms = [Form::Int2, Form::Text];
    let whole = b"1\ta\\tb\n\\N\t\\\\N\n";
    let expected = "000200000002000100000003610962\
                0002ffffffff000000025c4e";
    for after in [
        "",
        "2",
        "2\tcut",
        "x\tno number\n3\tc\n",
        "2\n",
        "2\ta\ttoo many\n",
        "2\tunknown \\101 escape\n",
    ] {
        let text = [whole, after.as_bytes()].concat();
        let mut out = Vec::new();
        assert_eq!(rows(&forms, &text, &mut out), whole.len(), "{after}");
        assert_eq!(hex(&out), expected, "{after}");
    }
    assert_eq!(rows(&[], b"\n", &mut Vec::new()), 0);
}

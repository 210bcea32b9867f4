//! Spellings of one definition that the server writes before and after a dump.

use std::borrow::Cow;

use crate::sql::code;

/// `definition` with `(ARRAY[a, b])::t[]` written as `ARRAY[(a)::t, (b)::t]`.
///
/// A condition such as `status IN ('a', 'b')` on a varchar column is written the first way; read
/// back from a dump, the server moves the cast into the array and writes it the second way.
pub(super) fn definition(definition: &str) -> String {
    let mut out = String::with_capacity(definition.len());
    let mut rest = definition;
    while let Some(start) = rest.find("(ARRAY[") {
        let (before, found) = rest.split_at(start);
        out.push_str(before);
        if let Some((spelled, after)) = pushed_down(found) {
            out.push_str(&spelled);
            rest = after;
        } else {
            out.push('(');
            rest = &found[1..];
        }
    }
    out.push_str(rest);
    out
}

/// `definition` with one spelling for what is one thing: `CURRENT_TIMESTAMP` is `now()`.
pub(super) fn spelling(definition: &str) -> Cow<'_, str> {
    if !definition.contains("CURRENT_TIMESTAMP") {
        return Cow::Borrowed(definition);
    }
    // What stands in quotes stays: only every other piece lies outside of them.
    let pieces: Vec<String> = definition
        .split('\'')
        .enumerate()
        .map(|(number, piece)| {
            if number % 2 == 0 {
                piece.replace("CURRENT_TIMESTAMP", "now()")
            } else {
                piece.to_owned()
            }
        })
        .collect();
    Cow::Owned(pieces.join("'"))
}

/// The definition of a function without the white space and the comments in its body. In languages
/// other than SQL and PL/pgSQL either may mean something.
pub(super) fn function(definition: &str) -> Cow<'_, str> {
    let spaced = |line: &str| matches!(line, " LANGUAGE plpgsql" | " LANGUAGE sql");
    let body = || {
        let start = definition.find("\nAS $")? + "\nAS ".len();
        let tag_end = start + 1 + definition[start + 1..].find('$')? + 1;
        let end = definition.rfind(&definition[start..tag_end])?;
        let body = code::plain(definition.get(tag_end..end)?)?;
        Some([&definition[..tag_end], &body, &definition[end..]].concat())
    };
    let known = definition.lines().any(spaced);
    let plain = known.then(body).flatten();
    plain.map_or(Cow::Borrowed(definition), Cow::Owned)
}

/// True for names such as the server gives to constraints and indexes that get none.
pub(super) fn is_made_up(name: &str) -> bool {
    const ENDS: [&str; 7] = [
        "_pkey",
        "_key",
        "_idx",
        "_fkey",
        "_check",
        "_excl",
        "_not_null",
    ];
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    ENDS.iter().any(|end| stem.ends_with(end))
}

/// The array at the start of `text` with its cast moved inside, and what follows.
fn pushed_down(text: &str) -> Option<(String, &str)> {
    let inside = text.strip_prefix("(ARRAY[")?;
    let (elements, after) = elements(inside)?;
    let after = after.strip_prefix(")::")?;
    let end = after.find("[]")?;
    let type_name = &after[..end];
    let plain = |b: u8| b.is_ascii_alphanumeric() || b" _.\"(,)".contains(&b);
    // A type is a name, or a name in quotes; anything else isn't ours to rewrite.
    if type_name.is_empty() || !type_name.bytes().all(plain) {
        return None;
    }
    let elements: Vec<String> = elements
        .iter()
        .map(|e| format!("({e})::{type_name}"))
        .collect();
    Some((
        format!("ARRAY[{}]", elements.join(", ")),
        &after[end + "[]".len()..],
    ))
}

/// The elements up to the closing bracket, split at the commas that are not inside anything, and
/// what follows the bracket.
fn elements(text: &str) -> Option<(Vec<&str>, &str)> {
    let mut found = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        if let Some(open) = quote {
            // A doubled quote closes and opens again, which comes to the same.
            if byte == open {
                quote = None;
            }
            continue;
        }
        match byte {
            b'\'' | b'"' => quote = Some(byte),
            b'(' | b'[' => depth += 1,
            b']' if depth == 0 => {
                found.push(text[start..at].trim());
                return Some((found, &text[at + 1..]));
            }
            b')' | b']' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => {
                found.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cast_of_an_array_moves_into_it() {
        assert_eq!(
            definition(
                "CHECK (((s)::text = ANY ((ARRAY['a,]'::character varying, 'it''s'::character \
                 varying])::text[])))"
            ),
            "CHECK (((s)::text = ANY (ARRAY[('a,]'::character varying)::text, ('it''s'::character \
             varying)::text])))"
        );
    }

    #[test]
    fn white_space_and_comments_in_the_body_of_a_function_mean_nothing() {
        let of = |language: &str, body: &str| {
            function(&format!(
                "CREATE OR REPLACE FUNCTION public.f()\n RETURNS trigger\n LANGUAGE {language}\nAS \
                 $function${body}$function$\n"
            ))
            .into_owned()
        };
        let spread = "\nBEGIN -- why\n\n  x := 'a  b';\n  RETURN NULL;\nEND;\n";
        let dense = "BEGIN x := 'a  b'; RETURN NULL; END;";
        assert_eq!(of("plpgsql", spread), of("plpgsql", dense));
        assert_ne!(of("plpgsql", spread), of("sql", dense));
        assert_ne!(of("plpython3u", spread), of("plpython3u", dense));
        assert_ne!(
            of("plpgsql", dense),
            of("plpgsql", &dense.replace("  b", " b"))
        );
        assert_ne!(
            of("plpgsql", dense),
            of("plpgsql", "BEGIN RETURN NULL; END;")
        );
    }

    #[test]
    fn everything_else_stays() {
        for text in [
            "",
            "(ARRAY[1, 2])",
            "(ARRAY[",
            "ANY (ARRAY[('a'::character varying)::text])",
            "(ARRAY[)::text[]",
            "(ARRAY['é'])::",
        ] {
            assert_eq!(definition(text), text);
        }
    }
}

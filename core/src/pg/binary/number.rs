//! Numbers in decimal digits.

/// The value of decimal digits, of which there must be some.
pub(super) fn digits(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    let mut value = 0;
    for byte in text {
        value = value * 10 + i64::from(digit(*byte)?);
    }
    Some(value)
}

/// The value of a digit.
pub(super) fn digit(byte: u8) -> Option<u8> {
    byte.is_ascii_digit().then(|| byte - b'0')
}

/// The value of a whole number.
pub(super) fn int(text: &[u8]) -> Option<i64> {
    let (negative, number) = match text.strip_prefix(b"-") {
        Some(number) => (true, number),
        None => (false, text),
    };
    match digits(number) {
        Some(value) => Some(if negative { -value } else { value }),
        // Nineteen digits may not fit.
        None => std::str::from_utf8(text).ok()?.parse().ok(),
    }
}

/// How many groups of four digits, the weight of the first, sign, digits after the point; and the
/// groups.
pub(super) fn numeric(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    const NEGATIVE: u16 = 0x4000;
    /// Longer numbers are rare.
    const LONGEST: usize = 1000;
    let (sign, number) = match text.strip_prefix(b"-") {
        Some(number) => (NEGATIVE, number),
        None => (0, text),
    };
    let (whole, fraction) = match number.iter().position(|b| *b == b'.') {
        Some(at) => (&number[..at], &number[at + 1..]),
        None => (number, &number[..0]),
    };
    if whole.is_empty() || number.len() > LONGEST || number.ends_with(b".") {
        return None;
    }
    let (first, others) = whole.split_at(whole.len() % 4);
    let start = out.len();
    let body = start + 8;
    out.extend_from_slice(&[0; 8]);
    if !first.is_empty() {
        out.extend_from_slice(&group(first)?.to_be_bytes());
    }
    for four in others.chunks(4) {
        out.extend_from_slice(&group(four)?.to_be_bytes());
    }
    let mut weight = i16::try_from((out.len() - body) / 2).ok()? - 1;
    for some in fraction.chunks(4) {
        let missing = [1, 1000, 100, 10].get(some.len() % 4)?;
        out.extend_from_slice(&(group(some)? * missing).to_be_bytes());
    }
    // Groups of zeros at either end are left out, as the server does.
    while out.len() > body && out.ends_with(&[0, 0]) {
        out.truncate(out.len() - 2);
    }
    while out.get(body..body + 2) == Some(&[0, 0]) {
        out.drain(body..body + 2);
        weight -= 1;
    }
    let groups = u16::try_from((out.len() - body) / 2).ok()?;
    let (sign, weight) = if groups == 0 { (0, 0) } else { (sign, weight) };
    let scale = u16::try_from(fraction.len()).ok()?;
    let head = [
        groups.to_be_bytes(),
        weight.to_be_bytes(),
        sign.to_be_bytes(),
        scale.to_be_bytes(),
    ];
    out[start..body].copy_from_slice(head.as_flattened());
    Some(())
}

/// The value of up to four digits.
fn group(digits: &[u8]) -> Option<u16> {
    let mut value = 0;
    for byte in digits {
        value = value * 10 + u16::from(digit(*byte)?);
    }
    Some(value)
}

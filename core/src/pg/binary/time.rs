//! Dates and times, in ISO style.

use memchr::memchr;

use super::number::{digit, digits};

/// Days from 0000-03-01 to 2000-01-01.
const EPOCH: i64 = 730_425;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Days from 2000-01-01 to the date that `text` begins with, and what comes after it.
pub(super) fn date(text: &[u8]) -> Option<(i64, &[u8])> {
    let year_end = memchr(b'-', text).filter(|end| (4..=6).contains(end))?;
    let (year, rest) = (digits(&text[..year_end])?, &text[year_end..]);
    let [b'-', m1, m2, b'-', d1, d2, rest @ ..] = rest else {
        return None;
    };
    let (month, day) = (two(*m1, *m2)?, two(*d1, *d2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if year == 0 || !(1..=length).contains(&day) {
        return None;
    }
    // Years that begin in March have the leap day at their end: https://howardhinnant.github.io/date_algorithms.html
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    Some((days - EPOCH, rest))
}

fn two(tens: u8, ones: u8) -> Option<i64> {
    Some(i64::from(digit(tens)?) * 10 + i64::from(digit(ones)?))
}

/// Microseconds since midnight of the time that `text` begins with, and what comes after it.
pub(super) fn time(text: &[u8]) -> Option<(i64, &[u8])> {
    let [h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = text else {
        return None;
    };
    let (hours, minutes, seconds) = (two(*h1, *h2)?, two(*m1, *m2)?, two(*s1, *s2)?);
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    let whole = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000;
    let Some(fraction) = rest.strip_prefix(b".") else {
        return Some((whole, rest));
    };
    let length = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
    let (fraction, rest) = fraction.split_at(length);
    let unit = 10_i64.pow(6_u32.checked_sub(u32::try_from(length).ok()?)?);
    Some((whole + digits(fraction)? * unit, rest))
}

/// Microseconds from 2000-01-01 to the date and time that `text` begins with, and what comes after.
pub(super) fn timestamp(text: &[u8]) -> Option<(i64, &[u8])> {
    let (days, rest) = date(text)?;
    let (micros, rest) = time(rest.strip_prefix(b" ")?)?;
    let whole = days.checked_mul(DAY)?.checked_add(micros)?;
    Some((whole, rest))
}

/// Microseconds that a place is ahead of UTC.
pub(super) fn offset(text: &[u8]) -> Option<i64> {
    let (sign, h1, h2, rest) = match text {
        [b'+', h1, h2, rest @ ..] => (1, h1, h2, rest),
        [b'-', h1, h2, rest @ ..] => (-1, h1, h2, rest),
        _ => return None,
    };
    let (hours, mut seconds) = (two(*h1, *h2)?, 0);
    let mut rest = rest;
    for unit in [60, 1] {
        if let [b':', t, o, after @ ..] = rest {
            seconds += Some(two(*t, *o)?).filter(|n| *n < 60)? * unit;
            rest = after;
        }
    }
    (hours < 16 && rest.is_empty()).then_some(sign * (hours * 3600 + seconds) * 1_000_000)
}

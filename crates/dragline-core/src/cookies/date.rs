//! Reads the date of an `Expires` attribute, which servers write in more ways than HTTP allows.

use crate::time::Wall;

const MONTHS: [&[u8; 3]; 12] =
    [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];

/// A time of day: hour, minute, second.
type Clock = (u32, u32, u32);

/// Reads a date; `None` when day, month, year or time is missing or cannot be.
///
/// Its parts may stand in any order between any delimiters, and zones are not looked at: all is taken as UTC.
///
/// # Source
/// RFC 6265bis section 5.1.1.
pub(super) fn parse(text: &[u8]) -> Option<Wall> {
    let (mut clock, mut day, mut month, mut year) = (None, None, None, None);
    for token in text.split(|octet| is_delimiter(*octet)).filter(|token| !token.is_empty()) {
        // The order of these questions is the standard's: a token is the first thing it can be that is still missing.
        if clock.is_none() && time_of_day(token).is_some() {
            clock = time_of_day(token);
        } else if day.is_none() && number(token, 1, 2).is_some() {
            day = number(token, 1, 2).map(|(day, _)| day);
        } else if month.is_none() && month_of(token).is_some() {
            month = month_of(token);
        } else if year.is_none() {
            year = number(token, 2, 4).map(|(year, _)| year);
        }
    }
    let (hour, minute, second) = clock.filter(|clock| clock.0 <= 23 && clock.1 <= 59 && clock.2 <= 59)?;
    let year = match year? {
        year @ 70..=99 => year + 1_900,
        year @ 0..=69 => year + 2_000,
        year => year,
    };
    let (month, day) = (month?, day?);
    if year < 1_601 || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    let seconds = i64::from(hour * 3_600 + minute * 60 + second);
    Some(Wall::from_secs(days_from_civil(year, month, day) * 86_400 + seconds))
}

const fn is_delimiter(octet: u8) -> bool {
    matches!(octet, 0x09 | 0x20..=0x2f | 0x3b..=0x40 | 0x5b..=0x60 | 0x7b..=0x7e)
}

/// Reads the number a token begins with and returns it with the rest; `None` unless it has `least` to `most` digits.
fn number(token: &[u8], least: usize, most: usize) -> Option<(u32, &[u8])> {
    let digits = token.iter().take_while(|octet| octet.is_ascii_digit()).count();
    if digits < least || digits > most {
        return None;
    }
    let (digits, rest) = token.split_at_checked(digits)?;
    Some((digits.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0')), rest))
}

/// Reads `hour:minute:second`, whatever follows.
fn time_of_day(token: &[u8]) -> Option<Clock> {
    let (hour, rest) = number(token, 1, 2)?;
    let (minute, rest) = number(rest.strip_prefix(b":")?, 1, 2)?;
    let (second, _) = number(rest.strip_prefix(b":")?, 1, 2)?;
    Some((hour, minute, second))
}

/// Reads a month by its first three letters, from 1.
fn month_of(token: &[u8]) -> Option<u32> {
    let name = token.get(..3)?;
    let index = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name))?;
    u32::try_from(index + 1).ok()
}

const fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Turns a date of the Gregorian calendar into days since the Unix epoch.
///
/// # Source
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
fn days_from_civil(year: u32, month: u32, day: u32) -> i64 {
    let (year, month, day) = (i64::from(year), i64::from(month), i64::from(day));
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_index = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_index + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let found = parse(text.as_bytes()).map(|when| when.to_string());
        let expected = expected.map(|when| format!("{when}.000Z"));
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn the_forms_of_http_are_read() {
        let expected = Some("1994-11-06T08:49:37");
        check("Sun, 06 Nov 1994 08:49:37 GMT", expected);
        check("Sunday, 06-Nov-94 08:49:37 GMT", expected);
        check("Sun Nov  6 08:49:37 1994", expected);
    }

    #[test]
    fn parts_are_read_in_any_order_between_any_delimiters() {
        let expected = Some("2017-04-15T21:01:22");
        check("15 17 Apr 21:01:22", expected);
        check("2017 april 15 21:01:22", expected);
        check("21:01:22 Apr 15 17", expected);
        check("\t;15/Apr\\2017{21:01:22}~", expected);
        check("Someday, 15-Apr-17 21:01:22 GMT-0400 (EDT)", expected);
        check("15-Sat, Aprilish-17 21:01:22 11:22:33", expected);
        check("15-Apr-17 ::00 21:01:22", expected);
        check("15 Apr 2017x 21:01:22.999", expected);
        check("15 Apr 2017 21:1:2", Some("2017-04-15T21:01:02"));
    }

    #[test]
    fn two_digits_of_a_year_lie_between_1970_and_2069() {
        check("1 Jan 70 0:0:0", Some("1970-01-01T00:00:00"));
        check("1 Jan 99 0:0:0", Some("1999-01-01T00:00:00"));
        check("1 Jan 00 0:0:0", Some("2000-01-01T00:00:00"));
        check("1 Jan 69 0:0:0", Some("2069-01-01T00:00:00"));
        check("1 Jan 1601 0:0:0", Some("1601-01-01T00:00:00"));
        check("1 Jan 1600 0:0:0", None);
        check("1 Jan 099 0:0:0", Some("1999-01-01T00:00:00"));
        check("31 Dec 9999 23:59:59", Some("9999-12-31T23:59:59"));
    }

    #[test]
    fn a_day_that_never_was_is_no_date() {
        check("29 Feb 2000 0:0:0", Some("2000-02-29T00:00:00"));
        check("29 Feb 2024 0:0:0", Some("2024-02-29T00:00:00"));
        for day in ["29 Feb 1900", "29 Feb 2023", "30 Feb 2024", "31 Apr 2024", "0 Jan 2024", "32 Jan 2024"] {
            check(&format!("{day} 0:0:0"), None);
        }
    }

    #[test]
    fn what_lacks_a_part_is_no_date() {
        for junk in ["", "GMT", "15 Apr 2017", "15 Apr 21:01:22", "Apr 2017 21:01:22", "15 2017 21:01:22"] {
            check(junk, None);
        }
        for clock in ["24:00:00", "0:60:00", "0:0:60", "0:0", "000:0:0", "0:0:000", "91:22:33 21:01:22"] {
            check(&format!("15 Apr 2017 {clock}"), None);
        }
        for date in ["012 Apr 2017", "12 Apr 31841", "999999999999 Apr 2017", "12 Apr 9999999999", "1 J 2017"]
        {
            check(&format!("{date} 21:01:22"), None);
        }
    }
}

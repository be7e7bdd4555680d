//! Reads the dates people write into `unavailable_after`.

use dragline_core::Wall;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Zones that have a name in RFC 822, in hours east of Greenwich; every other name is taken as UTC.
const ZONES: [(&str, i64); 8] =
    [("est", -5), ("edt", -4), ("cst", -6), ("cdt", -5), ("mst", -7), ("mdt", -6), ("pst", -8), ("pdt", -7)];

/// The parts of a date found so far.
#[derive(Default)]
struct Parts {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_secs: i64,
    zone_secs: i64,
}

/// Reads a date in the forms of RFC 822, RFC 850, `asctime` or ISO 8601; without a time it is midnight, UTC.
///
/// `None` when year, month or day cannot be made out.
pub(crate) fn parse(text: &str) -> Option<Wall> {
    let mut parts = Parts::default();
    let text = parts.take_iso_date(text.trim());
    for token in text.split(|separator: char| separator.is_ascii_whitespace() || separator == ',') {
        parts.take(token);
    }
    let days = days_from_civil(parts.year?, parts.month?, parts.day?);
    Some(Wall::from_secs(days * 86_400 + parts.day_secs - parts.zone_secs))
}

impl Parts {
    /// Takes `2026-11-20` off the front, with the `T` that may follow.
    fn take_iso_date<'a>(&mut self, text: &'a str) -> &'a str {
        let Some((date, rest)) = text.split_at_checked(10) else { return text };
        let mut fields = date.split('-').map(number);
        let (Some(Some(year)), Some(Some(month)), Some(Some(day)), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return text;
        };
        if date.find('-') != Some(4) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return text;
        }
        (self.year, self.month, self.day) = (Some(year), Some(month), Some(day));
        rest.strip_prefix(['T', 't']).unwrap_or(rest)
    }

    fn take(&mut self, token: &str) {
        if token.contains(':') {
            let zone_at = token.find(['+', '-', 'Z', 'z']).unwrap_or(token.len());
            let (time, zone) = token.split_at(zone_at);
            // A fraction of a second decides nothing.
            let mut fields = time.split(['.', ':']).map(|field| number(field).unwrap_or(0));
            let mut next = || fields.next().unwrap_or(0);
            self.day_secs = next() * 3_600 + next() * 60 + next();
            self.take_offset(zone);
        } else if token.starts_with(['+', '-']) {
            self.take_offset(token);
        } else {
            for part in token.split('-') {
                self.take_part(part);
            }
        }
    }

    /// Takes a day, month, year or name of a zone; weekdays are passed over.
    fn take_part(&mut self, part: &str) {
        if let Some(value) = number(part) {
            if self.day.is_none() && (1..=31).contains(&value) {
                self.day = Some(value);
            } else if self.year.is_none() {
                let century = if part.len() > 2 { 0 } else { 1_900 + i64::from(value < 70) * 100 };
                self.year = Some(century + value);
            }
            return;
        }
        let word = part.to_ascii_lowercase();
        let month = (1..).zip(MONTHS).find(|(_, name)| word.starts_with(name)).map(|(month, _)| month);
        self.month = self.month.or(month);
        if let Some((_, hours)) = ZONES.iter().find(|(name, _)| *name == word) {
            self.zone_secs = hours * 3_600;
        }
    }

    /// Takes `+0900` or `-09:00`.
    fn take_offset(&mut self, zone: &str) {
        let Some(digits) = zone.strip_prefix(['+', '-']) else { return };
        let Some(value) = number(&digits.replace(':', "")) else { return };
        let secs = value / 100 * 3_600 + value % 100 * 60;
        self.zone_secs = if zone.starts_with('-') { -secs } else { secs };
    }
}

/// Reads up to four digits, so that nothing computed from them can overflow.
fn number(text: &str) -> Option<i64> {
    let digits = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// Turns a proleptic Gregorian date into days since the Unix epoch.
///
/// # Source
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_index = (month + 9) % 12;
    let day_of_year = (153 * month_index + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let found = parse(text).map(|wall| wall.to_string());
        assert_eq!(found.as_deref().unwrap_or("none"), expected, "{text}");
    }

    #[test]
    fn dates_are_read_in_the_forms_people_write() {
        check("25 Jun 2010 15:00:00 PST", "2010-06-25T23:00:00.000Z");
        check("Friday, 25-Jun-10 15:00:00 EST", "2010-06-25T20:00:00.000Z");
        check("Sun Nov  6 08:49:37 1994", "1994-11-06T08:49:37.000Z");
        check("Wed, 25 June 2025 15:00:00 +0900", "2025-06-25T06:00:00.000Z");
        check("2025-06-25", "2025-06-25T00:00:00.000Z");
        check(" 2025-06-25T15:00:00.5-01:30", "2025-06-25T16:30:00.000Z");
        check("2025-06-25 15:00:00Z", "2025-06-25T15:00:00.000Z");
        check("29 Feb 2000", "2000-02-29T00:00:00.000Z");
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in
            ["", "soon", "25 Jun", "2025-99-25", "Jun 2010", "99999999999999999999 Jun 1", "é2025-06-25"]
        {
            check(text, "none");
        }
    }
}

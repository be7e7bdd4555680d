//! Reads and writes durations and sizes the way people do: "250ms", "10MiB".

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// A duration written as a whole number and a unit: `ms`, `s`, `m` or `h`.
///
/// ```
/// use dragline_config::HumanDuration;
///
/// let deadline: HumanDuration = "90s".parse()?;
/// assert_eq!(deadline.0.as_secs(), 90);
/// assert_eq!(HumanDuration(std::time::Duration::from_secs(120)).to_string(), "2m");
/// # Ok::<(), dragline_config::UnitError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HumanDuration(pub Duration);

/// A number of bytes written as a whole number and a unit: `B`, `KiB`, `MiB` or `GiB`.
///
/// ```
/// use dragline_config::ByteSize;
///
/// let most: ByteSize = "64KiB".parse()?;
/// assert_eq!(most.0, 65_536);
/// assert_eq!(ByteSize(10 << 20).to_string(), "10MiB");
/// # Ok::<(), dragline_config::UnitError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// Why a text is no duration or size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitError {
    /// What is wrong: lower case, no full stop.
    pub problem: String,
    /// What to write instead.
    pub hint: String,
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.problem, self.hint)
    }
}

impl std::error::Error for UnitError {}

/// Units of time in milliseconds, the largest first.
const TIMES: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
/// Units of size in bytes, the largest first.
const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl FromStr for HumanDuration {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let words = Words { what: "duration", examples: "\"250ms\", \"1s\", \"5m\" or \"2h\"", usual: "s" };
        parse(text, &TIMES, &words).map(|millis| Self(Duration::from_millis(millis)))
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let words = Words { what: "size", examples: "\"512B\", \"64KiB\" or \"10MiB\"", usual: "KiB" };
        parse(text, &SIZES, &words).map(Self)
    }
}

/// How messages speak of one kind of quantity.
struct Words {
    what: &'static str,
    examples: &'static str,
    usual: &'static str,
}

fn parse(text: &str, units: &[(&str, u64)], words: &Words) -> Result<u64, UnitError> {
    let Words { what, examples, usual } = *words;
    let fail = |problem, hint| Err(UnitError { problem, hint });
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    if digits == 0 {
        return fail(format!("\"{text}\" is no {what}"), format!("write it as {examples}"));
    }
    if unit.is_empty() {
        return fail(format!("\"{text}\" has no unit"), format!("did you mean \"{number}{usual}\"?"));
    }
    let Some(&(_, scale)) = units.iter().find(|(name, _)| *name == unit) else {
        let near = units.iter().map(|(name, _)| *name).find(|name| is_near(unit, name));
        let hint = match near {
            Some(near) => format!("did you mean \"{number}{near}\"?"),
            None => format!("write it as {examples}"),
        };
        return fail(format!("\"{unit}\" is no unit of a {what}"), hint);
    };
    let value = number.parse::<u64>().ok().and_then(|number| number.checked_mul(scale));
    match value {
        Some(value) => Ok(value),
        None => fail(format!("\"{text}\" is too large"), format!("write it as {examples}")),
    }
}

/// Whether `unit` is another way to write `name`: "sec" for "s", "MB" for "`MiB`".
fn is_near(unit: &str, name: &str) -> bool {
    let (unit, name) = (unit.to_ascii_lowercase(), name.to_ascii_lowercase());
    match name.as_str() {
        "h" => unit.starts_with('h'),
        "m" => unit == "m" || unit.starts_with("mi"),
        "s" => unit.starts_with('s'),
        "ms" => unit == "ms" || unit.starts_with("msec") || unit.starts_with("milli"),
        "b" => unit.starts_with("byte") || unit == "b",
        _ => unit.starts_with(name.get(..1).unwrap_or_default()),
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_largest(f, u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX), &TIMES, "0s")
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_largest(f, self.0, &SIZES, "0B")
    }
}

fn write_largest(f: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, u64)], zero: &str) -> fmt::Result {
    match units.iter().find(|(_, scale)| value >= *scale && value.is_multiple_of(*scale)) {
        Some((name, scale)) => write!(f, "{}{name}", value / scale),
        None => f.write_str(zero),
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: FromStr<Err = UnitError> + fmt::Display>(text: &str, expected: &str) {
        let shown = match text.parse::<T>() {
            Ok(value) => value.to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        check::<HumanDuration>("250ms", "250ms");
        check::<HumanDuration>("60s", "1m");
        check::<HumanDuration>("90 s", "90s");
        check::<HumanDuration>("2h", "2h");
        check::<HumanDuration>("0s", "0s");
        check::<HumanDuration>("60", "\"60\" has no unit (did you mean \"60s\"?)");
        check::<HumanDuration>("5 minutes", "\"minutes\" is no unit of a duration (did you mean \"5m\"?)");
        check::<HumanDuration>("5sec", "\"sec\" is no unit of a duration (did you mean \"5s\"?)");
        let examples = "write it as \"250ms\", \"1s\", \"5m\" or \"2h\"";
        check::<HumanDuration>("soon", &format!("\"soon\" is no duration ({examples})"));
        check::<HumanDuration>("-1s", &format!("\"-1s\" is no duration ({examples})"));
        check::<HumanDuration>("1.5s", &format!("\".5s\" is no unit of a duration ({examples})"));
        check::<HumanDuration>(
            "99999999999999999999h",
            &format!("\"99999999999999999999h\" is too large ({examples})"),
        );
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        check::<ByteSize>("64KiB", "64KiB");
        check::<ByteSize>("1024MiB", "1GiB");
        check::<ByteSize>("100B", "100B");
        check::<ByteSize>("10MB", "\"MB\" is no unit of a size (did you mean \"10MiB\"?)");
        check::<ByteSize>("10", "\"10\" has no unit (did you mean \"10KiB\"?)");
        check::<ByteSize>(
            "10üB",
            "\"üB\" is no unit of a size (write it as \"512B\", \"64KiB\" or \"10MiB\")",
        );
    }
}

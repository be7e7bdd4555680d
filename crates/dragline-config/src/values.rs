//! Reads the value of one key by its kind, or says what is wrong with it.

use std::fmt::Display;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeInteger, DeValue};

use crate::hints;
use crate::reader::Reader;
use crate::schema::{Absent, Field, Kind, Word};
use crate::units::{ByteSize, HumanDuration, UnitError};

/// Reads `value` and hands it to the field's setter; a mistake is reported instead.
pub(crate) fn read<T>(
    reader: &mut Reader<'_>,
    field: &'static Field<T>,
    path: &str,
    value: &Spanned<DeValue<'_>>,
    target: &mut T,
) {
    let read = match (&field.kind, value.get_ref()) {
        (Kind::Bool(set), DeValue::Boolean(flag)) => {
            set(target, *flag);
            Ok(())
        }
        (Kind::Number(range, set), DeValue::Integer(number)) => {
            whole_within(number, range).map(|number| set(target, number))
        }
        (Kind::Fraction(range, set), DeValue::Integer(_) | DeValue::Float(_)) => {
            fraction_within(value.get_ref(), range).map(|number| set(target, number))
        }
        (Kind::Time(range, set), DeValue::String(text)) => {
            let ends = (HumanDuration(*range.start()), HumanDuration(*range.end()));
            unit_within(text.parse::<HumanDuration>(), ends).map(|time| set(target, time.0))
        }
        (Kind::Size(range, set), DeValue::String(text)) => {
            let ends = (ByteSize(*range.start()), ByteSize(*range.end()));
            unit_within(text.parse::<ByteSize>(), ends).map(|size| set(target, size.0))
        }
        (Kind::Size(range, set), DeValue::Integer(number)) => {
            let ends = (ByteSize(*range.start()), ByteSize(*range.end()));
            let size = whole(number).map(ByteSize).ok_or_else(|| unsized_number(number));
            unit_within(size, ends).map(|size| set(target, size.0))
        }
        (Kind::Text(set), DeValue::String(text)) => set(target, text).map_err(Mistake::plain),
        (Kind::Choice(choices), DeValue::String(text)) => choose(choices, text).map(|set| set(target)),
        (Kind::Texts(..) | Kind::Numbers(..), DeValue::Array(elements)) => {
            read_list(reader, field, path, elements, target);
            Ok(())
        }
        (Kind::Tables(read), DeValue::Array(elements)) => {
            read(reader, target, elements);
            Ok(())
        }
        (_, other) => Err(wrong_kind(field, other)),
    };
    if let Err(mistake) = read {
        mistake.report(reader, path, value.span());
    }
}

fn read_list<T>(
    reader: &mut Reader<'_>,
    field: &'static Field<T>,
    path: &str,
    elements: &[Spanned<DeValue<'_>>],
    target: &mut T,
) {
    if let Kind::Texts(clear, _) | Kind::Numbers(_, clear, _) = &field.kind {
        clear(target);
    }
    for (index, element) in elements.iter().enumerate() {
        reader.record_element(path, index, element.span());
        let read = match (&field.kind, element.get_ref()) {
            (Kind::Texts(_, push), DeValue::String(text)) => push(target, text).map_err(Mistake::plain),
            (Kind::Numbers(range, _, push), DeValue::Integer(number)) => {
                whole_within(number, range).map(|number| push(target, number))
            }
            (_, other) => Err(wrong_kind(field, other)),
        };
        if let Err(mistake) = read {
            mistake.report(reader, &format!("{path}[{index}]"), element.span());
        }
    }
}

/// What is wrong with a value; read after the words "`key` is" unless `plain`.
struct Mistake {
    plain: bool,
    problem: String,
    hint: String,
}

impl Mistake {
    /// A problem that stands behind the key and a colon.
    const fn plain(problem: String) -> Self {
        Self { plain: true, problem, hint: String::new() }
    }

    fn is(problem: String, hint: String) -> Self {
        Self { plain: false, problem, hint }
    }

    fn report(self, reader: &mut Reader<'_>, path: &str, span: Range<usize>) {
        let Self { plain, problem, hint } = self;
        let message = if plain { format!("`{path}`: {problem}") } else { format!("`{path}` is {problem}") };
        reader.report(path, message, span, hint);
    }
}

fn whole_within(number: &DeInteger<'_>, range: &RangeInclusive<u64>) -> Result<u64, Mistake> {
    let value = whole(number).filter(|value| range.contains(value));
    value.ok_or_else(|| out_of_range(number, range.start(), range.end(), *range.end() == u64::MAX))
}

fn fraction_within(value: &DeValue<'_>, range: &RangeInclusive<f64>) -> Result<f64, Mistake> {
    let text = match value {
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.as_str().to_owned(),
        _ => String::new(),
    };
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| out_of_range(&text, range.start(), range.end(), false))
}

fn unit_within<V: Copy + Display + PartialOrd>(
    value: Result<V, UnitError>,
    (least, most): (V, V),
) -> Result<V, Mistake> {
    let value = value.map_err(|error| Mistake { plain: true, problem: error.problem, hint: error.hint })?;
    if value >= least && value <= most { Ok(value) } else { Err(out_of_range(value, least, most, false)) }
}

fn out_of_range(value: impl Display, least: impl Display, most: impl Display, endless: bool) -> Mistake {
    let range = if endless { format!("at least {least}") } else { format!("{least} to {most}") };
    Mistake::is(format!("{value}, out of range"), format!("expected {range}"))
}

fn unsized_number(number: &DeInteger<'_>) -> UnitError {
    UnitError {
        problem: format!("{number} is no size"),
        hint: "write it as \"64KiB\" or as a number of bytes".into(),
    }
}

fn choose<T>(choices: &'static [Word<T>], text: &str) -> Result<fn(&mut T), Mistake> {
    if let Some((_, set)) = choices.iter().find(|(name, _)| *name == text) {
        return Ok(*set);
    }
    let hint = match hints::nearest(text, choices.iter().map(|(name, _)| *name)) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("expected {}", words(choices)),
    };
    Err(Mistake::is(format!("\"{text}\", expected {}", words(choices)), hint))
}

fn words<T>(choices: &[Word<T>]) -> String {
    let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    match names.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => names.join(", "),
    }
}

fn wrong_kind<T>(field: &Field<T>, value: &DeValue<'_>) -> Mistake {
    let hint = match (&field.kind, value) {
        (Kind::Time(..), DeValue::Integer(number)) => format!("did you mean \"{number}s\"?"),
        (Kind::Number(..), DeValue::String(text)) if text.parse::<u64>().is_ok() => {
            format!("write it without quotes: {text}")
        }
        (Kind::Bool(_), DeValue::String(text)) if text.parse::<bool>().is_ok() => {
            format!("write it without quotes: {text}")
        }
        _ => match field.default {
            Absent::Value("\"\"" | "[]") => String::new(),
            Absent::Value(example)
            | Absent::Required(example)
            | Absent::Nothing(example)
            | Absent::Instead(example) => format!("such as {example}"),
        },
    };
    Mistake::is(format!("{}, expected {}", kind_of(value), expected(field)), hint)
}

/// Names what a field may hold.
pub(crate) fn expected<T>(field: &Field<T>) -> String {
    match &field.kind {
        Kind::Bool(_) => "true or false".into(),
        Kind::Number(range, _) => number_words(range),
        Kind::Fraction(range, _) => format!("a number from {} to {}", range.start(), range.end()),
        Kind::Time(..) => "a duration".into(),
        Kind::Size(..) => "a size".into(),
        Kind::Text(_) => "a string".into(),
        Kind::Choice(choices) => words(choices),
        Kind::Texts(..) => "a list of strings".into(),
        Kind::Numbers(range, ..) => format!("a list, each {}", number_words(range)),
        Kind::Tables(_) => format!("a list of tables, each under [[{}]]", field.key),
    }
}

fn number_words(range: &RangeInclusive<u64>) -> String {
    match (range.start(), range.end()) {
        (least, &u64::MAX) => format!("a whole number, at least {least}"),
        (least, most) => format!("a whole number from {least} to {most}"),
    }
}

/// Names the kind of a TOML value, with its article.
pub(crate) const fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Returns a whole number that is not negative and fits.
pub(crate) fn whole(number: &DeInteger<'_>) -> Option<u64> {
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

//! Describes what a key may hold and where its value goes: the terms in which the table of keys is written.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::reader::ReadTables;

/// One key: what it may hold, what it is when absent, and what it means.
#[derive(Debug)]
pub(crate) struct Field<T: 'static> {
    /// The dotted key, such as `fetch.concurrency`; within a list of tables, relative to the table.
    pub(crate) key: &'static str,
    /// What it may hold, and where the value goes.
    pub(crate) kind: Kind<T>,
    /// What it is when absent.
    pub(crate) default: Absent,
    /// What it means: a short sentence for `config/dragline.toml`.
    pub(crate) doc: &'static str,
}

/// A table of keys, in groups.
pub(crate) type Fields<T> = &'static [&'static [Field<T>]];

/// What a key is when it is absent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Absent {
    /// This TOML value.
    Value(&'static str),
    /// A mistake. Holds an example.
    Required(&'static str),
    /// Nothing. Holds an example.
    Nothing(&'static str),
    /// Nothing: it stands in place of another key, with which it cannot go together. Holds an example.
    Instead(&'static str),
}

/// A word that may be chosen, and what choosing it does.
pub(crate) type Word<T> = (&'static str, fn(&mut T));

/// Puts an element into a list, or says what is wrong with it.
pub(crate) type Push<T> = fn(&mut T, &str) -> Result<(), String>;

/// What a key may hold, and where the value goes.
#[derive(Debug)]
pub(crate) enum Kind<T: 'static> {
    /// `true` or `false`.
    Bool(fn(&mut T, bool)),
    /// A whole number.
    Number(RangeInclusive<u64>, fn(&mut T, u64)),
    /// A number.
    Fraction(RangeInclusive<f64>, fn(&mut T, f64)),
    /// A duration such as "1s".
    Time(RangeInclusive<Duration>, fn(&mut T, Duration)),
    /// A size such as "64KiB", or a number of bytes.
    Size(RangeInclusive<u64>, fn(&mut T, u64)),
    /// A string.
    Text(Push<T>),
    /// One of these words.
    Choice(&'static [Word<T>]),
    /// A list of strings: how to empty it, how to add one.
    Texts(fn(&mut T), Push<T>),
    /// A list of whole numbers: how to empty it, how to add one.
    Numbers(RangeInclusive<u64>, fn(&mut T), fn(&mut T, u64)),
    /// A list of tables.
    Tables(ReadTables<T>),
}

impl<T> Field<T> {
    pub(crate) const fn new(
        key: &'static str,
        kind: Kind<T>,
        default: &'static str,
        doc: &'static str,
    ) -> Self {
        Self { key, kind, default: Absent::Value(default), doc }
    }

    /// Describes a key that every table must have.
    pub(crate) const fn required(
        key: &'static str,
        kind: Kind<T>,
        example: &'static str,
        doc: &'static str,
    ) -> Self {
        Self { key, kind, default: Absent::Required(example), doc }
    }

    /// Describes a key that has no value when absent.
    pub(crate) const fn optional(
        key: &'static str,
        kind: Kind<T>,
        example: &'static str,
        doc: &'static str,
    ) -> Self {
        Self { key, kind, default: Absent::Nothing(example), doc }
    }

    /// Describes a key that has no value when absent, and may not stand beside the one above it.
    pub(crate) const fn instead(
        key: &'static str,
        kind: Kind<T>,
        example: &'static str,
        doc: &'static str,
    ) -> Self {
        Self { key, kind, default: Absent::Instead(example), doc }
    }
}

/// A range of whole seconds.
pub(crate) const fn secs(least: u64, most: u64) -> RangeInclusive<Duration> {
    Duration::from_secs(least)..=Duration::from_secs(most)
}

/// A range of milliseconds up to whole seconds.
pub(crate) const fn millis(least: u64, most_secs: u64) -> RangeInclusive<Duration> {
    Duration::from_millis(least)..=Duration::from_secs(most_secs)
}

/// Fits a number that the schema keeps in range into 32 bits.
pub(crate) fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Fits a number that the schema keeps in range into a length.
pub(crate) fn length(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// Returns every key of a table, in order.
pub(crate) fn all<T>(fields: Fields<T>) -> impl Iterator<Item = &'static Field<T>> {
    fields.iter().flat_map(|group| group.iter())
}

//! Keeps the functions of a worker process by their names, and runs one on what a call brought.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::{Deserialize, Serialize};

use super::frame::{Frame, HEADER_BYTES, Header, Kind, TEXT_BYTES_MAX};
use crate::words::panic_message;

/// How long a function's name may be.
pub const NAME_BYTES_MAX: usize = 100;
/// How many functions there may be.
pub const FUNCTIONS_MAX: usize = 256;

/// Functions that run in worker processes, by their names.
///
/// ```
/// use dragline_engine::process::{Functions, Input};
///
/// fn length(input: &Input<'_>) -> Result<usize, std::convert::Infallible> {
///     Ok(input.body().len())
/// }
///
/// // In `main`, before anything else: in a worker process this serves and never returns.
/// Functions::new().function("length", length).serve_if_asked();
/// ```
#[derive(Default)]
pub struct Functions(BTreeMap<String, Function>);

/// What a function is given: nothing of it is checked before the function asks.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    head: &'a [u8],
    body: &'a [u8],
}

type Function = Box<dyn Fn(&Input<'_>, &mut Bounded<'_>) -> Result<(), Failure> + Send + Sync>;

/// Why there is no value.
#[derive(Debug)]
enum Failure {
    Failed(String),
    TooLarge,
}

/// Takes a value's JSON up to a bound.
struct Bounded<'a> {
    json: &'a mut Vec<u8>,
    bytes_left: usize,
    full: bool,
}

impl Functions {
    /// Starts with none.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function. Its value goes to the parent as JSON, its error as text; a panic is caught and goes there too.
    ///
    /// # Panics
    /// When the name is taken, empty or too long, or there are too many: each time the program starts, so that nobody
    /// ships it.
    #[must_use]
    #[track_caller]
    pub fn function<F, T, E>(mut self, name: &str, function: F) -> Self
    where
        F: Fn(&Input<'_>) -> Result<T, E> + Send + Sync + 'static,
        T: Serialize,
        E: Display,
    {
        assert!(!name.is_empty(), "a function of a worker process has no name");
        assert!(name.len() <= NAME_BYTES_MAX, "`{name}` is longer than {NAME_BYTES_MAX} bytes");
        assert!(self.0.len() < FUNCTIONS_MAX, "a worker process has at most {FUNCTIONS_MAX} functions");
        let run: Function = Box::new(move |input, value| {
            value.put(&function(input).map_err(|error| Failure::Failed(error.to_string()))?)
        });
        let earlier = self.0.insert(name.to_owned(), run);
        assert!(earlier.is_none(), "two functions of a worker process are named `{name}`");
        self
    }

    /// Returns their names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Makes the frame that says which functions there are.
    pub(crate) fn hello(&self) -> Vec<u8> {
        let names = serde_json::Value::from_iter(self.names()).to_string();
        with_header(Kind::Hello, 0, &names)
    }

    /// Runs the function of a call; makes the frame of its answer, which is never longer than the call allows.
    pub(crate) fn answer(&self, call: &Frame) -> Vec<u8> {
        let Header { id, answer_bytes_max, .. } = call.header;
        let mut frame = vec![0; HEADER_BYTES];
        let mut value = Bounded { json: &mut frame, bytes_left: answer_bytes_max, full: false };
        match catch_unwind(AssertUnwindSafe(|| self.run(call, &mut value))) {
            Ok(Ok(())) => {
                let header = Header::of_head(Kind::Value, id, frame.len() - HEADER_BYTES);
                frame[..HEADER_BYTES].copy_from_slice(&header.encode());
                frame
            }
            Ok(Err(Failure::Failed(text))) => with_header(Kind::Failed, id, cut(&text)),
            Ok(Err(Failure::TooLarge)) => with_header(Kind::TooLarge, id, ""),
            Err(panic) => with_header(Kind::Panicked, id, cut(&panic_message(&*panic))),
        }
    }

    fn run(&self, call: &Frame, value: &mut Bounded<'_>) -> Result<(), Failure> {
        let function = std::str::from_utf8(call.name()).ok().and_then(|name| self.0.get(name));
        let Some(function) = function else {
            return Err(Failure::Failed(format!("no function is named `{}`", call.name().escape_ascii())));
        };
        function(&Input::new(call.head(), call.body()), value)
    }
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Functions").field(&self.0.keys()).finish()
    }
}

impl<'a> Input<'a> {
    /// Makes one: to try a function without a process.
    pub const fn new(head: &'a [u8], body: &'a [u8]) -> Self {
        Self { head, body }
    }

    /// Reads the head, the JSON that came with the body, as a `serde_json::Value` or a type of the caller's.
    ///
    /// # Errors
    /// When it is no JSON or not of that shape.
    pub fn head<T: Deserialize<'a>>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(self.head)
    }

    /// Returns the body, as it came.
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }
}

impl Bounded<'_> {
    fn put(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut *self, value).map_err(|error| {
            if self.full {
                Failure::TooLarge
            } else {
                Failure::Failed(format!("its value is no JSON: {error}"))
            }
        })
    }
}

impl Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.bytes_left.checked_sub(bytes.len());
        self.full |= left.is_none();
        self.bytes_left = left.ok_or(io::ErrorKind::FileTooLarge)?;
        self.json.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn with_header(kind: Kind, id: u64, head: &str) -> Vec<u8> {
    [&Header::of_head(kind, id, head.len()).encode(), head.as_bytes()].concat()
}

/// Cuts a text to its bound.
fn cut(text: &str) -> &str {
    let end = (0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;
    use crate::process::frame::FrameReader;

    fn functions() -> Functions {
        let size = |input: &Input<'_>| {
            let times = input.head::<usize>().map_err(|error| error.to_string())?;
            Ok::<_, String>("x".repeat(times * input.body().len()))
        };
        Functions::new()
            .function("size", size)
            .function("fails", |_: &Input<'_>| Err::<(), _>("é".repeat(TEXT_BYTES_MAX)))
            .function("panics", |_: &Input<'_>| -> Result<(), String> { panic!("as the test wants") })
            .function("no_json", |_: &Input<'_>| Ok::<_, String>(BTreeMap::from([((1, 2), 3)])))
    }

    /// Calls a function as a child does; returns the kind of its answer and the text.
    fn answer(name: &str, head: &str, body: &[u8], answer_bytes_max: usize) -> (Kind, String) {
        let (name_bytes, head_bytes, body_bytes) = (name.len(), head.len(), body.len());
        let header = Header { kind: Kind::Call, id: 3, name_bytes, head_bytes, body_bytes, answer_bytes_max };
        let call = [&header.encode(), name.as_bytes(), head.as_bytes(), body].concat();
        let call = read(FrameReader::of_parent(), &call);
        let answer = read(FrameReader::of_child(answer_bytes_max), &functions().answer(&call));
        assert_eq!(answer.header.id, 3);
        (answer.header.kind, String::from_utf8(answer.head().to_owned()).unwrap())
    }

    fn read(mut reader: FrameReader, mut bytes: &[u8]) -> Frame {
        loop {
            let read = io::Read::read(&mut bytes, reader.room()).unwrap();
            assert!(read > 0, "the frame is whole");
            if let Some(frame) = reader.came(read).unwrap() {
                return frame;
            }
        }
    }

    #[test]
    fn every_end_of_a_function_is_an_answer() {
        assert_eq!(answer("size", "2", b"ab", 100), (Kind::Value, "\"xxxx\"".into()));
        assert_eq!(answer("size", "2", b"ab", 6), (Kind::Value, "\"xxxx\"".into()), "as long as it may be");
        assert_eq!(answer("size", "2", b"ab", 5), (Kind::TooLarge, String::new()));
        assert_eq!(answer("panics", "", b"", 100), (Kind::Panicked, "as the test wants".into()));
        let check = |(kind, text): (Kind, String), starts: &str| {
            assert!(kind == Kind::Failed && text.starts_with(starts), "{kind:?} {text}");
        };
        check(answer("size", "{", b"", 100), "invalid type: map, expected usize");
        check(answer("no_json", "", b"", 100), "its value is no JSON: key must be a string");
        check(answer("none\n", "", b"", 100), r"no function is named `none\n`");
        assert_eq!(answer("fails", "", b"", 0), (Kind::Failed, "é".repeat(TEXT_BYTES_MAX / 2)), "it is cut");
    }

    #[test]
    fn the_hello_names_all_functions_sorted() {
        let hello = read(FrameReader::of_child(0), &functions().hello());
        let names: Value = serde_json::from_slice(hello.head()).unwrap();
        assert_eq!(names, json!(["fails", "no_json", "panics", "size"]));
        assert_eq!(functions().names().count(), 4);
    }

    #[test]
    fn names_that_cannot_be_called_are_told_at_the_start() {
        let check = |name: &str, expected: &str| {
            let add = || functions().function(name, |_: &Input<'_>| Ok::<_, String>(()));
            let text = panic_message(&*catch_unwind(AssertUnwindSafe(add)).unwrap_err());
            assert!(text.contains(expected), "{text}");
        };
        check("size", "two functions of a worker process are named `size`");
        check("", "has no name");
        check(&"n".repeat(NAME_BYTES_MAX + 1), "longer than 100 bytes");
    }

    #[test]
    fn a_head_is_read_as_what_the_function_wants() {
        #[derive(Deserialize)]
        struct Head<'a> {
            url: &'a str,
        }
        let input = Input::new(b"{\"url\":\"http://a/\"}", b"body");
        assert_eq!(input.head::<Head<'_>>().unwrap().url, "http://a/");
        assert_eq!(input.head::<Value>().unwrap(), json!({"url": "http://a/"}));
        assert!(input.head::<u32>().is_err());
    }
}

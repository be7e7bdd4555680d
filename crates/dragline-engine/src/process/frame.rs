//! Frames what a worker process and its parent say to each other: a header of fixed size, then what it announces.
//!
//! ```text
//! byte  0      4        5     6            8   16           20           24                28
//!       magic  version  kind  bytes: name  id  bytes: head  bytes: body  bytes: answer max name head body
//! ```
//!
//! Numbers are little-endian. A reader believes a header only after all its sizes were found within their bounds, and
//! its memory grows with what has come, not with what was announced.

use std::fmt;

use super::registry::{FUNCTIONS_MAX, NAME_BYTES_MAX};

/// How long the head of a call may be, in bytes of JSON.
pub const HEAD_BYTES_MAX: usize = 1 << 20;
/// How long the body of a call may be.
pub const BODY_BYTES_MAX: usize = 256 << 20;
/// How long an answer may be, in bytes of JSON, whatever the options say.
pub const ANSWER_BYTES_MAX: usize = 256 << 20;

/// How long an error's or a panic's text may be; a child cuts its own.
pub(crate) const TEXT_BYTES_MAX: usize = 16 << 10;
/// How long a hello may be: in JSON a byte of a name takes six at most, and a name three more.
const HELLO_BYTES_MAX: usize = FUNCTIONS_MAX * (6 * NAME_BYTES_MAX + 3) + 2;

pub(crate) const HEADER_BYTES: usize = 28;
/// No text begins like this, so that a program that prints is found out by its first byte.
const MAGIC: [u8; 4] = *b"\xd7DWP";
const VERSION: u8 = 1;
/// How much room is made at a time for what was announced.
const ROOM_BYTES: usize = 256 << 10;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The child is there; its head is a JSON list of names.
    Hello,
    /// The parent wants a function run.
    Call,
    /// The function's value, in JSON.
    Value,
    /// The text of the function's error.
    Failed,
    /// What the function's panic said.
    Panicked,
    /// The function's value is longer than the call allows.
    TooLarge,
}

/// What stands before a frame's name, head and body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    /// Numbers calls; an answer has the number of its call.
    pub(crate) id: u64,
    pub(crate) name_bytes: usize,
    pub(crate) head_bytes: usize,
    pub(crate) body_bytes: usize,
    /// How long the answer to a call may be.
    pub(crate) answer_bytes_max: usize,
}

/// One whole frame.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) header: Header,
    payload: Vec<u8>,
}

/// Puts frames together from whatever pieces they come in.
#[derive(Debug)]
pub(crate) struct FrameReader {
    sender: Sender,
    start: [u8; HEADER_BYTES],
    start_bytes: usize,
    header: Option<Header>,
    payload: Vec<u8>,
    payload_bytes: usize,
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameError {
    Magic,
    Version(u8),
    /// No frame is of that kind, or none that this end sends.
    Kind(u8),
    Size,
}

/// Who sends what is read.
#[derive(Clone, Copy, Debug)]
enum Sender {
    Child { answer_bytes_max: usize },
    Parent,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::Hello, Self::Call, Self::Value, Self::Failed, Self::Panicked, Self::TooLarge];

    const fn byte(self) -> u8 {
        match self {
            Self::Hello => b'H',
            Self::Call => b'C',
            Self::Value => b'V',
            Self::Failed => b'F',
            Self::Panicked => b'P',
            Self::TooLarge => b'L',
        }
    }
}

impl Header {
    /// Makes the header of a frame that is all head, as every frame but a call is.
    pub(crate) const fn of_head(kind: Kind, id: u64, head_bytes: usize) -> Self {
        Self { kind, id, name_bytes: 0, head_bytes, body_bytes: 0, answer_bytes_max: 0 }
    }

    /// Writes it down.
    ///
    /// # Panics
    /// When a size does not fit its field; every bound does.
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let name = u16::try_from(self.name_bytes).expect("names are bounded");
        let sizes = [self.head_bytes, self.body_bytes, self.answer_bytes_max];
        let [head, body, answer] =
            sizes.map(|size| u32::try_from(size).expect("sizes are bounded").to_le_bytes());
        let id = self.id.to_le_bytes();
        let fields: [&[u8]; 7] =
            [&MAGIC, &[VERSION, self.kind.byte()], &name.to_le_bytes(), &id, &head, &body, &answer];
        let mut bytes = [0; HEADER_BYTES];
        bytes.copy_from_slice(&fields.concat());
        bytes
    }

    fn parse(bytes: &[u8; HEADER_BYTES], sender: Sender) -> Result<Self, FrameError> {
        let mut rest = bytes.as_slice();
        if take(&mut rest) != MAGIC {
            return Err(FrameError::Magic);
        }
        let [version, kind_byte] = take(&mut rest);
        if version != VERSION {
            return Err(FrameError::Version(version));
        }
        let name_bytes = u16::from_le_bytes(take(&mut rest)).into();
        let id = u64::from_le_bytes(take(&mut rest));
        let mut size = || usize::try_from(u32::from_le_bytes(take(&mut rest))).unwrap_or(usize::MAX);
        let (head_bytes, body_bytes, answer_bytes_max) = (size(), size(), size());
        let kind = Kind::ALL.into_iter().find(|kind| kind.byte() == kind_byte);
        let kind = kind.ok_or(FrameError::Kind(kind_byte))?;
        let header = Self { kind, id, name_bytes, head_bytes, body_bytes, answer_bytes_max };
        let most = sender.most(kind).ok_or(FrameError::Kind(kind_byte))?;
        let fits = name_bytes <= most.name_bytes
            && head_bytes <= most.head_bytes
            && body_bytes <= most.body_bytes
            && answer_bytes_max <= most.answer_bytes_max;
        if fits { Ok(header) } else { Err(FrameError::Size) }
    }

    const fn payload_bytes(&self) -> usize {
        self.name_bytes + self.head_bytes + self.body_bytes
    }
}

impl Sender {
    /// Returns the largest frame of a kind; `None` when this end sends none.
    const fn most(self, kind: Kind) -> Option<Header> {
        let head_bytes = match (self, kind) {
            (Self::Parent, Kind::Call) => {
                let (name_bytes, body_bytes) = (NAME_BYTES_MAX, BODY_BYTES_MAX);
                let (head_bytes, answer_bytes_max) = (HEAD_BYTES_MAX, ANSWER_BYTES_MAX);
                return Some(Header { kind, id: 0, name_bytes, head_bytes, body_bytes, answer_bytes_max });
            }
            (Self::Child { .. }, Kind::Hello) => HELLO_BYTES_MAX,
            (Self::Child { answer_bytes_max }, Kind::Value) => answer_bytes_max,
            (Self::Child { .. }, Kind::Failed | Kind::Panicked) => TEXT_BYTES_MAX,
            (Self::Child { .. }, Kind::TooLarge) => 0,
            (Self::Parent, _) | (Self::Child { .. }, Kind::Call) => return None,
        };
        Some(Header::of_head(kind, 0, head_bytes))
    }
}

impl Frame {
    /// Returns the name of a call's function.
    pub(crate) fn name(&self) -> &[u8] {
        self.part(0, self.header.name_bytes)
    }

    /// Returns the JSON or the text.
    pub(crate) fn head(&self) -> &[u8] {
        self.part(self.header.name_bytes, self.header.head_bytes)
    }

    /// Returns the body of a call.
    pub(crate) fn body(&self) -> &[u8] {
        self.part(self.header.name_bytes + self.header.head_bytes, self.header.body_bytes)
    }

    fn part(&self, from: usize, bytes: usize) -> &[u8] {
        self.payload.get(from..from + bytes).unwrap_or_default()
    }
}

impl FrameReader {
    /// Reads what a child sends.
    pub(crate) const fn of_child(answer_bytes_max: usize) -> Self {
        Self::of(Sender::Child { answer_bytes_max })
    }

    /// Reads what a parent sends.
    pub(crate) const fn of_parent() -> Self {
        Self::of(Sender::Parent)
    }

    const fn of(sender: Sender) -> Self {
        Self {
            sender,
            start: [0; HEADER_BYTES],
            start_bytes: 0,
            header: None,
            payload: Vec::new(),
            payload_bytes: 0,
        }
    }

    /// Returns where the next bytes go; never empty, and never beyond the end of a frame.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        let Some(header) = &self.header else { return &mut self.start[self.start_bytes..] };
        let most = header.payload_bytes().min(self.payload_bytes + ROOM_BYTES);
        if self.payload.len() == self.payload_bytes {
            self.payload.resize(most, 0);
        }
        &mut self.payload[self.payload_bytes..]
    }

    /// Takes note of so many bytes in the room; returns the frame when they are its last.
    ///
    /// # Errors
    /// When they begin no frame that may come; nothing more can be read then.
    pub(crate) fn came(&mut self, bytes: usize) -> Result<Option<Frame>, FrameError> {
        let header = if let Some(header) = self.header {
            self.payload_bytes += bytes;
            header
        } else {
            self.start_bytes += bytes;
            check_magic(self.seen())?;
            if self.start_bytes < HEADER_BYTES {
                return Ok(None);
            }
            *self.header.insert(Header::parse(&self.start, self.sender)?)
        };
        if self.payload_bytes < header.payload_bytes() {
            return Ok(None);
        }
        let whole = std::mem::replace(self, Self::of(self.sender));
        Ok(Some(Frame { header, payload: whole.payload }))
    }

    /// Returns what came of the header, to be shown when it is none.
    pub(crate) fn seen(&self) -> &[u8] {
        &self.start[..self.start_bytes]
    }
}

/// Checks as much of the magic as has come.
fn check_magic(bytes: &[u8]) -> Result<(), FrameError> {
    let begins = bytes.iter().zip(&MAGIC).all(|(byte, due)| byte == due);
    if begins { Ok(()) } else { Err(FrameError::Magic) }
}

/// Takes the next bytes of a header; past its end there are zeros.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let Some((field, after)) = rest.split_first_chunk() else { return [0; N] };
    *rest = after;
    *field
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("no frame"),
            Self::Version(version) => write!(f, "version {version}, where {VERSION} is due"),
            Self::Kind(kind) => write!(f, "a frame of kind '{}', which is not due", kind.escape_ascii()),
            Self::Size => f.write_str("a frame larger than its kind may be"),
        }
    }
}

#[cfg(test)]
mod tests;

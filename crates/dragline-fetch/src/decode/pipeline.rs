//! Chains the decoders that a `Content-Encoding` names, and hands their output on piece by piece.

use std::cell::RefCell;
use std::fmt;

use dragline_core::headers::Headers;

use super::brotli::Brotli;
use super::inflate::{Deflate, Gzip};
use super::zstd::Zstd;
use super::{Damaged, Decode, Progress, STEP_BYTES};

/// Buffers that are kept for the next body, per thread.
const SPARE_MAX: usize = 16;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// What a response's `Content-Encoding` asks for.
#[derive(Debug)]
pub(crate) enum Setup {
    /// Nothing: the body is what was sent.
    Identity,
    /// These codings.
    Coded(Pipeline),
    /// One that is not known; holds it.
    Unknown(String),
    /// More layers than are undone.
    TooMany,
}

/// Reads `Content-Encoding` (RFC 9110 section 8.4): the codings in the order in which they were applied.
pub(crate) fn setup(headers: &Headers, layers_max: usize) -> Setup {
    let mut layers = Vec::new();
    for value in headers.get_all("content-encoding") {
        for coding in value.split(|octet| *octet == b',').map(<[u8]>::trim_ascii) {
            let is = |names: &[&str]| names.iter().any(|name| coding.eq_ignore_ascii_case(name.as_bytes()));
            let decode: Result<Box<dyn Decode>, Damaged> = if is(&["", "identity"]) {
                continue;
            } else if layers.len() == layers_max {
                return Setup::TooMany;
            } else if is(&["gzip", "x-gzip"]) {
                Ok(Box::new(Gzip::new()))
            } else if is(&["deflate"]) {
                Ok(Box::new(Deflate::new()))
            } else if is(&["br"]) {
                Ok(Box::new(Brotli::new()))
            } else if is(&["zstd"]) {
                Zstd::new().map(|zstd| Box::new(zstd) as Box<dyn Decode>)
            } else {
                return Setup::Unknown(String::from_utf8_lossy(coding).into_owned());
            };
            match decode {
                Ok(decode) => layers.push(Layer::new(decode)),
                Err(Damaged(coding)) => return Setup::Unknown(coding.to_owned()),
            }
        }
    }
    // The coding applied last is undone first.
    layers.reverse();
    if layers.is_empty() { Setup::Identity } else { Setup::Coded(Pipeline { layers }) }
}

/// Decoders one behind the other; the first is given what was received.
pub(crate) struct Pipeline {
    layers: Vec<Layer>,
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pipeline({} layers)", self.layers.len())
    }
}

/// One decoder and what it made that the next one has not taken.
struct Layer {
    decode: Box<dyn Decode>,
    made: Vec<u8>,
    start: usize,
    end: usize,
}

impl Layer {
    fn new(decode: Box<dyn Decode>) -> Self {
        let made = SPARE.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; STEP_BYTES]);
        Self { decode, made, start: 0, end: 0 }
    }

    fn step(&mut self, input: &[u8]) -> Result<Progress, Damaged> {
        let progress = self.decode.step(input, &mut self.made)?;
        self.start = 0;
        self.end = progress.written;
        Ok(progress)
    }

    fn ready(&self) -> &[u8] {
        self.made.get(self.start..self.end).unwrap_or_default()
    }
}

impl Drop for Layer {
    fn drop(&mut self) {
        let made = std::mem::take(&mut self.made);
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < SPARE_MAX {
                spare.push(made);
            }
        });
    }
}

impl Pipeline {
    /// Decodes from `input`, which is advanced, until there is a piece of output or no input is left.
    ///
    /// `None` means that all of `input` was taken and everything it stood for was handed out.
    pub(crate) fn next(&mut self, input: &mut &[u8]) -> Result<Option<&[u8]>, Damaged> {
        let made = pull(&mut self.layers, input)?;
        Ok(if made { self.layers.last().map(Layer::ready) } else { None })
    }

    /// Whether the body may end here.
    pub(crate) fn is_whole(&self) -> bool {
        self.layers.iter().all(|layer| layer.decode.is_whole())
    }
}

/// Makes the last of `layers` put something out; false when that needs more input.
fn pull(layers: &mut [Layer], input: &mut &[u8]) -> Result<bool, Damaged> {
    let Some((last, before)) = layers.split_last_mut() else { return Ok(false) };
    loop {
        let source = before.last().map_or(*input, Layer::ready);
        let given = source.len();
        let progress = last.step(source)?;
        match before.last_mut() {
            Some(feeder) => feeder.start += progress.read,
            None => *input = input.get(progress.read..).unwrap_or_default(),
        }
        if progress.written > 0 {
            return Ok(true);
        }
        if progress.read == 0 || given == progress.read {
            // Nothing is left to take, or the decoder waits for more than it was given.
            let refilled = !before.is_empty() && pull(before, input)?;
            if !refilled && (progress.read == 0 || input.is_empty()) {
                return Ok(false);
            }
        }
    }
}

//! Undoes brotli.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::{Damaged, Decode, Progress};

/// Undoes br (RFC 7932), with windows of at most 16 MiB.
pub(super) struct Brotli {
    state: Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    Inside,
    Ended,
}

impl Brotli {
    pub(super) fn new() -> Self {
        let alloc = StandardAlloc::default;
        Self { state: Box::new(BrotliState::new_strict(alloc(), alloc(), alloc())), place: Place::Start }
    }
}

impl Decode for Brotli {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, Damaged> {
        match self.place {
            // What follows the stream is ignored, as with gzip.
            Place::Ended => return Ok(Progress { read: input.len(), written: 0 }),
            Place::Start if input.is_empty() => return Ok(Progress::default()),
            Place::Start | Place::Inside => self.place = Place::Inside,
        }
        let (mut input_left, mut output_left) = (input.len(), output.len());
        let mut progress = Progress::default();
        let result = BrotliDecompressStream(
            &mut input_left,
            &mut progress.read,
            input,
            &mut output_left,
            &mut progress.written,
            output,
            &mut 0,
            &mut self.state,
        );
        match result {
            BrotliResult::ResultFailure => return Err(Damaged("br")),
            BrotliResult::ResultSuccess => self.place = Place::Ended,
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
        }
        Ok(progress)
    }

    fn is_whole(&self) -> bool {
        self.place != Place::Inside
    }
}

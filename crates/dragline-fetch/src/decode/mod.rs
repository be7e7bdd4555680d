//! Undoes content codings in bounded steps, so that no input can make more than one step's output at a time.

mod brotli;
mod inflate;
mod pipeline;
mod zstd;

pub(crate) use pipeline::{Pipeline, Setup, setup};

/// Bytes that one step may put out.
pub(crate) const STEP_BYTES: usize = 64 << 10;

/// What one step of a decoder did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Bytes of input that were taken.
    pub(crate) read: usize,
    /// Bytes of output that were made.
    pub(crate) written: usize,
}

/// Why a body cannot be decoded; holds the coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damaged(pub(crate) &'static str);

/// One content coding being undone.
pub(crate) trait Decode {
    /// Decodes some of `input` into `output`. No progress at all means that more input is needed.
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, Damaged>;

    /// Whether the input may end here.
    fn is_whole(&self) -> bool;
}

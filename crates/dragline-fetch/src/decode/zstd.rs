//! Undoes zstd.

use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use super::{Damaged, Decode, Progress};

/// Windows of 8 MiB (RFC 9659).
const WINDOW_LOG_MAX: u32 = 23;
const DAMAGED: Damaged = Damaged("zstd");

/// Undoes zstd (RFC 8878): frames one after another; what follows the last one and is none is ignored.
pub(super) struct Zstd {
    context: DCtx<'static>,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    Inside,
    Between,
    Junk,
}

impl Zstd {
    pub(super) fn new() -> Result<Self, Damaged> {
        let mut context = DCtx::try_create().ok_or(DAMAGED)?;
        context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX)).map_err(|_| DAMAGED)?;
        Ok(Self { context, place: Place::Start })
    }
}

impl Decode for Zstd {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, Damaged> {
        if self.place == Place::Junk || (self.place != Place::Inside && input.is_empty()) {
            return Ok(Progress { read: input.len(), written: 0 });
        }
        let mut taken = InBuffer::around(input);
        let mut made = OutBuffer::around(output);
        match self.context.decompress_stream(&mut made, &mut taken) {
            Ok(0) => self.place = Place::Between,
            Ok(_) => self.place = Place::Inside,
            Err(_) if self.place == Place::Between => {
                self.place = Place::Junk;
                return Ok(Progress { read: input.len(), written: 0 });
            }
            Err(_) => return Err(DAMAGED),
        }
        Ok(Progress { read: taken.pos(), written: made.pos() })
    }

    fn is_whole(&self) -> bool {
        self.place != Place::Inside
    }
}

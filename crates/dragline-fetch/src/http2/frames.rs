//! Counts the frames a server sends, since the h2 crate tells neither floods nor how long a refused response was.

use std::collections::BTreeMap;

/// Bytes of a frame's header (RFC 9113 section 4.1).
const HEADER_BYTES: usize = 9;
/// Frames in a row that serve no response of ours: `PING`, `SETTINGS`, `RST_STREAM`, empty `DATA` and the like.
pub(super) const IDLE_FRAMES_MAX: u32 = 10_000;

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;

/// What was seen of one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Bytes of the latest header block, compressed as it came.
    pub(super) block_bytes: u64,
    /// Bytes of content, padding included.
    pub(super) data_bytes: u64,
}

/// The server sent more idle frames than any server needs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flood;

/// Follows the frames of one connection.
#[derive(Debug, Default)]
pub(super) struct FrameWatch {
    /// The frame header so far.
    header: [u8; HEADER_BYTES],
    header_len: usize,
    /// Bytes of the present frame still to come.
    payload_left: usize,
    streams: BTreeMap<u32, Seen>,
    idle_frames: u32,
}

impl FrameWatch {
    /// Begins to follow a stream.
    pub(super) fn open(&mut self, stream: u32) {
        self.streams.insert(stream, Seen::default());
    }

    /// Ends that; frames of the stream are idle ones from now on.
    pub(super) fn close(&mut self, stream: u32) {
        self.streams.remove(&stream);
    }

    /// Returns what was seen of a stream.
    pub(super) fn seen(&self, stream: u32) -> Seen {
        self.streams.get(&stream).copied().unwrap_or_default()
    }

    /// Notes that a request made progress: the server may have sent window updates for it.
    pub(super) const fn note_progress(&mut self) {
        self.idle_frames = 0;
    }

    /// Takes bytes as they came, split anyhow.
    ///
    /// # Errors
    /// When there were too many idle frames in a row.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), Flood> {
        while !bytes.is_empty() {
            if self.payload_left > 0 {
                let skipped = self.payload_left.min(bytes.len());
                self.payload_left -= skipped;
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            let wanted = HEADER_BYTES - self.header_len;
            let (part, rest) = bytes.split_at(wanted.min(bytes.len()));
            let room = self.header.iter_mut().skip(self.header_len);
            room.zip(part).for_each(|(to, from)| *to = *from);
            self.header_len += part.len();
            bytes = rest;
            if self.header_len == HEADER_BYTES {
                self.header_len = 0;
                self.begin_frame()?;
            }
        }
        Ok(())
    }

    fn begin_frame(&mut self) -> Result<(), Flood> {
        let [high, middle, low, kind, _flags, stream @ ..] = self.header;
        let length = u32::from_be_bytes([0, high, middle, low]);
        self.payload_left = usize::try_from(length).unwrap_or(usize::MAX);
        let stream = self.streams.get_mut(&(u32::from_be_bytes(stream) & 0x7fff_ffff));
        match (kind, stream) {
            (DATA, Some(seen)) if length > 0 => {
                seen.data_bytes += u64::from(length);
                self.idle_frames = 0;
            }
            (HEADERS, Some(seen)) => {
                seen.block_bytes = u64::from(length);
                self.idle_frames = 0;
            }
            (CONTINUATION, Some(seen)) => {
                seen.block_bytes += u64::from(length);
                self.idle_frames += 1;
            }
            _ => self.idle_frames += 1,
        }
        if self.idle_frames > IDLE_FRAMES_MAX { Err(Flood) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, stream: u32, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, 0];
        frame.extend(stream.to_be_bytes());
        frame.extend(std::iter::repeat_n(0xee, usize::from(length)));
        frame
    }

    fn check(frames: &[Vec<u8>], expected: Seen) {
        let bytes = frames.concat();
        for size in 1..=bytes.len() {
            let mut watch = FrameWatch::default();
            watch.open(1);
            bytes.chunks(size).for_each(|chunk| watch.feed(chunk).unwrap());
            assert_eq!(watch.seen(1), expected, "in pieces of {size}");
        }
    }

    #[test]
    fn frames_are_counted_alike_however_the_bytes_arrive() {
        let interim = [frame(HEADERS, 1, 90), frame(HEADERS, 1, 40), frame(CONTINUATION, 1, 5)];
        let data = [frame(DATA, 1, 200), frame(6, 0, 8), frame(DATA, 3, 17), frame(DATA, 1, 0)];
        check(
            &[interim, [frame(DATA, 1, 3), vec![], vec![]]].concat(),
            Seen { block_bytes: 45, data_bytes: 3 },
        );
        check(&data, Seen { block_bytes: 0, data_bytes: 200 });
    }

    #[test]
    fn only_idle_frames_in_a_row_are_a_flood() {
        let mut watch = FrameWatch::default();
        watch.open(1);
        for _ in 0..3 {
            for _ in 0..IDLE_FRAMES_MAX {
                watch.feed(&frame(6, 0, 8)).unwrap();
            }
            watch.feed(&frame(DATA, 1, 1)).unwrap();
        }
        watch.close(1);
        for _ in 0..IDLE_FRAMES_MAX {
            watch.feed(&frame(DATA, 1, 1)).unwrap();
        }
        assert_eq!(watch.feed(&frame(DATA, 1, 1)), Err(Flood));
        watch.note_progress();
        watch.feed(&frame(3, 1, 4)).unwrap();
    }
}

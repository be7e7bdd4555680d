//! Encodes a Commit so that a scan finds it behind damage and mistakes nothing else for one.

use dragline_core::frontier::{Epoch, RunId};

use crate::error::LogError;
use crate::file::{Fields, PAYLOAD_BYTES_MAX, Pieces, salt};

/// Where Commits may begin: at multiples of this many bytes.
///
/// A scan must find the Commits behind a byte that broke, where nothing says any more where a block begins. On 4 KiB
/// boundaries they would cost 2 KiB each on average, much for the small epochs of a slow crawl; in steps of 64 bytes, a
/// line of the processor's cache, a scan still runs as fast as the disk reads. That many more places may not make a
/// Commit of what is none, so it begins with 16 bytes that no other data has: eight fixed ones, and the run's id, which
/// is drawn at random and is shown to no server that could send it back to us. Its checksum has the last word.
pub(super) const ALIGNMENT_BYTES: u64 = 64;
/// Bytes before a Commit's body.
pub(super) const COMMIT_HEADER_BYTES: usize = 64;

const MAGIC: [u8; 8] = [0xd6, b'c', b'o', b'm', b'm', b'i', b't', b'\n'];
/// Bytes of the header that the checksum covers.
const COVERED_BYTES: usize = COMMIT_HEADER_BYTES - 4;
/// The bit of a length that says that a snapshot is named; lengths themselves never need it.
const NAMES_SNAPSHOT: u32 = 1 << 31;

/// Makes the records of one epoch, and everything before, durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its epoch: one more than that of the Commit before, or 0.
    pub epoch: Epoch,
    /// The number of the last record of its epoch; that of the epoch before when this one has no records.
    pub last: u64,
    /// The snapshot from which a replay begins; `None` before the first snapshot.
    pub snapshot: Option<SnapshotRef>,
    /// What the caller keeps with each epoch, such as marks; opaque here.
    pub body: Vec<u8>,
}

/// Names a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotRef {
    /// Its number among snapshots.
    pub id: u64,
    /// The least of the numbers at which its shards were taken: records up to here are in all of them.
    pub lowest: u64,
}

/// A Commit as it stands in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CommitAt {
    pub(super) commit: Commit,
    /// What the checksums of its epoch's blocks come to, so that no other block stands in for one of them.
    pub(super) chain: Chain,
    /// The first byte behind it.
    pub(super) end: u64,
}

/// What the checksums of blocks come to, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain(u32);

impl Commit {
    /// Returns the number up to which no record is needed any more.
    pub(super) fn lowest(&self) -> u64 {
        self.snapshot.map_or(0, |snapshot| snapshot.lowest)
    }

    /// Returns how many bytes it has in a segment.
    pub(super) fn encoded_bytes(&self) -> u64 {
        (COMMIT_HEADER_BYTES + self.body.len()) as u64
    }

    /// Encodes the Commit.
    ///
    /// # Errors
    /// When its body is larger than can be read back.
    pub(super) fn encode(&self, run: RunId, chain: Chain) -> Result<Vec<u8>, LogError> {
        let bytes = u32::try_from(self.body.len()).ok().filter(|bytes| *bytes <= PAYLOAD_BYTES_MAX);
        let bytes = bytes.ok_or(LogError::TooLarge {
            what: "commit",
            bytes: self.body.len() as u64,
            bytes_max: PAYLOAD_BYTES_MAX.into(),
        })?;
        let snapshot = self.snapshot.unwrap_or(SnapshotRef { id: 0, lowest: 0 });
        let mut encoded = Vec::with_capacity(COMMIT_HEADER_BYTES + self.body.len());
        encoded.extend_from_slice(&MAGIC);
        encoded.extend_from_slice(&run.0.to_le_bytes());
        encoded.extend_from_slice(&self.epoch.0.to_le_bytes());
        encoded.extend_from_slice(&self.last.to_le_bytes());
        encoded.extend_from_slice(&snapshot.id.to_le_bytes());
        encoded.extend_from_slice(&snapshot.lowest.to_le_bytes());
        let names_snapshot = if self.snapshot.is_some() { NAMES_SNAPSHOT } else { 0 };
        encoded.extend_from_slice(&(bytes | names_snapshot).to_le_bytes());
        encoded.extend_from_slice(&chain.0.to_le_bytes());
        encoded.resize(COVERED_BYTES, 0);
        let crc = checksum(run, &encoded, &self.body);
        encoded.extend_from_slice(&crc.to_le_bytes());
        encoded.extend_from_slice(&self.body);
        Ok(encoded)
    }
}

impl Chain {
    /// Adds the checksum of the next block.
    pub(super) fn add(&mut self, crc: u32) {
        self.0 = crc32c::crc32c_append(self.0, &crc.to_le_bytes());
    }
}

/// Whether a Commit of this run may begin with these bytes.
pub(super) fn begins_commit(bytes: &[u8], run: RunId) -> bool {
    let mut fields = Fields(bytes);
    fields.array() == Some(MAGIC) && fields.u64() == Some(run.0)
}

/// Reads the Commit at an offset; `None` when there is none, or it is not whole.
pub(super) fn commit_at(pieces: &mut Pieces, run: RunId, offset: u64) -> Result<Option<CommitAt>, LogError> {
    let Some(header) = pieces.get(offset, COMMIT_HEADER_BYTES)? else { return Ok(None) };
    let header = <[u8; COMMIT_HEADER_BYTES]>::try_from(header).expect("as many bytes as were asked for");
    let Some((mut read, body_bytes, crc)) = decode_header(&header, run) else { return Ok(None) };
    let whole_bytes = COMMIT_HEADER_BYTES + body_bytes;
    let Some(whole) = pieces.get(offset, whole_bytes)? else { return Ok(None) };
    let body = whole.get(COMMIT_HEADER_BYTES..).unwrap_or_default();
    if crc != checksum(run, &header[..COVERED_BYTES], body) {
        return Ok(None);
    }
    read.commit.body = body.to_vec();
    read.end = offset + whole_bytes as u64;
    Ok(Some(read))
}

/// Returns the Commit without its body, how many bytes that has, and the checksum of both.
fn decode_header(header: &[u8; COMMIT_HEADER_BYTES], run: RunId) -> Option<(CommitAt, usize, u32)> {
    if !begins_commit(header, run) {
        return None;
    }
    let mut fields = Fields(header.get(MAGIC.len() + size_of::<u64>()..)?);
    let epoch = Epoch(fields.u64()?);
    let last = fields.u64()?;
    let snapshot = SnapshotRef { id: fields.u64()?, lowest: fields.u64()? };
    let bytes = fields.u32()?;
    let chain = Chain(fields.u32()?);
    let crc = Fields(header.get(COVERED_BYTES..)?).u32()?;
    let snapshot = (bytes & NAMES_SNAPSHOT != 0).then_some(snapshot);
    let bytes = Some(bytes & !NAMES_SNAPSHOT).filter(|bytes| *bytes <= PAYLOAD_BYTES_MAX)?;
    let commit = Commit { epoch, last, snapshot, body: Vec::new() };
    Some((CommitAt { commit, chain, end: 0 }, usize::try_from(bytes).ok()?, crc))
}

fn checksum(run: RunId, covered: &[u8], body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(salt(run), covered), body)
}

#[cfg(test)]
mod tests {
    use dragline_disk::FileDisk;

    use super::*;

    const RUN: RunId = RunId(7);

    fn commit() -> Commit {
        let snapshot = Some(SnapshotRef { id: 4, lowest: 30 });
        Commit { epoch: Epoch(5), last: 41, snapshot, body: b"marks".to_vec() }
    }

    fn read(contents: &[u8], run: RunId, offset: u64) -> Option<CommitAt> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        std::fs::write(&path, contents).expect("a file");
        let mut pieces = Pieces::open(&FileDisk, path).expect("the file is there");
        commit_at(&mut pieces, run, offset).expect("the file is read")
    }

    #[test]
    fn a_commit_is_read_back() {
        let check = |commit: Commit| {
            let mut contents = vec![0; 64];
            contents.extend(commit.encode(RUN, Chain(9)).unwrap());
            let end = contents.len() as u64;
            assert_eq!(read(&contents, RUN, 64), Some(CommitAt { commit, chain: Chain(9), end }));
        };
        check(commit());
        check(Commit { snapshot: None, body: Vec::new(), ..commit() });
    }

    #[test]
    fn nothing_torn_flipped_or_foreign_is_a_commit() {
        let contents = commit().encode(RUN, Chain(9)).unwrap();
        assert_eq!(contents.len(), COMMIT_HEADER_BYTES + 5);
        assert_eq!(read(&contents, RunId(8), 0), None);
        assert!(begins_commit(&contents, RUN) && !begins_commit(&contents, RunId(8)));
        for cut in 0..contents.len() {
            assert_eq!(read(&contents[..cut], RUN, 0), None, "cut at {cut}");
            let mut flipped = contents.clone();
            flipped[cut] ^= 4;
            assert_eq!(read(&flipped, RUN, 0), None, "flipped at {cut}");
        }
    }
}

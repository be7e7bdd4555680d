//! What all files of the state folder share: how they are named, how they begin, and how blocks stand in them.
//!
//! ```text
//!   header: 64 bytes                block: 24 bytes        payload          block ...
//!  +--------------------------+    +----------------+----------------+    +---------
//!  | dragline, run, kind,     |    | magic, kind,   | opaque         |    |
//!  | version, number, .., crc |    | lengths,.. crc |                |    |
//!  +--------------------------+    +----------------+----------------+    +---------
//! ```
//!
//! Numbers are little-endian. Checksums are CRC-32C and begin with the run, so that no byte of another run is believed.

mod appender;
mod block;
mod fields;
mod header;
mod names;
mod pieces;
mod tail;
mod writer;

pub(crate) use appender::Appender;
pub(crate) use block::{BLOCK_HEADER_BYTES, BlockHeader, PAYLOAD_BYTES_MAX, salt};
pub(crate) use fields::Fields;
pub(crate) use header::{FileKind, HEADER_BYTES, Header, VERSION};
pub(crate) use names::{name_of, numbered, numbered_with};
pub(crate) use pieces::{BlockAt, PIECE_BYTES, Pieces};
pub(crate) use tail::Tail;
pub(crate) use writer::BlockWriter;

//! Says what every sink must do, and when it is asked to.

use std::fmt;

use dragline_core::Wall;
use dragline_core::frontier::{Epoch, Mark, RunId};

use crate::error::SinkError;
use crate::records::{Record, RecordKind};

/// Where records go. Synchronous: the engine runs it on an I/O thread, never on an actor's arbiter.
///
/// Records come in the order in which URLs were settled; one thread calls at a time, and in this order:
///
/// ```text
///   begin(run) -----------+        +--> write(records) ... --> flush(e) -> Mark --> the log's Commit{e} is durable --+
///   or rewind(run, mark) -+------> |       (seal(), before the last flush)                                           |
///                                  +<------------------------------ committed(e) <-----------------------------------+
/// ```
///
/// Records may be written between a flush and its `committed`: they belong to the next epoch. A mark that no durable
/// commit carries never happened: the next life rewinds to the one before it.
pub trait Sink: fmt::Debug + Send {
    /// Returns the sink's name: what its marks are filed under; unique within a crawl.
    fn name(&self) -> &str;

    /// Whether the sink wants records of this kind; others are not sent to it.
    fn takes(&self, kind: RecordKind) -> bool;

    /// Starts a run and returns its first mark: creates what has a fixed name, empty, and makes the name durable. A sink
    /// is either begun or rewound, once, before anything else; what it touches before that is nothing. A start that was
    /// cut short is begun again, perhaps as another run, and finds its own empty files.
    ///
    /// # Errors
    /// When something that is not empty stands where the run would write, or when that cannot be created.
    fn begin(&mut self, run: RunId) -> Result<Mark, SinkError> {
        let _ = run;
        self.flush(Epoch(0))
    }

    /// Learns what time it is, for a sink whose files have an age. Comes, if the caller knows the time, before records,
    /// a flush and what is published; it does not go back within a life.
    fn tell_time(&mut self, now: Wall) {
        let _ = now;
    }

    /// Takes records. They may stay in memory until the next flush. A call without records tries to write what is
    /// waiting for space.
    ///
    /// # Errors
    /// When bytes could not be written. The records of this call are kept all the same and are written by a later
    /// call, so they must not be sent again; [`SinkError::may_retry`] says whether a later call can succeed.
    fn write(&mut self, records: &[Record]) -> Result<(), SinkError>;

    /// Writes what was taken before, makes it durable with the names of its files, and returns how far the sink got.
    /// When nothing was written since the last flush nothing is synced; the mark is then the last one again, but for
    /// files that were published since, which it no longer names.
    ///
    /// # Errors
    /// As [`Sink::write`]. After a failed sync every later call fails too: what is on the disk is then unknown until
    /// a new process has rewound the sink.
    fn flush(&mut self, epoch: Epoch) -> Result<Mark, SinkError>;

    /// Learns that the commit that carries this epoch's mark is durable: what the mark calls sealed is published now
    /// (renamed, compressed, uploaded), and never earlier. Comes after the flush of that epoch and before the next.
    /// Published means that a power loss cannot undo it; only then a file leaves the next mark.
    ///
    /// # Errors
    /// As [`Sink::flush`]. Without space ([`SinkError::may_retry`]) it is called again, with the same epoch, before the
    /// next flush; what was published already stays so.
    fn committed(&mut self, epoch: Epoch) -> Result<(), SinkError> {
        let _ = epoch;
        Ok(())
    }

    /// Learns that the next flush is the last for now: that one seals whatever is open, so that the
    /// [`Sink::committed`] behind it leaves only finished files. Nothing is written or synced yet. More may follow all
    /// the same, in this life or in the next: it goes into another file.
    fn seal(&mut self) {}

    /// Takes up a run where `mark` says: cuts everything behind it as if it had never been written, removes unfinished
    /// files of this run that it does not name, and publishes again what it calls sealed. Called instead of
    /// [`Sink::begin`], once the log is durable. A rewind that was cut short anywhere is simply called again, by the next
    /// life; one that refuses has changed nothing.
    ///
    /// # Errors
    /// When the mark belongs to another place or another form of it, or what it names is missing or shorter than it
    /// says.
    fn rewind(&mut self, run: RunId, mark: &Mark) -> Result<(), SinkError>;

    /// Returns how many records were counted but not written because of a cap on rows.
    fn dropped(&self) -> u64 {
        0
    }
}

//! Runs one sink on the I/O thread: writes in order, gives credits back, makes durable when asked.

use std::sync::Arc;

use actix::{Actor, ActorContext, Context, Handler};
use dragline_sink::{Record, Sink, SinkError};
use dragline_telemetry::events::ItemsWritten;
use dragline_telemetry::{LabelId, Telemetry};

use crate::messages::{Flush, Flushed, RecordsWritten, SinkFailed, WriteRecords};
use crate::post::{Mailbox, Post};
use crate::supervisor::Supervisor;

/// One sink; its thread may block.
pub(crate) struct SinkActor {
    pub(crate) index: usize,
    pub(crate) sink: Box<dyn Sink>,
    pub(crate) label: Option<LabelId>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) supervisor: Post<Supervisor>,
    pub(crate) mailbox: Mailbox,
}

impl SinkActor {
    /// Reports a failure that a later call cannot mend, and stops: nothing more may be written.
    fn fail(&self, error: SinkError, ctx: &mut Context<Self>) {
        self.supervisor.send(SinkFailed(error));
        ctx.stop();
    }
}

impl Actor for SinkActor {
    type Context = Context<Self>;
}

/// Writes records and gives their credits back.
impl Handler<WriteRecords> for SinkActor {
    type Result = ();

    fn handle(&mut self, WriteRecords { records, groups }: WriteRecords, ctx: &mut Context<Self>) {
        self.mailbox.started();
        if let Err(error) = self.sink.write(&records) {
            self.fail(error, ctx);
            return;
        }
        let items = records.iter().filter(|record| matches!(record, Record::Item(_))).count();
        if let Some(sink) = self.label {
            ItemsWritten { sink, count: u64::try_from(items).unwrap_or(u64::MAX) }.record(&self.telemetry);
        }
        self.supervisor.send(RecordsWritten { sink: self.index, groups, dropped: self.sink.dropped() });
    }
}

/// Makes durable what came before.
impl Handler<Flush> for SinkActor {
    type Result = ();

    fn handle(&mut self, Flush(epoch): Flush, ctx: &mut Context<Self>) {
        self.mailbox.started();
        match self.sink.flush(epoch) {
            Ok(mark) => self.supervisor.send(Flushed { sink: self.index, epoch, mark }),
            Err(error) => self.fail(error, ctx),
        }
    }
}

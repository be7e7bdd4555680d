//! Runs one sink on the I/O thread: writes in order, gives credits back, makes durable when asked.
//!
//! A sink without space keeps what it was given. Its credits are not given back until there is space again, so that
//! the crawl stands still and then goes on.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler};
use dragline_core::frontier::Epoch;
use dragline_sink::{Record, Sink, SinkError};
use dragline_telemetry::events::ItemsWritten;
use dragline_telemetry::{LabelId, Telemetry};

use crate::messages::{Flush, Flushed, RecordsWritten, SinkFailed, WriteRecords};
use crate::post::{Mailbox, Post};
use crate::supervisor::Supervisor;

/// How often a sink without space is tried again.
const SPACE_TICK: Duration = Duration::from_secs(1);

/// One sink; its thread may block.
pub(crate) struct SinkActor {
    index: usize,
    sink: Box<dyn Sink>,
    label: Option<LabelId>,
    telemetry: Arc<Telemetry>,
    supervisor: Post<Supervisor>,
    mailbox: Mailbox,
    /// Credits of records that the sink has taken but had no space for.
    held: usize,
    /// An epoch that there was no space to flush.
    unflushed: Option<Epoch>,
    waits_for_space: bool,
}

impl SinkActor {
    /// Puts a sink behind the mailbox of the supervisor that numbers it `index`.
    pub(crate) fn new(
        index: usize,
        sink: Box<dyn Sink>,
        telemetry: Arc<Telemetry>,
        supervisor: Post<Supervisor>,
        mailbox: Mailbox,
    ) -> Self {
        let label = telemetry.sink_id(sink.name());
        Self {
            index,
            sink,
            label,
            telemetry,
            supervisor,
            mailbox,
            held: 0,
            unflushed: None,
            waits_for_space: false,
        }
    }

    fn write(&mut self, records: &[Record], ctx: &mut Context<Self>) {
        match self.sink.write(records) {
            Ok(()) => {
                let (groups, dropped) = (std::mem::take(&mut self.held), self.sink.dropped());
                self.supervisor.send(RecordsWritten { sink: self.index, groups, dropped });
            }
            Err(error) => self.fail(error, ctx),
        }
    }

    fn flush(&mut self, epoch: Epoch, ctx: &mut Context<Self>) {
        match self.sink.flush(epoch) {
            Ok(mark) => self.supervisor.send(Flushed { sink: self.index, epoch, mark }),
            Err(error) => {
                self.unflushed = Some(epoch);
                self.fail(error, ctx);
            }
        }
    }

    /// Waits for space; any other failure is reported and ends the sink: nothing more may be written.
    fn fail(&mut self, error: SinkError, ctx: &mut Context<Self>) {
        if !error.may_retry() {
            self.supervisor.send(SinkFailed(error));
            ctx.stop();
        } else if !std::mem::replace(&mut self.waits_for_space, true) {
            tracing::error!(target: "dragline::sink", %error, "the crawl stands still until there is space");
            ctx.run_later(SPACE_TICK, Self::try_again);
        }
    }

    fn try_again(&mut self, ctx: &mut Context<Self>) {
        self.waits_for_space = false;
        if self.held > 0 {
            self.write(&[], ctx);
        }
        if !self.waits_for_space
            && let Some(epoch) = self.unflushed.take()
        {
            self.flush(epoch, ctx);
        }
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
        let items = records.iter().filter(|record| matches!(record, Record::Item(_))).count();
        if let Some(sink) = self.label {
            ItemsWritten { sink, count: u64::try_from(items).unwrap_or(u64::MAX) }.record(&self.telemetry);
        }
        self.held += groups;
        self.write(&records, ctx);
    }
}

/// Makes durable what came before.
impl Handler<Flush> for SinkActor {
    type Result = ();

    fn handle(&mut self, Flush(epoch): Flush, ctx: &mut Context<Self>) {
        self.mailbox.started();
        self.flush(epoch, ctx);
    }
}

//! Runs one sink on the I/O thread: writes in order, gives credits back, makes durable and publishes when asked.
//!
//! A sink without space keeps what it was given and was asked for. Its credits are not given back until there is space
//! again, so that the crawl stands still and then goes on.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, SpawnHandle};
use dragline_core::frontier::Epoch;
use dragline_sink::{Record, Sink, SinkError};
use dragline_telemetry::events::ItemsWritten;
use dragline_telemetry::{LabelId, Telemetry};

use crate::clock::Clock;
use crate::messages::{
    Flush, Flushed, Publish, Published, RecordsWritten, SinkFailed, SinkHasSpace, SinkRanOut, WriteRecords,
};
use crate::post::{Mailbox, Post};
use crate::supervisor::Supervisor;

/// How often a sink without space is tried again.
const SPACE_TICK: Duration = Duration::from_secs(1);

/// One sink; its thread may block.
pub(crate) struct SinkActor {
    index: usize,
    sink: Box<dyn Sink>,
    label: Option<LabelId>,
    clock: Clock,
    telemetry: Arc<Telemetry>,
    supervisor: Post<Supervisor>,
    mailbox: Mailbox,
    /// Credits of records that the sink has taken but had no space for.
    held: usize,
    /// An epoch that is durable and was not published for want of space; asked for before the one to flush.
    unpublished: Option<Epoch>,
    /// What was asked for and there was no space to flush.
    unflushed: Option<Flush>,
    /// Records that came behind that flush, with their credits: its mark must not know of them, since they belong to the
    /// next epoch.
    behind: (Vec<Record>, usize),
    /// The timer that tries again, while there is no space.
    waiting: Option<SpawnHandle>,
}

impl SinkActor {
    /// Messages to the supervisor, beside credits, that can be on their way: a mark, two epochs published, a failure, and
    /// twice that space ran out and returned, which takes a second.
    pub(crate) const MESSAGES_MAX: usize = 8;

    /// Puts a sink behind the mailbox of the supervisor that numbers it `index`.
    pub(crate) fn new(
        index: usize,
        sink: Box<dyn Sink>,
        clock: Clock,
        telemetry: Arc<Telemetry>,
        supervisor: Post<Supervisor>,
        mailbox: Mailbox,
    ) -> Self {
        let label = telemetry.sink_id(sink.name());
        Self {
            index,
            sink,
            label,
            clock,
            telemetry,
            supervisor,
            mailbox,
            held: 0,
            unpublished: None,
            unflushed: None,
            behind: (Vec::new(), 0),
            waiting: None,
        }
    }

    /// Gives the sink records, and does in order what it was asked for and has not done.
    fn proceed(&mut self, records: &[Record], ctx: &mut Context<Self>) {
        match self.attempt(records) {
            Ok(()) => {
                if let Some(timer) = self.waiting.take() {
                    ctx.cancel_future(timer);
                    self.supervisor.send(SinkHasSpace { sink: self.index });
                }
            }
            Err(error) => self.fail(error, ctx),
        }
    }

    fn attempt(&mut self, records: &[Record]) -> Result<(), SinkError> {
        self.sink.tell_time(self.clock.wall());
        self.write(records)?;
        if let Some(epoch) = self.unpublished {
            self.sink.committed(epoch)?;
            self.unpublished = None;
            self.supervisor.send(Published);
        }
        if let Some(Flush { epoch, is_last }) = self.unflushed {
            if is_last {
                self.sink.seal();
            }
            let mark = self.sink.flush(epoch)?;
            self.unflushed = None;
            self.supervisor.send(Flushed { sink: self.index, epoch, mark });
            let (behind, groups) = std::mem::take(&mut self.behind);
            self.held += groups;
            self.write(&behind)?;
        }
        Ok(())
    }

    fn write(&mut self, records: &[Record]) -> Result<(), SinkError> {
        if self.held > 0 {
            self.sink.write(records)?;
            let (groups, dropped) = (std::mem::take(&mut self.held), self.sink.dropped());
            self.supervisor.send(RecordsWritten { sink: self.index, groups, dropped });
        }
        Ok(())
    }

    /// Waits for space; any other failure is reported and ends the sink: nothing more may be written.
    fn fail(&mut self, error: SinkError, ctx: &mut Context<Self>) {
        if !error.may_retry() {
            self.supervisor.send(SinkFailed(error));
            ctx.stop();
        } else if self.waiting.is_none() {
            let what = error.to_string().into();
            self.supervisor.send(SinkRanOut { sink: self.index, what });
            self.waiting = Some(ctx.run_interval(SPACE_TICK, |sink, ctx| sink.proceed(&[], ctx)));
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
        if self.unflushed.is_some() {
            let (behind, credits) = &mut self.behind;
            behind.extend(records);
            *credits += groups;
            return;
        }
        self.held += groups;
        self.proceed(&records, ctx);
    }
}

/// Makes durable what came before.
impl Handler<Flush> for SinkActor {
    type Result = ();

    fn handle(&mut self, flush: Flush, ctx: &mut Context<Self>) {
        self.mailbox.started();
        self.unflushed = Some(flush);
        self.proceed(&[], ctx);
    }
}

/// Publishes what a durable commit calls sealed.
impl Handler<Publish> for SinkActor {
    type Result = ();

    fn handle(&mut self, Publish(epoch): Publish, ctx: &mut Context<Self>) {
        self.mailbox.started();
        self.unpublished = Some(epoch);
        self.proceed(&[], ctx);
    }
}

//! Takes what sinks, the disk and its thread tell the supervisor.

use std::error::Error;

use actix::{Context, Handler};
use dragline_frontier::Background;

use super::Supervisor;
use crate::desk::Problem;
use crate::messages::{
    Flushed, Published, RecordsWritten, SinkFailed, SinkHasSpace, SinkRanOut, SpaceMeasured,
};

impl Supervisor {
    /// Ends the crawl when the thread of the disk died: what it wrote last is unknown.
    pub(super) fn check_io(&mut self) {
        if let Some(what) = self.io.failure() {
            let what = format!("writing the state panicked, which is a bug: {what}");
            self.desk.fail(Problem::Storage(what));
        }
    }

    /// Has the thread of the disk look how much is free; once at a time, since it may be in a long sync.
    pub(super) fn measure_space(&mut self, ctx: &Context<Self>) {
        if let Some(room) = self.room.clone().filter(|_| !std::mem::replace(&mut self.measuring, true)) {
            let supervisor = self.post(ctx);
            self.io.run(Box::new(move || supervisor.send(SpaceMeasured(room.look()))));
        }
    }
}

/// Takes sink credits back.
impl Handler<RecordsWritten> for Supervisor {
    type Result = ();

    fn handle(&mut self, RecordsWritten { sink, groups, dropped }: RecordsWritten, ctx: &mut Context<Self>) {
        self.mailbox.started();
        self.desk.written(sink, groups, dropped);
        self.proceed(ctx);
    }
}

/// Takes a sink's mark.
impl Handler<Flushed> for Supervisor {
    type Result = ();

    fn handle(&mut self, Flushed { sink, epoch, mark }: Flushed, ctx: &mut Context<Self>) {
        self.mailbox.started();
        self.desk.flushed(self.now(), sink, epoch, mark);
        self.proceed(ctx);
    }
}

/// Ends the crawl: what a sink lost cannot be made good in this process.
impl Handler<SinkFailed> for Supervisor {
    type Result = ();

    fn handle(&mut self, SinkFailed(error): SinkFailed, ctx: &mut Context<Self>) {
        self.mailbox.started();
        let cause = Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        self.desk.fail(Problem::Storage(format!("{error}{cause}")));
        self.proceed(ctx);
    }
}

/// Notes that a sink has published.
impl Handler<Published> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: Published, ctx: &mut Context<Self>) {
        self.mailbox.started();
        self.desk.published();
        self.proceed(ctx);
    }
}

/// Notes that a sink has no space.
impl Handler<SinkRanOut> for Supervisor {
    type Result = ();

    fn handle(&mut self, SinkRanOut { sink, what }: SinkRanOut, ctx: &mut Context<Self>) {
        self.mailbox.started();
        self.desk.sink_ran_out(sink, what);
        self.proceed(ctx);
    }
}

/// Notes that a sink has space again.
impl Handler<SinkHasSpace> for Supervisor {
    type Result = ();

    fn handle(&mut self, SinkHasSpace { sink }: SinkHasSpace, ctx: &mut Context<Self>) {
        self.mailbox.started();
        self.desk.sink_has_space(sink);
        self.proceed(ctx);
    }
}

/// Takes how much is free where the crawl writes.
impl Handler<SpaceMeasured> for Supervisor {
    type Result = ();

    fn handle(&mut self, SpaceMeasured(found): SpaceMeasured, ctx: &mut Context<Self>) {
        self.mailbox.started();
        self.measuring = false;
        self.desk.measured(&found);
        self.proceed(ctx);
    }
}

//! Takes what sessions ask the supervisor for and give back.

use actix::{Context, Handler};

use super::Supervisor;
use crate::messages::{AskAdmission, ReleaseAdmission, WithdrawAdmission};

/// Takes a session's ask.
impl Handler<AskAdmission> for Supervisor {
    type Result = ();

    fn handle(&mut self, message: AskAdmission, ctx: &mut Context<Self>) {
        self.mailbox.started();
        let AskAdmission { id, ask, reply, credit } = message;
        self.askers.ask(id, reply, credit);
        self.desk.session_asks(id, ask);
        self.proceed(ctx);
    }
}

/// Forgets a session's ask.
impl Handler<WithdrawAdmission> for Supervisor {
    type Result = ();

    fn handle(&mut self, WithdrawAdmission { id }: WithdrawAdmission, ctx: &mut Context<Self>) {
        self.mailbox.started();
        self.desk.session_withdraws(self.now(), id);
        self.askers.end(id);
        self.proceed(ctx);
    }
}

/// Takes a session's slot back.
impl Handler<ReleaseAdmission> for Supervisor {
    type Result = ();

    fn handle(&mut self, ReleaseAdmission { id, fetched }: ReleaseAdmission, ctx: &mut Context<Self>) {
        self.mailbox.started();
        self.desk.session_releases(self.now(), id, &fetched);
        self.askers.end(id);
        self.proceed(ctx);
    }
}

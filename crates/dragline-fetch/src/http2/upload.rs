//! Sends the content of a request as fast as the server lets us, and exactly as long as announced.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use dragline_core::fetch::RequestBody;
use futures_core::Stream;
use h2::{Reason, SendStream};

/// Where content comes from.
type Source = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// Content on its way.
pub(super) struct Upload {
    stream: SendStream<Bytes>,
    /// `None` when all of it stands in `chunk`.
    source: Option<Source>,
    chunk: Bytes,
    /// Bytes that are announced and not yet taken from the source.
    left: Option<u64>,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload").field("left", &self.left).finish_non_exhaustive()
    }
}

/// Whether there is content to send.
pub(super) fn is_empty(body: &RequestBody) -> bool {
    match body {
        RequestBody::None => true,
        RequestBody::Bytes { content, .. } => content.is_empty(),
        RequestBody::Stream(_) => false,
    }
}

impl Upload {
    /// Begins to send content from its start.
    pub(super) fn new(stream: SendStream<Bytes>, body: &RequestBody) -> Option<Self> {
        match body {
            RequestBody::None => None,
            RequestBody::Bytes { content, .. } => (!content.is_empty()).then(|| Self {
                stream,
                source: None,
                chunk: content.clone(),
                left: Some(0),
            }),
            RequestBody::Stream(source) => {
                let left = source.length();
                Some(Self { stream, source: Some(source.open()), chunk: Bytes::new(), left })
            }
        }
    }

    /// Sends what can be sent; `sent` is told how much. Ready when nothing is left to do.
    ///
    /// A stream that the server has closed is nothing to do: the response tells what that means.
    ///
    /// # Errors
    /// When the source fails or is not as long as announced; the stream is reset.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut sent: impl FnMut(usize),
    ) -> Poll<Result<(), String>> {
        loop {
            if self.chunk.is_empty() && !ready!(self.poll_source(cx))? {
                // An end that cannot be sent means that the stream is closed.
                drop(self.stream.send_data(Bytes::new(), true));
                return Poll::Ready(Ok(()));
            }
            if self.chunk.is_empty() {
                // A source may yield nothing as often as it likes, but not keep the arbiter to itself.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.stream.reserve_capacity(self.chunk.len());
            // Only an increase is announced; what was granted before is simply there.
            if self.stream.capacity() == 0 && !matches!(ready!(self.stream.poll_capacity(cx)), Some(Ok(_))) {
                return Poll::Ready(Ok(()));
            }
            let room = self.stream.capacity().min(self.chunk.len());
            if room == 0 {
                continue;
            }
            let piece = self.chunk.split_to(room);
            let count = piece.len();
            let last = self.source.is_none() && self.chunk.is_empty();
            if self.stream.send_data(piece, last).is_err() {
                return Poll::Ready(Ok(()));
            }
            sent(count);
            if last {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Takes the next chunk from the source; false at its end.
    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, String>> {
        let Some(source) = &mut self.source else { return Poll::Ready(Ok(false)) };
        let fault = match ready!(source.as_mut().poll_next(cx)) {
            Some(Ok(chunk)) => match self.left.map(|left| left.checked_sub(chunk.len() as u64)) {
                Some(None) => "the content of the request is longer than announced".into(),
                Some(left) => {
                    self.left = left;
                    self.chunk = chunk;
                    return Poll::Ready(Ok(true));
                }
                None => {
                    self.chunk = chunk;
                    return Poll::Ready(Ok(true));
                }
            },
            None if self.left.is_some_and(|left| left > 0) => {
                "the content of the request is shorter than announced".into()
            }
            None => {
                self.source = None;
                return Poll::Ready(Ok(false));
            }
            Some(Err(error)) => format!("the content of the request could not be read: {error}"),
        };
        self.stream.send_reset(Reason::CANCEL);
        Poll::Ready(Err(fault))
    }
}

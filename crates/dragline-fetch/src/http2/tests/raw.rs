//! Speaks HTTP/2 frame by frame, so that a server can do what no library would.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::{Peer, Site};

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// The server's side of a connection.
pub(super) struct Raw(Peer);

impl Raw {
    /// Runs a server that sends empty SETTINGS, and does the rest by `serve`.
    pub(super) async fn site<F>(serve: impl Fn(Self, usize) -> F + 'static) -> Site
    where
        F: Future<Output = ()> + 'static,
    {
        let serve = std::rc::Rc::new(serve);
        Site::run(&["h2"], move |peer, number| {
            let serve = std::rc::Rc::clone(&serve);
            async move {
                let mut raw = Self(peer);
                let mut preface = [0; 24];
                if raw.0.read_exact(&mut preface).await.is_ok() {
                    raw.frame(SETTINGS, 0, 0, &[]).await;
                    serve(raw, number).await;
                }
            }
        })
        .await
    }

    /// Sends bytes; false when the client is gone.
    pub(super) async fn bytes(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok() && self.0.flush().await.is_ok()
    }

    pub(super) async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.bytes(&frame(kind, flags, stream, payload)).await
    }

    /// Waits for the next request head; returns its stream, or `None` when the client is gone.
    pub(super) async fn request(&mut self) -> Option<u32> {
        self.wait_for(HEADERS).await
    }

    /// Waits for a frame of a kind; returns its stream, or `None` when the client is gone.
    pub(super) async fn wait_for(&mut self, wanted: u8) -> Option<u32> {
        loop {
            let mut header = [0; 9];
            self.0.read_exact(&mut header).await.ok()?;
            let [high, middle, low, kind, _, stream @ ..] = header;
            let mut payload = vec![0; u32::from_be_bytes([0, high, middle, low]) as usize];
            self.0.read_exact(&mut payload).await.ok()?;
            if kind == wanted {
                return Some(u32::from_be_bytes(stream));
            }
        }
    }

    /// Reads until the client is gone.
    pub(super) async fn hold(&mut self) {
        while self.wait_for(0xff).await.is_some() {}
    }

    /// Closes with TLS's goodbye.
    pub(super) async fn close(mut self) {
        drop(self.0.shutdown().await);
    }
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Writes a head as literals that are never remembered (RFC 7541 section 6.2.2).
pub(super) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            write_length(&mut block, text.len());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

fn write_length(out: &mut Vec<u8>, length: usize) {
    if let Ok(small @ 0..127) = u8::try_from(length) {
        out.push(small);
        return;
    }
    out.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        out.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    out.push(u8::try_from(rest).unwrap());
}
